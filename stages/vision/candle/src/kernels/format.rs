//! How a product's operands are held.

use half::f16;
use half::slice::HalfFloatSliceExt;
use img2tokens_vision::Dtype;

use super::lanes::{LANES, Lanes};

/// What a lane of an operand holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// One step of k, in float32 (or f16, widened).
    Single,
    /// Two steps of k, in bf16: the even one in the low half.
    Pairs,
}

impl Format {
    pub(super) const fn of(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 | Dtype::F16 => Self::Single,
            Dtype::Bf16 => Self::Pairs,
        }
    }

    /// Steps of k in a lane.
    pub(super) const fn steps(self) -> usize {
        match self {
            Self::Single => 1,
            Self::Pairs => 2,
        }
    }
}

/// Two numbers as bf16 in one lane, whose bits are no number of their own.
#[inline(always)]
pub(super) fn pair(even: f32, odd: f32) -> f32 {
    f32::from_bits(bf16_bits(even) | bf16_bits(odd) << 16)
}

/// The bits of the nearest bf16, of two equally near ones the even; of numbers below the least normal one 0, as the
/// instructions of bf16 read those.
#[inline(always)]
fn bf16_bits(value: f32) -> u32 {
    let bits = value.to_bits();
    let nearest = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let nearest = if bits & 0x7f80_0000 == 0 {
        bits >> 16 & 0x8000
    } else {
        nearest
    };
    if value.is_nan() {
        bits >> 16 | 0x40
    } else {
        nearest
    }
}

/// Writes the numbers of a row into lanes; `lanes` has room for all of them.
#[inline(always)]
pub(super) fn pack<V: Lanes>(row: &[f32], dtype: Dtype, lanes: &mut [f32]) {
    match dtype {
        Dtype::F32 => lanes.copy_from_slice(row),
        Dtype::F16 => {
            let mut rounded = [f16::ZERO; LANES];
            for (lanes, row) in lanes.chunks_mut(LANES).zip(row.chunks(LANES)) {
                let rounded = &mut rounded[..row.len()];
                rounded.convert_from_f32_slice(row);
                rounded.convert_to_f32_slice(lanes);
            }
        }
        Dtype::Bf16 => {
            for (lanes, row) in lanes.chunks_mut(LANES).zip(row.chunks(2 * LANES)) {
                let (low, high) = row.split_at(LANES.min(row.len()));
                V::pairs(V::load_or(low, 0.0), V::load_or(high, 0.0)).store_within(lanes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::bf16;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_pair_is_two_nearest_bf16(even in any::<f32>(), odd in any::<f32>()) {
            let bits = pair(even, odd).to_bits();
            for (value, found) in [(even, bits as u16), (odd, (bits >> 16) as u16)] {
                let expected = bf16::from_f32(value);
                if !value.is_nan() && (value.is_normal() || value.is_infinite()) {
                    prop_assert_eq!(found, expected.to_bits());
                } else if value.is_nan() {
                    prop_assert!(bf16::from_bits(found).is_nan());
                } else {
                    prop_assert_eq!(bf16::from_bits(found).to_f32(), 0.0);
                }
            }
        }
    }
}
