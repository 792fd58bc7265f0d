//! The instruction set, chosen once it is known to be there.

use super::lanes::{Lanes, Scalar};
#[cfg(target_arch = "x86_64")]
use super::x86;

/// A computation written over any [`Lanes`].
pub(crate) trait Kernel {
    /// What it gives.
    type Output;

    /// Computes it. To be `#[inline(always)]`, as all that it calls with lanes: only so is it compiled for the
    /// instruction set of its caller.
    fn run<V: Lanes>(self) -> Self::Output;
}

/// An instruction set that this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Isa(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Scalar,
}

impl Isa {
    /// The fastest one.
    pub(crate) fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return if is_x86_feature_detected!("avx512bf16") {
                    Self(Kind::Avx512Bf16)
                } else {
                    Self(Kind::Avx512)
                };
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Self(Kind::Avx2);
            }
        }
        Self(Kind::Scalar)
    }

    /// Plain Rust, the twin that the others are held to.
    #[cfg(test)]
    pub(crate) const SCALAR: Self = Self(Kind::Scalar);

    /// Those other than [`Isa::SCALAR`].
    #[cfg(test)]
    pub(crate) fn vectors() -> Vec<Self> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bf16") {
                found.push(Self(Kind::Avx512Bf16));
            }
            if is_x86_feature_detected!("avx512f") {
                found.push(Self(Kind::Avx512));
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                found.push(Self(Kind::Avx2));
            }
        }
        found
    }

    /// Runs a kernel with this instruction set.
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            // SAFETY: an `Isa` of this kind is only made where the features were detected.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Bf16 => unsafe { x86::run_avx512_bf16(kernel) },
            // SAFETY: likewise.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe { x86::run_avx512(kernel) },
            // SAFETY: likewise.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { x86::run_avx2(kernel) },
            Kind::Scalar => kernel.run::<Scalar>(),
        }
    }
}
