//! Pixels into the order in which the filters take them, and back.

use std::arch::x86_64::*;

use super::super::RGB;
use super::{ACROSS, FOUR};

/// Three registers of sixteen fours. For the row filter: the channels of four pixels, of sixteen rows each. For the column
/// filter: sixteen columns each, which together are sixteen pixels, of four rows.
pub(super) type Triple = [__m512i; RGB];

/// Bytes of sixteen pixels.
const BLOCK: usize = ACROSS * RGB;

/// Brings up to sixteen rows into `strip`, four pixels after four pixels. Behind the last column are zeros, behind the
/// last row copies of it.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn read_strip(rgb: &[u8], columns: usize, strip: &mut [Triple]) {
    let stride = columns * RGB;
    let last = (rgb.len() / stride).saturating_sub(1);
    let starts: [[usize; FOUR]; FOUR] =
        [0, 4, 8, 12].map(|four| [0, 1, 2, 3].map(|row| (four + row).min(last) * stride));
    let (slots, _) = strip.as_chunks_mut::<FOUR>();
    for (block, slots) in slots.iter_mut().enumerate() {
        let mut fours = [[_mm512_setzero_si512(); RGB]; FOUR];
        for (four, starts) in fours.iter_mut().zip(&starts) {
            *four = channels(load(rgb, *starts, block * BLOCK, stride));
        }
        let [a, b, c, d] = fours;
        for channel in 0..RGB {
            let pixels = lanes([a[channel], b[channel], c[channel], d[channel]]);
            for (slot, values) in slots.iter_mut().zip(pixels) {
                slot[channel] = values;
            }
        }
    }
}

/// Sixteen pixels of each of four rows, given by their first bytes, from their byte `first` on; zeros behind the end of a
/// row.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load(rgb: &[u8], starts: [usize; FOUR], first: usize, stride: usize) -> [__m512i; FOUR] {
    let count = stride.saturating_sub(first).min(BLOCK);
    let last = starts.into_iter().max().unwrap_or_default();
    if rgb.len() < last + first + count {
        return [_mm512_setzero_si512(); FOUR];
    }
    // SAFETY: of the last row there are as many bytes as the mask lets through, as was just found.
    starts
        .map(|start| unsafe { _mm512_maskz_loadu_epi8(mask(count), rgb.as_ptr().add(start + first).cast()) })
}

/// The channels of sixteen pixels of four rows: in each quarter four pixels of the first row, of the second, and so on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn channels([a, b, c, d]: [__m512i; FOUR]) -> Triple {
    let (a, b, c, d) = (spread(a), spread(b), spread(c), spread(d));
    let (low, high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    let (other_low, other_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    [
        _mm512_unpacklo_epi64(low, other_low),
        _mm512_unpackhi_epi64(low, other_low),
        _mm512_unpacklo_epi64(high, other_high),
    ]
}

/// Of sixteen pixels: in each quarter the four values of each channel side by side, for four pixels, and zeros. Expanded, as
/// compilers make several instructions of a constant permutation.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn spread(pixels: __m512i) -> __m512i {
    let channels = _mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1);
    _mm512_shuffle_epi8(
        _mm512_maskz_expand_epi32(0b0111_0111_0111_0111, pixels),
        _mm512_broadcast_i32x4(channels),
    )
}

/// What the row filter made, a register a column with a value of each of sixteen rows, as bytes: for each four rows their
/// values of a column side by side, sixteen columns in a register.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn row_fours(pixels: &[Triple; ACROSS]) -> [Triple; ACROSS / FOUR] {
    let mut fours = [[_mm512_setzero_si512(); RGB]; ACROSS / FOUR];
    let (blocks, _) = pixels.as_flattened().as_chunks::<ACROSS>();
    for (register, columns) in blocks.iter().enumerate() {
        let mut packed = [_mm512_setzero_si512(); FOUR];
        for (columns, packed) in columns.as_chunks().0.iter().zip(&mut packed) {
            *packed = bytes(*columns);
        }
        for (four, made) in fours.iter_mut().zip(lanes(packed)) {
            four[register] = made;
        }
    }
    fours
}

/// The bytes of sixteen pixels, whose values stand column by column.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn pixels([a, b, c]: Triple) -> __m512i {
    let in_order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_permutexvar_epi32(in_order, bytes([a, b, c, _mm512_setzero_si512()]))
}

/// Values cut to 0 to 255: in each quarter four of the first register, four of the second, and so on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn bytes([a, b, c, d]: [__m512i; FOUR]) -> __m512i {
    _mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d))
}

/// Quarters of registers across: the first quarter of each, the second of each, and so on.
#[inline]
#[target_feature(enable = "avx512f")]
fn lanes([a, b, c, d]: [__m512i; FOUR]) -> [__m512i; FOUR] {
    const LOWER: i32 = 0b01_00_01_00;
    const UPPER: i32 = 0b11_10_11_10;
    const EVEN: i32 = 0b10_00_10_00;
    const ODD: i32 = 0b11_01_11_01;
    let (low, high) = (
        _mm512_shuffle_i32x4::<LOWER>(a, b),
        _mm512_shuffle_i32x4::<UPPER>(a, b),
    );
    let (other_low, other_high) = (
        _mm512_shuffle_i32x4::<LOWER>(c, d),
        _mm512_shuffle_i32x4::<UPPER>(c, d),
    );
    [
        _mm512_shuffle_i32x4::<EVEN>(low, other_low),
        _mm512_shuffle_i32x4::<ODD>(low, other_low),
        _mm512_shuffle_i32x4::<EVEN>(high, other_high),
        _mm512_shuffle_i32x4::<ODD>(high, other_high),
    ]
}

/// Up to sixteen pixels into `bytes`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn store(pixels: __m512i, bytes: &mut [u8]) {
    // SAFETY: no byte beyond the slice is written.
    unsafe { _mm512_mask_storeu_epi8(bytes.as_mut_ptr().cast(), mask(bytes.len()), pixels) }
}

/// A mask of the first `count` bytes, of sixteen pixels at most.
#[inline]
fn mask(count: usize) -> u64 {
    (1 << count.min(BLOCK)) - 1
}
