//! datatrove's `.ds.index`, which nanotron reads too: a little-endian `u64` a document, the number of tokens up to its
//! end (`TokenizedFile.close` in `datatrove/pipeline/tokens/tokenizer.py`).

use std::io::{self, Write};

use super::flat::{FlatFormat, Lengths};
use super::ids::IdWidth;

pub(super) const FORMAT: FlatFormat = FlatFormat {
    ids: "ds",
    sidecar: "ds.index",
    write_sidecar: write_ends,
};

fn write_ends(lengths: &Lengths, _: IdWidth, index: &mut dyn Write) -> io::Result<()> {
    let mut end = 0_u64;
    for tokens in lengths.iter()? {
        end += u64::from(tokens?);
        index.write_all(&end.to_le_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_cumulative_and_count_tokens() {
        let folder = tempfile::tempdir().unwrap();
        let mut index = Vec::new();
        write_ends(
            &Lengths::spooled(folder.path(), &[7, 250]),
            IdWidth::Four,
            &mut index,
        )
        .unwrap();
        assert_eq!(index, [7, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0]);
    }
}
