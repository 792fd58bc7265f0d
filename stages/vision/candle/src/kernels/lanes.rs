//! Sixteen float32 at a time.

use super::format::pair;

/// How many lanes all vectors have.
pub(super) const LANES: usize = 16;

/// Sixteen float32. Each operation is the IEEE one in every lane.
pub(crate) trait Lanes: Copy {
    /// Rows of a product's tile: as many as the registers hold.
    const TILE_ROWS: usize;
    /// Vectors in a row of a product's tile, 1 or 2.
    const TILE_VECTORS: usize;

    /// The same number in every lane.
    fn splat(value: f32) -> Self;

    /// # Safety
    /// Sixteen numbers can be read at `from`.
    unsafe fn load(from: *const f32) -> Self;

    /// # Safety
    /// Sixteen numbers can be written at `to`.
    unsafe fn store(self, to: *mut f32);

    /// `self + other`
    fn add(self, other: Self) -> Self;

    /// `self - other`
    fn sub(self, other: Self) -> Self;

    /// `self * other`
    fn mul(self, other: Self) -> Self;

    /// `self / other`
    fn div(self, other: Self) -> Self;

    /// `self * factor + term`, rounded once.
    fn fma(self, factor: Self, term: Self) -> Self;

    /// Lanes as pairs of bf16: `self_high * factor_high + term`, rounded, then `self_low * factor_low` plus that,
    /// rounded: what `vdpbf16ps` gives, but for numbers below 1e-38, which that takes for 0.
    fn dot_pairs(self, factor: Self, term: Self) -> Self;

    /// Thirty-two numbers, rounded to bf16, as sixteen pairs.
    #[inline(always)]
    fn pairs(low: Self, high: Self) -> Self {
        let mut pairs = [0.0; LANES];
        let halves = pairs.split_at_mut(LANES / 2);
        for (half, numbers) in [(halves.0, low), (halves.1, high)] {
            for (lane, [even, odd]) in half.iter_mut().zip(numbers.to_array().as_chunks().0) {
                *lane = pair(*even, *odd);
            }
        }
        // SAFETY: an array of sixteen.
        unsafe { Self::load(pairs.as_ptr()) }
    }

    /// `yes` where `self < other`, `no` elsewhere, also where either is not a number.
    fn if_less(self, other: Self, yes: Self, no: Self) -> Self;

    /// `2^n` for whole n in -126..=127, given as `n + 1.5 * 2^23`: n then lies in the lowest bits.
    fn power_of_two(self) -> Self;

    /// The first sixteen of `values`, or all of them and then `fill`.
    #[inline(always)]
    fn load_or(values: &[f32], fill: f32) -> Self {
        if let Some(whole) = values.first_chunk::<LANES>() {
            // SAFETY: an array of sixteen.
            return unsafe { Self::load(whole.as_ptr()) };
        }
        let mut padded = [fill; LANES];
        padded[..values.len()].copy_from_slice(values);
        // SAFETY: an array of sixteen.
        unsafe { Self::load(padded.as_ptr()) }
    }

    /// Writes as many lanes as `to` has room for.
    #[inline(always)]
    fn store_within(self, to: &mut [f32]) {
        if let Some(whole) = to.first_chunk_mut::<LANES>() {
            // SAFETY: an array of sixteen.
            return unsafe { self.store(whole.as_mut_ptr()) };
        }
        let lanes = self.to_array();
        to.copy_from_slice(&lanes[..to.len()]);
    }

    #[inline(always)]
    fn to_array(self) -> [f32; LANES] {
        let mut lanes = [0.0; LANES];
        // SAFETY: an array of sixteen.
        unsafe { self.store(lanes.as_mut_ptr()) };
        lanes
    }

    /// The sum of all lanes, halves upon halves.
    #[inline(always)]
    fn sum(self) -> f32 {
        let mut lanes = self.to_array();
        let mut half = LANES / 2;
        while half > 0 {
            for lane in 0..half {
                lanes[lane] += lanes[lane + half];
            }
            half /= 2;
        }
        lanes[0]
    }

    /// The greatest lane.
    #[inline(always)]
    fn greatest(self) -> f32 {
        let lanes = self.to_array();
        let mut greatest = lanes[0];
        for lane in lanes {
            if greatest < lane {
                greatest = lane;
            }
        }
        greatest
    }
}

/// Lanes in plain Rust: for machines without vectors of ours, and the twin that vectors are tested against.
#[derive(Clone, Copy)]
pub(super) struct Scalar(pub(super) [f32; LANES]);

impl Scalar {
    #[inline(always)]
    fn zip(self, other: Self, op: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|lane| op(self.0[lane], other.0[lane])))
    }
}

impl Lanes for Scalar {
    const TILE_ROWS: usize = 4;
    const TILE_VECTORS: usize = 1;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; LANES])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise; arrays of floats need no more alignment than floats.
        Self(unsafe { *from.cast() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { *to.cast() = self.0 }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }

    #[inline(always)]
    fn fma(self, factor: Self, term: Self) -> Self {
        Self(std::array::from_fn(|lane| {
            self.0[lane].mul_add(factor.0[lane], term.0[lane])
        }))
    }

    #[inline(always)]
    fn dot_pairs(self, factor: Self, term: Self) -> Self {
        let high = |pair: f32| f32::from_bits(pair.to_bits() & 0xffff_0000);
        let low = |pair: f32| f32::from_bits(pair.to_bits() << 16);
        Self(std::array::from_fn(|lane| {
            let (a, b) = (self.0[lane], factor.0[lane]);
            let odd = high(a).mul_add(high(b), term.0[lane]);
            low(a).mul_add(low(b), odd)
        }))
    }

    #[inline(always)]
    fn if_less(self, other: Self, yes: Self, no: Self) -> Self {
        Self(std::array::from_fn(|lane| {
            if self.0[lane] < other.0[lane] {
                yes.0[lane]
            } else {
                no.0[lane]
            }
        }))
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        Self(
            self.0
                .map(|lane| f32::from_bits(lane.to_bits().wrapping_add(127) << 23)),
        )
    }
}
