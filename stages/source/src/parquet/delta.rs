//! How much delta-encoded byte arrays come to: their lengths are checked before the library makes room for them.

use super::thrift::Reader;

/// Numbers in `DELTA_BINARY_PACKED`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    /// How many.
    pub(super) count: u64,
    /// Their sum, negative ones left out.
    pub(super) sum: u64,
}

/// How many numbers the header at the front of `bytes` states.
pub(super) fn stated_count(bytes: &[u8]) -> Option<u64> {
    let mut reader = Reader { rest: bytes };
    reader.unsigned()?;
    reader.unsigned()?;
    reader.unsigned()
}

/// The numbers at the front of `bytes`, at most `most` of them; none if they are more or broken.
pub(super) fn numbers(bytes: &[u8], most: u64) -> Option<Numbers> {
    let mut reader = Reader { rest: bytes };
    let block = reader.unsigned()?;
    let miniblocks = reader.unsigned()?;
    let count = reader.unsigned()?;
    let mut value = reader.signed()?;
    if count > most {
        return None;
    }
    let mut numbers = Numbers { count, sum: 0 };
    if count == 0 {
        return Some(numbers);
    }
    numbers.add(value);
    let values = block.checked_div(miniblocks).filter(|values| *values > 0)?;
    let miniblocks = usize::try_from(miniblocks).ok()?;
    let mut left = count - 1;
    while left > 0 {
        let least = reader.signed()?;
        let (widths, packed) = reader.rest.split_at_checked(miniblocks)?;
        reader.rest = packed;
        for width in widths {
            if left == 0 {
                break;
            }
            let taken = left.min(values);
            for number in 0..taken {
                let delta = bits(reader.rest, number.checked_mul(u64::from(*width))?, *width)?;
                value = value.wrapping_add(least).wrapping_add(delta.cast_signed());
                numbers.add(value);
            }
            let bytes = values.checked_mul(u64::from(*width))?.div_ceil(8);
            // The last miniblock may be cut where its values end.
            reader.rest = reader
                .rest
                .get(usize::try_from(bytes).ok()?..)
                .unwrap_or_default();
            left -= taken;
        }
    }
    Some(numbers)
}

impl Numbers {
    fn add(&mut self, value: i64) {
        self.sum = self.sum.saturating_add(u64::try_from(value).unwrap_or(0));
    }
}

/// `width` bits from bit `from` on, the lowest first.
fn bits(bytes: &[u8], from: u64, width: u8) -> Option<u64> {
    let mut value = 0_u64;
    let mut taken = 0_u32;
    let width = u32::from(width);
    if width > 64 {
        return None;
    }
    while taken < width {
        let at = from + u64::from(taken);
        let byte = u64::from(*bytes.get(usize::try_from(at / 8).ok()?)?);
        let (shift, more) = ((at % 8) as u32, (width - taken).min(8 - (at % 8) as u32));
        value |= (byte >> shift & ((1 << more) - 1)) << taken;
        taken += more;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_specification_s_examples_are_summed() {
        // 1..=5 in one block of 128 in 4 miniblocks: every delta is 1, no bits.
        let ramp = [128, 1, 4, 5, 2, 2, 0, 0, 0, 0];
        assert_eq!(numbers(&ramp, 5), Some(Numbers { count: 5, sum: 15 }));
        assert_eq!(numbers(&ramp, 4), None);
        assert_eq!(stated_count(&ramp), Some(5));
        // 7, 5, 3, 1, 2, 3, 4, 5: deltas -2, -2, -2, 1, 1, 1, 1; least -2, so 0, 0, 0, 3, 3, 3, 3 in two bits each.
        let mut mixed = vec![128, 1, 4, 8, 14, 3, 2, 0, 0, 0, 0b1100_0000, 0b0011_1111];
        mixed.extend([0; 6]);
        assert_eq!(numbers(&mixed, 8), Some(Numbers { count: 8, sum: 30 }));
    }

    #[test]
    fn lying_headers_are_none() {
        assert_eq!(numbers(&[128, 1, 0, 5, 2, 2], 9), None, "no miniblocks");
        assert_eq!(numbers(&[128, 1, 4, 5, 2, 2, 65], 9), None, "it ends early");
        assert_eq!(numbers(&[], 9), None);
        assert_eq!(
            stated_count(&[128, 1, 4, 0xff, 0xff, 0xff, 0xff, 0x0f]),
            Some(u64::from(u32::MAX))
        );
    }
}
