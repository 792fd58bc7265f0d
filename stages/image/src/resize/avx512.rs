//! Both passes for x86-64 machines whose AVX-512 multiplies bytes (VNNI): servers from 2019 on.
//!
//! A weight of 23 bits is taken as three signed bytes. One instruction multiplies 64 values by as many bytes and adds
//! four neighbouring products each in 32 bits, so the sums are the exact ones of the plain code.
#![expect(
    unsafe_code,
    reason = "vector registers are loaded and stored through pointers, and their instructions must exist"
)]

use std::arch::x86_64::*;

use super::kernel::{FRACTION_BITS, Kernel, kernels};
use super::portable;
use super::{RGB, Task, both_passes};

/// Bytes of a register.
const REGISTER: usize = 64;
/// Pixels that the row filter takes at once: four for each quarter of a register.
const STEP: usize = 16;
/// Rows that are worked on together.
const ROWS: usize = 4;
/// Bits of a part of a weight.
const PART_BITS: u32 = 8;

/// Resizes, or gives nothing where the machine has no such instructions.
pub(super) fn resize(task: Task<'_>) -> Option<Vec<u8>> {
    if is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vnni")
    {
        // SAFETY: the machine has these instructions.
        Some(unsafe { filter(task) })
    } else {
        None
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn filter(task: Task<'_>) -> Vec<u8> {
    let Task { rows, side, .. } = task;
    both_passes(
        task,
        |rgb| filter_rows(rgb, task.columns, side),
        |narrow| {
            filter_columns(narrow, side * RGB, rows, side)
                .unwrap_or_else(|| portable::filter_columns(narrow, side * RGB, rows, side))
        },
    )
}

/// A weight's high, middle and low byte, each signed: `high * 2^16 + middle * 2^8 + low`.
fn parts(weight: i32) -> [i8; 3] {
    let low = weight as i8;
    let rest = (weight - i32::from(low)) >> PART_BITS;
    let middle = rest as i8;
    [((rest - i32::from(middle)) >> PART_BITS) as i8, middle, low]
}

/// A row's kernels, all of as many steps, one after the other: for each step the parts of its weights. Behind the last
/// are empty ones, up to a multiple of [`ROWS`].
struct Windows {
    /// Steps of a kernel.
    steps: usize,
    /// The first byte of each kernel in the row.
    first: Vec<usize>,
    weights: Vec<[[i8; STEP]; 3]>,
}

impl Windows {
    fn new(kernels: &[Kernel]) -> Self {
        let longest = kernels.iter().map(|kernel| kernel.weights.len()).max();
        let steps = longest.unwrap_or(0).div_ceil(STEP).max(1);
        let count = kernels.len().next_multiple_of(ROWS);
        let mut weights = vec![[[0; STEP]; 3]; steps * count];
        for (kernel, window) in kernels.iter().zip(weights.chunks_exact_mut(steps)) {
            for (weights, step) in kernel.weights.chunks(STEP).zip(window) {
                *step = split(weights);
            }
        }
        let mut first: Vec<_> = kernels.iter().map(|kernel| kernel.first * RGB).collect();
        first.resize(count, 0);
        Self {
            steps,
            first,
            weights,
        }
    }

    /// Bytes from a row's beginning to the end of the last register that is loaded.
    fn reach(&self) -> usize {
        self.first.iter().max().unwrap_or(&0) + (self.steps - 1) * STEP * RGB + REGISTER
    }
}

/// The parts of up to `N` weights; beyond them zeros.
fn split<const N: usize>(weights: &[i32]) -> [[i8; N]; 3] {
    let mut split = [[0; N]; 3];
    let [highs, middles, lows] = &mut split;
    let slots = highs.iter_mut().zip(middles).zip(lows);
    for (((high, middle), low), weight) in slots.zip(weights) {
        [*high, *middle, *low] = parts(*weight);
    }
    split
}

/// `[rows, columns, 3]` to `[rows, side, 3]`, four rows at a time, so that weights are read a fourth as often.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn filter_rows(rgb: &[u8], columns: usize, side: usize) -> Vec<u8> {
    let windows = Windows::new(&kernels(columns, side));
    let stride = columns * RGB;
    let reach = windows.reach().max(stride);
    let mut narrow = vec![0; rgb.len() / columns * side];
    // Windows reach beyond their row, where their weights are zero: into the next rows, or, at the end of the image, into
    // zeros behind copies of the rows.
    let mut copies = vec![0; ROWS * reach];
    let groups = rgb
        .chunks(ROWS * stride)
        .zip(narrow.chunks_mut(ROWS * side * RGB));
    for (group, (rows, targets)) in groups.enumerate() {
        let mut sources = rgb.get(group * ROWS * stride..).unwrap_or_default();
        let mut apart = stride;
        if sources.len() < (ROWS - 1) * stride + reach {
            for (row, copy) in rows.chunks_exact(stride).zip(copies.chunks_exact_mut(reach)) {
                copy.iter_mut().zip(row).for_each(|(slot, value)| *slot = *value);
            }
            (sources, apart) = (&copies, reach);
        }
        filter_group(sources, apart, &windows, side, targets);
    }
    narrow
}

/// Filters four rows, which begin `apart` bytes from each other, into as many as `targets` has.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn filter_group(sources: &[u8], apart: usize, windows: &Windows, side: usize, targets: &mut [u8]) {
    let steps = windows.steps;
    let weights = windows.weights.chunks_exact(ROWS * steps);
    for (block, (firsts, weights)) in windows.first.as_chunks().0.iter().zip(weights).enumerate() {
        let one = |place: usize, first: usize| {
            let values = sources.get(first..).unwrap_or_default();
            filtered(
                values,
                apart,
                weights.get(place * steps..).unwrap_or_default(),
                steps,
            )
        };
        let [a, b, c, d] = *firsts;
        let made = [one(0, a), one(1, b), one(2, c), one(3, d)];
        for (row, pixels) in targets.chunks_exact_mut(side * RGB).zip(rows_of(made)) {
            let slots = row.get_mut(block * ROWS * RGB..).unwrap_or_default();
            match slots.first_chunk_mut() {
                Some(slots) => *slots = pixels,
                None => slots
                    .iter_mut()
                    .zip(pixels)
                    .for_each(|(slot, value)| *slot = value),
            }
        }
    }
}

