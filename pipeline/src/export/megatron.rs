//! Megatron-LM's `.idx`, little endian, as `megatron/core/datasets/indexed_dataset.py` reads it: magic, version, type,
//! the counts S and D, then `i32[S]` lengths in tokens, `i64[S]` byte offsets into the `.bin`, and `i64[D]` the sequence
//! at which each document starts, with S at the end.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::flat::{Sidecar, close};
use super::ids::IdWidth;

const MAGIC: &[u8] = b"MMIDIDX\0\0";
const VERSION: u64 = 1;

/// Writes `STEM.idx`. The lengths are spooled to a nameless file, since all of them stand before the first offset.
pub(super) struct Index {
    path: PathBuf,
    width: IdWidth,
    lengths: BufWriter<File>,
    sequences: u64,
}

impl Index {
    pub(super) fn create(stem: &Path, width: IdWidth) -> io::Result<Self> {
        let folder = stem.parent().unwrap_or(Path::new("."));
        Ok(Self {
            path: stem.with_extension("idx"),
            width,
            lengths: BufWriter::new(tempfile::tempfile_in(folder)?),
            sequences: 0,
        })
    }

    fn write_header(&self, idx: &mut impl Write) -> io::Result<()> {
        let dtype: u8 = match self.width {
            IdWidth::Two => 8,
            IdWidth::Four => 4,
        };
        idx.write_all(MAGIC)?;
        idx.write_all(&VERSION.to_le_bytes())?;
        idx.write_all(&[dtype])?;
        idx.write_all(&self.sequences.to_le_bytes())?;
        idx.write_all(&(self.sequences + 1).to_le_bytes())
    }
}

impl Sidecar for Index {
    fn add(&mut self, tokens: u32) -> io::Result<()> {
        let tokens = i32::try_from(tokens).map_err(io::Error::other)?;
        self.sequences += 1;
        self.lengths.write_all(&tokens.to_le_bytes())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        let mut idx = BufWriter::new(File::create_new(&self.path)?);
        self.write_header(&mut idx)?;
        self.lengths.flush()?;
        let lengths = self.lengths.get_mut();
        lengths.rewind()?;
        io::copy(lengths, &mut idx)?;
        lengths.rewind()?;
        let mut lengths = BufReader::new(lengths);
        let (mut offset, mut length) = (0_u64, [0; 4]);
        for _ in 0..self.sequences {
            idx.write_all(&offset.to_le_bytes())?;
            lengths.read_exact(&mut length)?;
            offset += u64::from(u32::from_le_bytes(length)) * self.width.bytes();
        }
        for document in 0..=self.sequences {
            idx.write_all(&document.to_le_bytes())?;
        }
        close(idx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index_of(width: IdWidth, lengths: &[u32]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let mut index = Box::new(Index::create(&folder.path().join("some"), width).unwrap());
        for length in lengths {
            index.add(*length).unwrap();
        }
        index.finish().unwrap();
        let bytes = std::fs::read(folder.path().join("some.idx")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_index_is_the_specifications_test_vector() {
        let expected = "4d4d49444944580000 0100000000000000 08 0200000000000000 0300000000000000 07000000 06000000 \
                        0000000000000000 0e00000000000000 0000000000000000 0100000000000000 0200000000000000";
        assert_eq!(index_of(IdWidth::Two, &[7, 6]), expected.replace(' ', ""));
    }

    #[test]
    fn four_byte_ids_have_their_own_type_and_offsets() {
        let index = index_of(IdWidth::Four, &[7, 6]);
        assert_eq!(&index[34..36], "04");
        assert_eq!(
            &index[100..116],
            "1c00000000000000",
            "the second sequence starts at byte 28"
        );
    }
}
