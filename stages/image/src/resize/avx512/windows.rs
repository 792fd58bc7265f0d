//! A side's kernels as the vector code takes them.

use std::ops::Range;

use super::super::kernel::kernels;
use super::{ACROSS, FOUR};

/// Bits of a part of a weight.
pub(super) const PART_BITS: u32 = 8;

/// For each place of the result the first four of values that it takes, and four weights for each four: their high
/// parts, their middle and their low ones.
pub(super) struct Windows {
    places: Vec<(usize, Range<usize>)>,
    weights: Vec<[i32; 3]>,
}

impl Windows {
    /// The windows that make `to` values of `from` ones.
    pub(super) fn new(from: usize, to: usize) -> Self {
        let mut windows = Self {
            places: Vec::with_capacity(to),
            weights: Vec::new(),
        };
        for kernel in kernels(from, to) {
            let (first, before) = (kernel.first / FOUR, kernel.first % FOUR);
            let begin = windows.weights.len();
            let (head, rest) = kernel.weights.split_at(kernel.weights.len().min(FOUR - before));
            windows.weights.push(split(before, head));
            windows
                .weights
                .extend(rest.chunks(FOUR).map(|four| split(0, four)));
            windows.places.push((first, begin..windows.weights.len()));
        }
        windows
    }

    /// A place's first four and its weights.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &[[i32; 3]])> {
        self.of(&self.places)
    }

    /// The same, sixteen places at a time.
    pub(super) fn blocks(&self) -> impl Iterator<Item = impl Iterator<Item = (usize, &[[i32; 3]])>> {
        self.places.chunks(ACROSS).map(|places| self.of(places))
    }

    fn of<'a>(
        &'a self,
        places: &'a [(usize, Range<usize>)],
    ) -> impl Iterator<Item = (usize, &'a [[i32; 3]])> {
        places
            .iter()
            .map(|(first, weights)| (*first, self.weights.get(weights.clone()).unwrap_or_default()))
    }
}

/// The parts of up to four weights, behind `before` zeros.
fn split(before: usize, weights: &[i32]) -> [i32; 3] {
    let mut bytes = [[0; FOUR]; 3];
    for (place, weight) in (before..FOUR).zip(weights) {
        for (part, bytes) in parts(*weight).into_iter().zip(&mut bytes) {
            bytes[place] = part as u8;
        }
    }
    bytes.map(i32::from_le_bytes)
}

/// A weight's high, middle and low byte, each signed: `high * 2^16 + middle * 2^8 + low`.
fn parts(weight: i32) -> [i8; 3] {
    let low = weight as i8;
    let rest = (weight - i32::from(low)) >> PART_BITS;
    let middle = rest as i8;
    [((rest - i32::from(middle)) >> PART_BITS) as i8, middle, low]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_every_weight_make_it_up_again() {
        for (from, to) in [(1, 7), (3, 224), (224, 3), (37, 224), (5000, 224), (225, 224)] {
            for weight in kernels(from, to).iter().flat_map(|kernel| &kernel.weights) {
                let [high, middle, low] = parts(*weight).map(i32::from);
                assert_eq!((high << 16) + (middle << 8) + low, *weight);
            }
        }
    }
}