/// One pixel of each of four rows, and a zero after each; `values` are the rows from the pixel's first value on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn filtered(values: &[u8], apart: usize, weights: &[[[i8; STEP]; 3]], steps: usize) -> __m128i {
    let mut sums = [[_mm512_setzero_si512(); 3]; ROWS];
    for (step, [high, middle, low]) in weights.iter().take(steps).enumerate() {
        let weights = [every_channel(high), every_channel(middle), every_channel(low)];
        let Some(rows) = four_rows(values.get(step * STEP * RGB..).unwrap_or_default(), apart) else {
            break;
        };
        for (row, sums) in rows.into_iter().zip(&mut sums) {
            let pixels = spread(row);
            for (sum, weights) in sums.iter_mut().zip(weights) {
                *sum = _mm512_dpbusd_epi32(*sum, pixels, weights);
            }
        }
    }
    let [a, b, c, d] = sums;
    rounded_pixels([whole(a), whole(b), whole(c), whole(d)])
}

/// Four columns of four pixels as four rows of them, without the zeros.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn rows_of([a, b, c, d]: [__m128i; ROWS]) -> [[u8; 4 * RGB]; ROWS] {
    let columns = _mm512_inserti32x4::<1>(_mm512_castsi128_si512(a), b);
    let columns = _mm512_inserti32x4::<3>(_mm512_inserti32x4::<2>(columns, c), d);
    let across = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    let dense = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    let rows = _mm512_shuffle_epi8(
        _mm512_permutexvar_epi32(across, columns),
        _mm512_broadcast_i32x4(dense),
    );
    let mut bytes = [[0; 16]; ROWS];
    // SAFETY: the array has the 64 bytes that are stored.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), rows) };
    bytes.map(|[row @ .., _, _, _, _]| row)
}

/// Sixteen weights where [`spread`] has the values of each channel.
#[inline]
#[target_feature(enable = "avx512f")]
fn every_channel(weights: &[i8; STEP]) -> __m512i {
    // SAFETY: the array has the 16 bytes that are loaded.
    let weights = unsafe { _mm_loadu_si128(weights.as_ptr().cast()) };
    let quarters = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    _mm512_permutexvar_epi32(quarters, _mm512_castsi128_si512(weights))
}

/// Of sixteen pixels: in each quarter the four values of each channel side by side, for four pixels, and zeros.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn spread(pixels: __m512i) -> __m512i {
    let quarters = _mm512_setr_epi32(0, 1, 2, 0, 3, 4, 5, 0, 6, 7, 8, 0, 9, 10, 11, 0);
    let channels = _mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1);
    _mm512_shuffle_epi8(
        _mm512_permutexvar_epi32(quarters, pixels),
        _mm512_broadcast_i32x4(channels),
    )
}

