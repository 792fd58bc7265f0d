//! A tag of a TIFF's first directory, overwritten in place.

/// Sets the one short value of `tag`. Gives nothing where the directory or the tag is not whole.
///
/// A classic file has 32-bit offsets and entries of 12 bytes, BigTIFF 64-bit ones and entries of 20; in both an entry
/// ends with its value, at the left of the field.
pub(crate) fn set_short(file: &mut [u8], tag: u16, value: u16) -> Option<()> {
    let order = if file.starts_with(b"II") {
        Order::Little
    } else {
        Order::Big
    };
    let big = order.number(file.get(2..4)?) == 43;
    let (pointer, count_size, entry_size, value_place) =
        if big { (8..16, 8, 20, 12) } else { (4..8, 2, 12, 8) };
    let directory = usize::try_from(order.number(file.get(pointer)?)).ok()?;
    let entries = directory.checked_add(count_size)?;
    let count = usize::try_from(order.number(file.get(directory..entries)?)).ok()?;
    let entry = file.get_mut(entries..)?.chunks_exact_mut(entry_size).take(count);
    let entry = { entry }.find(|entry| {
        entry
            .get(..2)
            .is_some_and(|found| order.number(found) == tag.into())
    })?;
    let bytes = match order {
        Order::Little => value.to_le_bytes(),
        Order::Big => value.to_be_bytes(),
    };
    entry
        .get_mut(value_place..value_place + 2)?
        .copy_from_slice(&bytes);
    Some(())
}

#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    /// A number of up to eight bytes.
    fn number(self, bytes: &[u8]) -> u64 {
        let append = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        match self {
            Self::Little => bytes.iter().rev().fold(0, append),
            Self::Big => bytes.iter().fold(0, append),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_set_in_either_order_and_size() {
        let little =
            b"II\x2a\0\x08\0\0\0\x02\0\x00\x01\x03\0\x01\0\0\0\x07\0\0\0\x06\x01\x03\0\x01\0\0\0\x03\0\0\0";
        let mut file = little.to_vec();
        assert_eq!(set_short(&mut file, 262, 1), Some(()));
        assert_eq!(file[..18], little[..18]);
        assert_eq!(file[18..], *b"\x07\0\0\0\x06\x01\x03\0\x01\0\0\0\x01\0\0\0");

        let big = b"MM\0\x2b\0\x08\0\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\x01\x01\x06\0\x03\0\0\0\0\0\0\0\x01\0\x03\0\0\0\0\0\0";
        let mut file = big.to_vec();
        assert_eq!(set_short(&mut file, 262, 1), Some(()));
        assert_eq!(file[36..38], [0, 1]);
        assert_eq!(set_short(&mut file, 263, 1), None);
        assert_eq!(set_short(&mut file[..30], 262, 1), None);
    }
}
