//! Both passes for x86-64 machines whose AVX-512 multiplies bytes (VNNI): servers from 2019 on.
//!
//! A weight of 23 bits is taken as three signed bytes. One instruction multiplies 64 values by as many bytes and adds
//! four neighbouring products each in 32 bits, so the sums are the exact ones of the plain code. In every register four
//! values that follow each other in a filter's direction stand side by side, and sixteen such fours across it: a weight
//! is the same for all sixteen, and nothing is summed up across a register. Rows are brought into that order as they are
//! read, sixteen at a time; what the row filter makes of them is in the order that the column filter reads.
#![expect(
    unsafe_code,
    reason = "vector registers are loaded and stored through pointers, and their instructions must exist"
)]

mod layout;
mod windows;

use std::arch::x86_64::*;

use super::kernel::FRACTION_BITS;
use super::{RGB, Task};
use layout::{Triple, pixels, read_strip, row_fours, store};
use windows::{PART_BITS, Windows};

/// Values side by side in a filter's direction, of which one instruction takes the products together.
const FOUR: usize = 4;
/// Fours of a register: rows of a strip, or columns of a block.
const ACROSS: usize = 16;

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
    filter_columns(&filter_rows(task), task.rows, task.side)
}

/// `[rows, columns, 3]` to bands of sixteen pixels' width, each `[fours of rows]`.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn filter_rows(task: Task<'_>) -> Vec<Vec<Triple>> {
    let windows = Windows::new(task.columns, task.side);
    let fours = task.rows.next_multiple_of(ACROSS) / FOUR;
    let mut bands: Vec<_> = windows.blocks().map(|_| Vec::with_capacity(fours)).collect();
    let nothing = [_mm512_setzero_si512(); RGB];
    let mut strip = vec![nothing; task.columns.next_multiple_of(ACROSS) / FOUR];
    let mut made = [nothing; ACROSS];
    for rows in task.rgb.chunks(ACROSS * task.columns * RGB) {
        read_strip(rows, task.columns, &mut strip);
        for (band, windows) in bands.iter_mut().zip(windows.blocks()) {
            for (window, pixels) in windows.zip(&mut made) {
                *pixels = filtered(&strip, window);
            }
            band.extend(row_fours(&made));
        }
    }
    bands
}

/// What [`filter_rows`] gives to `[side, side, 3]`.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn filter_columns(bands: &[Vec<Triple>], rows: usize, side: usize) -> Vec<u8> {
    let windows = Windows::new(rows, side);
    let mut square = vec![0; side * side * RGB];
    for (number, band) in bands.iter().enumerate() {
        for (window, row) in windows.iter().zip(square.chunks_exact_mut(side * RGB)) {
            let target = row.get_mut(number * ACROSS * RGB..).unwrap_or_default();
            store(pixels(filtered(band, window)), target);
        }
    }
    square
}

/// The values that a window makes, rounded as Pillow does, not yet cut to 0 to 255.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn filtered(triples: &[Triple], (first, weights): (usize, &[[i32; 3]])) -> Triple {
    let nothing = _mm512_setzero_si512();
    let half = _mm512_set1_epi32(1 << (FRACTION_BITS - 1));
    let mut sums = [[nothing, nothing, half]; RGB];
    let triples = triples.get(first..).unwrap_or_default();
    for (triple, [high, middle, low]) in triples.iter().zip(weights) {
        let parts = [
            _mm512_set1_epi32(*high),
            _mm512_set1_epi32(*middle),
            _mm512_set1_epi32(*low),
        ];
        for (sums, values) in sums.iter_mut().zip(triple) {
            for (sum, part) in sums.iter_mut().zip(parts) {
                *sum = _mm512_dpbusd_epi32(*sum, *values, part);
            }
        }
    }
    let [a, b, c] = sums;
    [whole(a), whole(b), whole(c)]
}

/// The sums of a weight's parts as the sum of the weights, without its fraction. What wraps around on the way comes back
/// at its end.
#[inline]
#[target_feature(enable = "avx512f")]
fn whole([high, middle, low]: [__m512i; 3]) -> __m512i {
    let upper = _mm512_add_epi32(_mm512_slli_epi32::<PART_BITS>(high), middle);
    let sum = _mm512_add_epi32(_mm512_slli_epi32::<PART_BITS>(upper), low);
    _mm512_srai_epi32::<FRACTION_BITS>(sum)
}