/// Sums up the quarters of four pixels' sums, and rounds them as Pillow does.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn rounded_pixels([a, b, c, d]: [__m512i; ROWS]) -> __m128i {
    let halves = |a, b| {
        _mm512_add_epi32(
            _mm512_shuffle_i32x4::<0b01_00_01_00>(a, b),
            _mm512_shuffle_i32x4::<0b11_10_11_10>(a, b),
        )
    };
    let (first, second) = (halves(a, b), halves(c, d));
    let sums = _mm512_add_epi32(
        _mm512_shuffle_i32x4::<0b10_00_10_00>(first, second),
        _mm512_shuffle_i32x4::<0b11_01_11_01>(first, second),
    );
    let values = _mm512_max_epi32(rounded(sums), _mm512_setzero_si512());
    _mm512_cvtusepi32_epi8(values)
}

/// `[rows, stride]` to `[side, stride]`, or nothing for fewer rows or columns than are worked on together.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn filter_columns(narrow: &[u8], stride: usize, rows: usize, side: usize) -> Option<Vec<u8>> {
    let mut square = vec![0; stride * side];
    for (kernel, target) in kernels(rows, side).iter().zip(square.chunks_exact_mut(stride)) {
        let (first, steps) = column_steps(kernel, rows)?;
        // The last register may overlap the one before: it gives the same values there.
        let last = stride.checked_sub(REGISTER)?;
        for column in (0..last).step_by(REGISTER).chain([last]) {
            let mut sums = [[_mm512_setzero_si512(); 3]; 4];
            for (step, weights) in steps.iter().enumerate() {
                let rows = narrow.get((first + step * ROWS) * stride + column..)?;
                for (sums, columns) in sums.iter_mut().zip(columns_of(four_rows(rows, stride)?)) {
                    for (sum, weights) in sums.iter_mut().zip(weights) {
                        *sum = _mm512_dpbusd_epi32(*sum, columns, *weights);
                    }
                }
            }
            let [a, b, c, d] = sums.map(|sums| rounded(whole(sums)));
            let made = _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
            store(made, target.get_mut(column..)?.first_chunk_mut()?);
        }
    }
    Some(square)
}

/// The first row that a column's kernel takes and the parts of its weights, four rows at a time. Near the last row it
/// begins with rows of no weight.
#[inline]
#[target_feature(enable = "avx512f")]
fn column_steps(kernel: &Kernel, rows: usize) -> Option<(usize, Vec<[__m512i; 3]>)> {
    let taken = kernel.weights.len().next_multiple_of(ROWS);
    let first = kernel.first.min(rows.checked_sub(taken)?);
    let mut weights = vec![0; kernel.first - first];
    weights.extend(&kernel.weights);
    let steps = weights.chunks(ROWS).map(|weights| every_column(weights));
    Some((first, steps.collect()))
}

/// The parts of up to four rows' weights, the same for all columns.
#[inline]
#[target_feature(enable = "avx512f")]
fn every_column(weights: &[i32]) -> [__m512i; 3] {
    split(weights).map(|rows: [i8; ROWS]| _mm512_set1_epi32(i32::from_le_bytes(rows.map(|part| part as u8))))
}

/// The columns of four rows, a column's four values side by side, in the order that two packs bring back.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn columns_of([a, b, c, d]: [__m512i; ROWS]) -> [__m512i; 4] {
    let (low, high) = (_mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b));
    let (other_low, other_high) = (_mm512_unpacklo_epi8(c, d), _mm512_unpackhi_epi8(c, d));
    [
        _mm512_unpacklo_epi16(low, other_low),
        _mm512_unpackhi_epi16(low, other_low),
        _mm512_unpacklo_epi16(high, other_high),
        _mm512_unpackhi_epi16(high, other_high),
    ]
}

/// The sums of a weight's parts as the sum of the weights. What wraps around on the way comes back at its end.
#[inline]
#[target_feature(enable = "avx512f")]
fn whole([high, middle, low]: [__m512i; 3]) -> __m512i {
    let upper = _mm512_add_epi32(_mm512_slli_epi32::<PART_BITS>(high), middle);
    _mm512_add_epi32(_mm512_slli_epi32::<PART_BITS>(upper), low)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn rounded(sums: __m512i) -> __m512i {
    let half = _mm512_set1_epi32(1 << (FRACTION_BITS - 1));
    _mm512_srai_epi32::<FRACTION_BITS>(_mm512_add_epi32(sums, half))
}

/// A register from the beginning of each of four rows, which begin `apart` bytes from each other.
#[inline]
#[target_feature(enable = "avx512f")]
fn four_rows(bytes: &[u8], apart: usize) -> Option<[__m512i; ROWS]> {
    if bytes.len() < (ROWS - 1) * apart + REGISTER {
        return None;
    }
    let first = bytes.as_ptr();
    // SAFETY: from each of the four places there are 64 bytes, as was just found.
    Some([0, 1, 2, 3].map(|row| unsafe { _mm512_loadu_si512(first.add(row * apart).cast()) }))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(register: __m512i, bytes: &mut [u8; REGISTER]) {
    // SAFETY: the array has the 64 bytes that are stored.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), register) }
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
