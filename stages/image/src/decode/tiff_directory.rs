//! The first directory of a TIFF: how many values each of its tags states, before anyone makes room for them.

use std::ops::Range;

/// A tag's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) tag: u16,
    /// How many values it has.
    pub(crate) count: u64,
    /// Where its values lie in the file: in the entry itself where they are short.
    pub(crate) values: Range<u64>,
    /// Where its count is written, and over how many bytes.
    pub(crate) count_place: Range<usize>,
}

/// The entries of the first directory.
pub(crate) struct Directory {
    pub(crate) entries: Vec<Entry>,
    little: bool,
}

impl Directory {
    /// Reads them. A classic file has 32-bit offsets and entries of 12 bytes, BigTIFF 64-bit ones and entries of 20.
    /// Gives nothing where the file has no whole directory.
    pub(crate) fn read(file: &[u8]) -> Option<Self> {
        let little = file.starts_with(b"II");
        let number = |range: Range<usize>| Some(number(file.get(range)?, little));
        let big = number(2..4)? == 43;
        let (pointer, count_size, entry_size, value) = if big { (8..16, 8, 20, 8) } else { (4..8, 2, 12, 4) };
        let start = usize::try_from(number(pointer)?).ok()?.checked_add(count_size)?;
        let count = number(start.checked_sub(count_size)?..start)?;
        let stated = file.get(start..)?.chunks_exact(entry_size);
        let read = |(place, entry): (usize, &[u8])| {
            let base = start + place * entry_size;
            let count_place = base + 4..base + 4 + value;
            let count = number(count_place.clone())?;
            let kind = number(base + 2..base + 4)?;
            let length = count.checked_mul(size_of_kind(kind))?;
            let field = count_place.end..base + entry.len();
            let first = match length {
                0..=8 if length <= value as u64 => field.start as u64,
                _ => number(field)?,
            };
            Some(Entry {
                tag: number(base..base + 2)? as u16,
                count,
                values: first..first.checked_add(length)?,
                count_place,
            })
        };
        let most = usize::try_from(count).ok()?;
        let entries: Option<Vec<_>> = stated.take(most).enumerate().map(read).collect();
        let entries = entries?;
        (entries.len() == most).then_some(Self { entries, little })
    }

    /// The first entry of a tag.
    pub(crate) fn get(&self, tag: u16) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.tag == tag)
    }

    /// States another count for an entry, in the file it was read from.
    pub(crate) fn set_count(&self, file: &mut [u8], entry: &Entry, count: u64) -> Option<()> {
        let place = file.get_mut(entry.count_place.clone())?;
        let bytes = count.to_le_bytes();
        let length = place.len();
        place.copy_from_slice(bytes.get(..length)?);
        if !self.little {
            place.reverse();
        }
        Some(())
    }
}

fn number(bytes: &[u8], little: bool) -> u64 {
    let append = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    if little {
        bytes.iter().rev().fold(0, append)
    } else {
        bytes.iter().fold(0, append)
    }
}

/// Bytes of a value of a type (TIFF 6.0, section 2; BigTIFF).
const fn size_of_kind(kind: u64) -> u64 {
    match kind {
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16 | 17 | 18 => 8,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_places_are_read_and_set_in_either_order() {
        let little = b"II\x2a\0\x08\0\0\0\x01\0\x11\x01\x04\0\x03\0\0\0\x20\0\0\0";
        let directory = Directory::read(little).unwrap();
        let entry = directory.get(273).unwrap();
        assert_eq!((entry.count, entry.values.clone()), (3, 32..44));
        let mut file = little.to_vec();
        assert_eq!(directory.set_count(&mut file, entry, 2), Some(()));
        assert_eq!(Directory::read(&file).unwrap().get(273).unwrap().values, 32..40);

        let big = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x0a\0\x03\0\0\0\x01\0\x02\0\0";
        let directory = Directory::read(big).unwrap();
        let entry = directory.get(266).unwrap();
        assert_eq!((entry.count, entry.values.clone()), (1, 18..20));
        let mut file = big.to_vec();
        assert_eq!(directory.set_count(&mut file, entry, 258), Some(()));
        assert_eq!(file[14..18], [0, 0, 1, 2]);
    }

    #[test]
    fn a_directory_cut_short_is_none() {
        assert!(Directory::read(b"II\x2a\0\x08\0\0\0\x02\0\x11\x01\x04\0\x03\0\0\0\x20\0\0\0").is_none());
        assert!(Directory::read(b"II\x2a\0\xff\xff\xff\xff").is_none());
    }
}
