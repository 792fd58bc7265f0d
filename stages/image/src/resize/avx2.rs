//! Both passes for x86-64 machines with AVX2, which is to say nearly all.
//!
//! A weight of 23 bits is taken as a high half and a low byte, each of which fits the instruction that multiplies pairs
//! of 16-bit numbers and adds them in 32 bits: the sums are the exact ones of the plain code. pulp's token of the
//! machine's features is what makes these instructions safe to call.

use std::arch::x86_64::{__m128i, __m256i};

use pulp::x86::V3;
use pulp::{NullaryFnOnce, cast};

use super::kernel::{FRACTION_BITS, Kernel, kernels};
use super::portable::filter_columns;
use super::{RGB, Task, both_passes};

/// Pixels that the row filter takes at once.
const STEP: usize = 4;
/// Bytes of a load, of which a step uses the first twelve.
const LOAD: usize = 16;
/// Bits in the low part of a weight.
const LOW_BITS: i32 = 8;

/// Resizes, or gives nothing where the machine has no AVX2.
pub(super) fn resize(task: Task<'_>) -> Option<Vec<u8>> {
    let simd = V3::try_new()?;
    Some(simd.vectorize(Passes { simd, task }))
}

/// The row filter alone, or nothing where the machine has no AVX2.
pub(super) fn narrow(rgb: &[u8], columns: usize, side: usize) -> Option<Vec<u8>> {
    let simd = V3::try_new()?;
    Some(simd.vectorize(Rows {
        simd,
        rgb,
        columns,
        side,
    }))
}

struct Rows<'a> {
    simd: V3,
    rgb: &'a [u8],
    columns: usize,
    side: usize,
}

impl NullaryFnOnce for Rows<'_> {
    type Output = Vec<u8>;

    #[inline(always)]
    fn call(self) -> Vec<u8> {
        filter_rows(self.simd, self.rgb, self.columns, self.side)
    }
}

struct Passes<'a> {
    simd: V3,
    task: Task<'a>,
}

impl NullaryFnOnce for Passes<'_> {
    type Output = Vec<u8>;

    #[inline(always)]
    fn call(self) -> Vec<u8> {
        let Self { simd, task } = self;
        both_passes(
            task,
            |rgb| filter_rows(simd, rgb, task.columns, task.side),
            |narrow| filter_columns(narrow, task.side * RGB, task.rows, task.side),
        )
    }
}

/// `[rows, columns, 3]` to `[rows, side, 3]`.
#[inline(always)]
fn filter_rows(simd: V3, rgb: &[u8], columns: usize, side: usize) -> Vec<u8> {
    let windows: Vec<Window> = kernels(columns, side).iter().map(Window::new).collect();
    let mut narrow = vec![0; rgb.len() / columns * side];
    // Windows reach up to a load beyond their row, where their weights are zero: into the next row, or, at the end of
    // the image, into this copy.
    let mut padded = vec![0; columns * RGB + LOAD];
    for (row, target) in narrow.chunks_exact_mut(side * RGB).enumerate() {
        let mut values = rgb.get(row * columns * RGB..).unwrap_or_default();
        if values.len() < padded.len() {
            padded
                .iter_mut()
                .zip(values)
                .for_each(|(slot, value)| *slot = *value);
            values = &padded;
        }
        for (window, pixel) in windows.iter().zip(target.as_chunks_mut::<RGB>().0) {
            *pixel = window.apply(simd, values.get(window.first..).unwrap_or_default());
        }
    }
    narrow
}

/// A kernel of a row, laid out for [`Window::apply`].
struct Window {
    /// Its first byte in the row.
    first: usize,
    /// For every step the high halves and the low bytes of its weights, as [`lanes`] has them.
    weights: Vec<[[i16; 16]; 2]>,
}

impl Window {
    fn new(kernel: &Kernel) -> Self {
        let step = |weights: &[i32]| {
            let mut step = [0; STEP];
            step.iter_mut()
                .zip(weights)
                .for_each(|(slot, weight)| *slot = *weight);
            [
                lanes(step.map(|weight| (weight >> LOW_BITS) as i16)),
                lanes(step.map(|weight| (weight & 0xff) as i16)),
            ]
        };
        Self {
            first: kernel.first * RGB,
            weights: kernel.weights.chunks(STEP).map(step).collect(),
        }
    }

    /// The pixel made of the values that begin at the window.
    #[inline(always)]
    fn apply(&self, simd: V3, values: &[u8]) -> [u8; RGB] {
        let V3 {
            avx2, sse2, sse4_1, ..
        } = simd;
        let spread: __m256i = cast(SPREAD);
        let mut high: __m256i = cast([0_i32; 8]);
        let mut low = high;
        for (step, [high_weights, low_weights]) in self.weights.iter().enumerate() {
            let Some(bytes) = values
                .get(step * STEP * RGB..)
                .and_then(<[u8]>::first_chunk::<LOAD>)
            else {
                break;
            };
            let both: __m256i = avx2._mm256_broadcastsi128_si256(cast(*bytes));
            let pixels = avx2._mm256_shuffle_epi8(both, spread);
            high = avx2._mm256_add_epi32(high, avx2._mm256_madd_epi16(pixels, cast(*high_weights)));
            low = avx2._mm256_add_epi32(low, avx2._mm256_madd_epi16(pixels, cast(*low_weights)));
        }
        let sums = avx2._mm256_add_epi32(avx2._mm256_slli_epi32::<LOW_BITS>(high), low);
        let upper: __m128i = avx2._mm256_extracti128_si256::<1>(sums);
        let lower: __m128i = avx2._mm256_extracti128_si256::<0>(sums);
        let half: __m128i = cast([1_i32 << (FRACTION_BITS - 1); 4]);
        let sum = sse2._mm_add_epi32(sse2._mm_add_epi32(upper, lower), half);
        let whole = sse2._mm_srai_epi32::<{ FRACTION_BITS as i32 }>(sum);
        let words = sse4_1._mm_packus_epi32(whole, whole);
        let [r, g, b, _] = sse2
            ._mm_cvtsi128_si32(sse2._mm_packus_epi16(words, words))
            .to_le_bytes();
        [r, g, b]
    }
}

/// Takes four RGB pixels, present in both halves of a register, to pairs of 16-bit values of a channel: the first two
/// pixels in the lower half, the others in the upper one, the fourth pair of each half being zero.
const SPREAD: [i8; 32] = [
    0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, //
    6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1,
];

/// The weights of four pixels where [`SPREAD`] has their values.
fn lanes([a, b, c, d]: [i16; STEP]) -> [i16; 16] {
    [a, b, a, b, a, b, a, b, c, d, c, d, c, d, c, d]
}
