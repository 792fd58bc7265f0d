//! Lanes as AVX-512 and AVX2 registers.
//!
//! Their methods are unsafe only in that the instructions must exist: both types stay within this module and its
//! siblings, which reach them through the `run_` functions alone.

use std::arch::x86_64::*;

use super::isa::Kernel;
use super::lanes::{Lanes, Scalar};

/// # Safety
/// The machine has AVX-512F and AVX512-BF16.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) unsafe fn run_avx512_bf16<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx512<true>>()
}

/// # Safety
/// The machine has AVX-512F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx512<false>>()
}

/// # Safety
/// The machine has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<Avx2>()
}

/// One register of sixteen; `BF16` where the machine multiplies pairs of bf16.
#[derive(Clone, Copy)]
struct Avx512<const BF16: bool>(__m512);

impl<const BF16: bool> Lanes for Avx512<BF16> {
    // 24 of 32 registers hold sums.
    const TILE_ROWS: usize = 12;
    const TILE_VECTORS: usize = 2;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: only run where AVX-512F is.
        Self(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise, and only run where AVX-512F is.
        Self(unsafe { _mm512_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise, and only run where AVX-512F is.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: only run where AVX-512F is.
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: only run where AVX-512F is.
        Self(unsafe { _mm512_sub_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: only run where AVX-512F is.
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // SAFETY: only run where AVX-512F is.
        Self(unsafe { _mm512_div_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn fma(self, factor: Self, term: Self) -> Self {
        // SAFETY: only run where AVX-512F is.
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, term.0) })
    }

    #[inline(always)]
    fn pairs(low: Self, high: Self) -> Self {
        if BF16 {
            // SAFETY: only run where AVX512-BF16 is; the register is reinterpreted, not converted.
            return Self(unsafe {
                std::mem::transmute::<__m512bh, __m512>(_mm512_cvtne2ps_pbh(high.0, low.0))
            });
        }
        let lanes = Scalar::pairs(Scalar(low.to_array()), Scalar(high.to_array())).to_array();
        // SAFETY: an array of sixteen.
        unsafe { Self::load(lanes.as_ptr()) }
    }

    #[inline(always)]
    fn dot_pairs(self, factor: Self, term: Self) -> Self {
        if BF16 {
            // SAFETY: only run where AVX512-BF16 is; the registers are reinterpreted, not converted.
            return Self(unsafe {
                _mm512_dpbf16_ps(
                    term.0,
                    std::mem::transmute::<__m512, __m512bh>(self.0),
                    std::mem::transmute::<__m512, __m512bh>(factor.0),
                )
            });
        }
        let (a, b) = (self.0, factor.0);
        // SAFETY: only run where AVX-512F is.
        Self(unsafe {
            let (a, b) = (_mm512_castps_si512(a), _mm512_castps_si512(b));
            let mask = _mm512_set1_epi32(0xffff_0000_u32 as i32);
            let high = |x| _mm512_castsi512_ps(_mm512_and_si512(x, mask));
            let low = |x| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(x));
            _mm512_fmadd_ps(low(a), low(b), _mm512_fmadd_ps(high(a), high(b), term.0))
        })
    }

    #[inline(always)]
    fn if_less(self, other: Self, yes: Self, no: Self) -> Self {
        // SAFETY: only run where AVX-512F is.
        Self(unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, other.0), no.0, yes.0) })
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        // SAFETY: only run where AVX-512F is.
        Self(unsafe {
            let biased = _mm512_add_epi32(_mm512_castps_si512(self.0), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased))
        })
    }
}

/// Two registers of eight.
#[derive(Clone, Copy)]
struct Avx2(__m256, __m256);

impl Lanes for Avx2 {
    // 12 of 16 registers hold sums.
    const TILE_ROWS: usize = 6;
    const TILE_VECTORS: usize = 1;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        // SAFETY: only run where AVX2 is.
        let half = unsafe { _mm256_set1_ps(value) };
        Self(half, half)
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise, and only run where AVX2 is.
        unsafe { Self(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise, and only run where AVX2 is.
        unsafe {
            _mm256_storeu_ps(to, self.0);
            _mm256_storeu_ps(to.add(8), self.1);
        }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: only run where AVX2 is.
        unsafe { Self(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: only run where AVX2 is.
        unsafe { Self(_mm256_sub_ps(self.0, other.0), _mm256_sub_ps(self.1, other.1)) }
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: only run where AVX2 is.
        unsafe { Self(_mm256_mul_ps(self.0, other.0), _mm256_mul_ps(self.1, other.1)) }
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        // SAFETY: only run where AVX2 is.
        unsafe { Self(_mm256_div_ps(self.0, other.0), _mm256_div_ps(self.1, other.1)) }
    }

    #[inline(always)]
    fn fma(self, factor: Self, term: Self) -> Self {
        // SAFETY: only run where AVX2 and FMA are.
        unsafe {
            Self(
                _mm256_fmadd_ps(self.0, factor.0, term.0),
                _mm256_fmadd_ps(self.1, factor.1, term.1),
            )
        }
    }

    #[inline(always)]
    fn dot_pairs(self, factor: Self, term: Self) -> Self {
        // SAFETY: only run where AVX2 and FMA are.
        unsafe {
            Self(
                dot_pairs(self.0, factor.0, term.0),
                dot_pairs(self.1, factor.1, term.1),
            )
        }
    }

    #[inline(always)]
    fn if_less(self, other: Self, yes: Self, no: Self) -> Self {
        // SAFETY: only run where AVX2 is.
        unsafe {
            Self(
                _mm256_blendv_ps(no.0, yes.0, _mm256_cmp_ps::<_CMP_LT_OQ>(self.0, other.0)),
                _mm256_blendv_ps(no.1, yes.1, _mm256_cmp_ps::<_CMP_LT_OQ>(self.1, other.1)),
            )
        }
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        // SAFETY: only run where AVX2 is.
        unsafe { Self(power_of_two(self.0), power_of_two(self.1)) }
    }
}

/// # Safety
/// The machine has AVX2.
#[inline(always)]
unsafe fn power_of_two(lanes: __m256) -> __m256 {
    // SAFETY: the caller's promise.
    unsafe {
        let biased = _mm256_add_epi32(_mm256_castps_si256(lanes), _mm256_set1_epi32(127));
        _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
    }
}

/// # Safety
/// The machine has AVX2 and FMA.
#[inline(always)]
unsafe fn dot_pairs(a: __m256, b: __m256, term: __m256) -> __m256 {
    // SAFETY: the caller's promise.
    unsafe {
        let (a, b) = (_mm256_castps_si256(a), _mm256_castps_si256(b));
        let mask = _mm256_set1_epi32(0xffff_0000_u32 as i32);
        let high = |x| _mm256_castsi256_ps(_mm256_and_si256(x, mask));
        let low = |x| _mm256_castsi256_ps(_mm256_slli_epi32::<16>(x));
        _mm256_fmadd_ps(low(a), low(b), _mm256_fmadd_ps(high(a), high(b), term))
    }
}
