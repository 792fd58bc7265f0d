//! Megatron-LM's `.idx`, little endian, as `megatron/core/datasets/indexed_dataset.py` reads it: magic, version, type,
//! the counts S and D, then `i32[S]` lengths in tokens, `i64[S]` byte offsets into the `.bin`, and `i64[D]` the sequence
//! at which each document starts, with S at the end.

use std::io::{self, Write};

use super::flat::{FlatFormat, Lengths};
use super::ids::IdWidth;

const MAGIC: &[u8] = b"MMIDIDX\0\0";
const VERSION: u64 = 1;

pub(super) const FORMAT: FlatFormat = FlatFormat {
    ids: "bin",
    sidecar: "idx",
    write_sidecar: write_index,
};

fn write_index(lengths: &Lengths, width: IdWidth, idx: &mut dyn Write) -> io::Result<()> {
    let sequences = lengths.count()?;
    write_header(sequences, width, idx)?;
    for tokens in lengths.iter()? {
        let tokens = i32::try_from(tokens?).map_err(io::Error::other)?;
        idx.write_all(&tokens.to_le_bytes())?;
    }
    let mut offset = 0_u64;
    for tokens in lengths.iter()? {
        idx.write_all(&offset.to_le_bytes())?;
        offset += u64::from(tokens?) * width.bytes();
    }
    for document in 0..=sequences {
        idx.write_all(&document.to_le_bytes())?;
    }
    Ok(())
}

fn write_header(sequences: u64, width: IdWidth, idx: &mut dyn Write) -> io::Result<()> {
    let dtype: u8 = match width {
        IdWidth::Two => 8,
        IdWidth::Four => 4,
    };
    idx.write_all(MAGIC)?;
    idx.write_all(&VERSION.to_le_bytes())?;
    idx.write_all(&[dtype])?;
    idx.write_all(&sequences.to_le_bytes())?;
    idx.write_all(&(sequences + 1).to_le_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index_of(width: IdWidth, lengths: &[u32]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let mut index = Vec::new();
        write_index(&Lengths::spooled(folder.path(), lengths), width, &mut index).unwrap();
        index.iter().map(|byte| format!("{byte:02x}")).collect()
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
