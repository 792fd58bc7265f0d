//! OLMo-core's `.csv.gz`: a line `start,end` a document, in tokens, no header (`iter_document_indices` in
//! `olmo_core/data/utils.py`).

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::flat::{FlatFormat, Lengths};
use super::ids::IdWidth;

pub(super) const FORMAT: FlatFormat = FlatFormat {
    ids: "npy",
    sidecar: "csv.gz",
    write_sidecar: write_bounds,
};

fn write_bounds(lengths: &Lengths, _: IdWidth, file: &mut dyn Write) -> io::Result<()> {
    let mut lines = GzEncoder::new(file, Compression::default());
    let mut start = 0_u64;
    for tokens in lengths.iter()? {
        let end = start + u64::from(tokens?);
        writeln!(lines, "{start},{end}")?;
        start = end;
    }
    lines.finish().map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_start_and_end_of_each_document() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = Vec::new();
        write_bounds(&Lengths::spooled(folder.path(), &[7, 6]), IdWidth::Two, &mut file).unwrap();
        let lines = io::read_to_string(flate2::read::GzDecoder::new(&file[..])).unwrap();
        assert_eq!(lines, "0,7\n7,13\n");
    }
}
