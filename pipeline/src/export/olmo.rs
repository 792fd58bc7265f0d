//! OLMo-core's `.csv.gz`: a line `start,end` a document, in tokens, no header (`iter_document_indices` in
//! `olmo_core/data/utils.py`).

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::flat::{Sidecar, close};

/// Writes `STEM.csv.gz`.
pub(super) struct DocumentBounds {
    lines: GzEncoder<BufWriter<File>>,
    start: u64,
}

impl DocumentBounds {
    pub(super) fn create(stem: &Path) -> io::Result<Self> {
        let file = BufWriter::new(File::create_new(stem.with_extension("csv.gz"))?);
        Ok(Self {
            lines: GzEncoder::new(file, Compression::default()),
            start: 0,
        })
    }
}

impl Sidecar for DocumentBounds {
    fn add(&mut self, tokens: u32) -> io::Result<()> {
        let end = self.start + u64::from(tokens);
        writeln!(self.lines, "{},{end}", self.start)?;
        self.start = end;
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        close(self.lines.finish()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_start_and_end_of_each_document() {
        let folder = tempfile::tempdir().unwrap();
        let mut bounds = Box::new(DocumentBounds::create(&folder.path().join("some")).unwrap());
        bounds.add(7).unwrap();
        bounds.add(6).unwrap();
        bounds.finish().unwrap();
        let file = File::open(folder.path().join("some.csv.gz")).unwrap();
        let lines = io::read_to_string(flate2::read::GzDecoder::new(file)).unwrap();
        assert_eq!(lines, "0,7\n7,13\n");
    }
}
