//! Both passes in bands, for pictures so long or so wide that the plain passes would hold too much.
//!
//! The rows of the source are filtered a strip at a time, and each strip is added to the rows of the result whose
//! windows it lies in. Weights are not kept but made where they are used, from the same numbers in the same order, and
//! sums of integers do not depend on their order: the values are those of the plain passes.

#[cfg(target_arch = "x86_64")]
use super::avx2;
use super::kernel::{Filter, Window};
use super::{RGB, Task, portable, round};

/// Bytes of a filtered strip.
const STRIP_BYTES: usize = 2 << 20;
/// Weights of a row that are made at once.
const WEIGHTS: usize = 1 << 12;
/// Rows of which one pixel each is summed at once.
const WIDE_ROWS: usize = 1 << 10;
/// Rows longer than this, in pixels, are filtered with weights made on the way.
const WIDE: usize = 1 << 16;

/// The most bytes that [`resize`] holds beside the source.
pub(super) fn bytes(columns: u64, side: u64) -> u64 {
    let sums = side * side * RGB as u64 * 5;
    let strip = STRIP_BYTES as u64 + side * RGB as u64;
    // The weights of rows that are not wide, as the row filters keep them, and constant room.
    let weights = columns.min(WIDE as u64) * super::ROW_WEIGHT_BYTES + side * super::KERNEL_BYTES;
    sums + strip + weights + 64 * (WEIGHTS + WIDE_ROWS) as u64
}

pub(super) fn resize(task: Task<'_>) -> Vec<u8> {
    let Task {
        rgb,
        columns,
        rows,
        side,
    } = task;
    let stride = side * RGB;
    let filter = Filter::new(rows, side);
    let windows: Vec<(Window, f64)> = (0..side)
        .map(|place| filter.window(place))
        .map(|window| (window, window.total()))
        .collect();
    let mut sums = vec![0_i32; side * stride];
    let strip_rows = (STRIP_BYTES / stride).max(1);
    for (number, strip) in rgb.chunks(strip_rows * columns * RGB).enumerate() {
        let narrow = filter_rows(strip, columns, side);
        let first = number * strip_rows;
        let last = first + narrow.len() / stride;
        for ((window, total), sums) in windows.iter().zip(sums.chunks_exact_mut(stride)) {
            let (from, to) = (window.first.max(first), window.end.min(last));
            for index in from..to {
                let weight = window.fixed(index, *total);
                let row = narrow.get((index - first) * stride..).unwrap_or_default();
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += i32::from(*value) * weight;
                }
            }
        }
    }
    sums.into_iter().map(round).collect()
}

/// `[rows, columns, 3]` to `[rows, side, 3]`.
fn filter_rows(rgb: &[u8], columns: usize, side: usize) -> Vec<u8> {
    if columns > WIDE {
        return filter_wide_rows(rgb, columns, side);
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(narrow) = avx2::narrow(rgb, columns, side) {
        return narrow;
    }
    portable::filter_rows(rgb, columns, side)
}

/// A pixel of the result at a time, for many rows together: its weights are made once for them.
fn filter_wide_rows(rgb: &[u8], columns: usize, side: usize) -> Vec<u8> {
    let filter = Filter::new(columns, side);
    let length = columns * RGB;
    let mut narrow = vec![0; rgb.len() / length * side * RGB];
    let mut weights = Vec::with_capacity(WEIGHTS);
    for (rows, narrow) in rgb
        .chunks(WIDE_ROWS * length)
        .zip(narrow.chunks_mut(WIDE_ROWS * side * RGB))
    {
        for place in 0..side {
            let window = filter.window(place);
            let total = window.total();
            let mut sums = vec![[0_i32; RGB]; rows.len() / length];
            for first in (window.first..window.end).step_by(WEIGHTS) {
                let end = window.end.min(first + WEIGHTS);
                weights.clear();
                weights.extend((first..end).map(|index| window.fixed(index, total)));
                for (sums, row) in sums.iter_mut().zip(rows.chunks_exact(length)) {
                    let (pixels, _) = row.get(first * RGB..).unwrap_or_default().as_chunks::<RGB>();
                    for (pixel, weight) in pixels.iter().zip(&weights) {
                        for (sum, value) in sums.iter_mut().zip(pixel) {
                            *sum += i32::from(*value) * weight;
                        }
                    }
                }
            }
            let targets = narrow.chunks_exact_mut(side * RGB);
            for (sums, target) in sums.iter().zip(targets) {
                let pixel = target.get_mut(place * RGB..).unwrap_or_default();
                pixel
                    .iter_mut()
                    .zip(sums)
                    .for_each(|(slot, sum)| *slot = round(*sum));
            }
        }
    }
    narrow
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn noise(length: usize, mut state: u32) -> Vec<u8> {
        let mut value = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Black and white among greys overshoot both ends.
            if state >> 31 == 0 {
                (state >> 16) as u8
            } else {
                255 * (state >> 30 & 1) as u8
            }
        };
        (0..length).map(|_| value()).collect()
    }

    fn same(columns: usize, rows: usize, side: usize, seed: u32) -> bool {
        let rgb = noise(columns * rows * RGB, seed);
        let task = Task {
            rgb: &rgb,
            columns,
            rows,
            side,
        };
        let plain = portable::resize(task);
        plain == resize(task) && plain == super::super::plain(task)
    }

    #[test]
    fn long_and_wide_pictures_come_out_as_by_the_plain_passes() {
        for (long, short) in [(WIDE, 2), (WIDE + 1, 3), (150_001, 1), (70_000, 7)] {
            for side in [1, 14, 224] {
                assert!(same(long, short, side, 1), "{long} x {short} to {side}");
                assert!(same(short, long, side, 2), "{short} x {long} to {side}");
            }
        }
    }

    #[test]
    fn rows_beyond_one_group_of_a_wide_picture_are_filtered_too() {
        let (columns, rows) = (37, WIDE_ROWS + 5);
        let rgb = noise(columns * rows * RGB, 3);
        for side in [1, 14, 50] {
            let wide = filter_wide_rows(&rgb, columns, side);
            assert!(wide == portable::filter_rows(&rgb, columns, side), "to {side}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

        #[test]
        fn any_sides_come_out_as_by_the_plain_passes(
            columns in 1..300_usize,
            rows in 1..9000_usize,
            side in proptest::sample::select(vec![1, 2, 14, 224]),
            seed: u32,
        ) {
            let columns = if rows > 400 { columns.min(20) } else { columns };
            prop_assert!(same(columns, rows, side, seed));
            prop_assert!(same(rows, columns, side, seed));
        }
    }
}
