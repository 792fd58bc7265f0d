//! datatrove's `.ds.index`, which nanotron reads too: a little-endian `u64` a document, the number of tokens up to its
//! end (`TokenizedFile.close` in `datatrove/pipeline/tokens/tokenizer.py`).

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::flat::{Sidecar, close};

/// Writes `STEM.ds.index`.
pub(super) struct DocumentEnds {
    file: BufWriter<File>,
    end: u64,
}

impl DocumentEnds {
    pub(super) fn create(stem: &Path) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::new(File::create_new(stem.with_extension("ds.index"))?),
            end: 0,
        })
    }
}

impl Sidecar for DocumentEnds {
    fn add(&mut self, tokens: u32) -> io::Result<()> {
        self.end += u64::from(tokens);
        self.file.write_all(&self.end.to_le_bytes())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        close(self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_cumulative_and_count_tokens() {
        let folder = tempfile::tempdir().unwrap();
        let mut ends = Box::new(DocumentEnds::create(&folder.path().join("some")).unwrap());
        ends.add(7).unwrap();
        ends.add(250).unwrap();
        ends.finish().unwrap();
        let bytes = std::fs::read(folder.path().join("some.ds.index")).unwrap();
        assert_eq!(bytes, [7, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0]);
    }
}
