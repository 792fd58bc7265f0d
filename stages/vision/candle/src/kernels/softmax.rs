//! Attention weights of one query.

use super::functions::exp;
use super::isa::Kernel;
use super::lanes::{LANES, Lanes};

/// Turns one query's scores into weights: with `e = exp(score - max) * allowed`, `(e + shift) / (sum of e + smoothing)`.
/// The maximum is that of all scores. Gives the divisor.
pub(crate) struct SoftmaxRow<'a> {
    pub scores: &'a mut [f32],
    /// 0 or 1 for every score; all 1 if none.
    pub allowed: Option<&'a [f32]>,
    pub shift: f32,
    pub smoothing: f32,
}

impl Kernel for SoftmaxRow<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<V: Lanes>(self) -> f32 {
        let mut greatest = V::splat(f32::NEG_INFINITY);
        for chunk in self.scores.chunks(LANES) {
            let scores = V::load_or(chunk, f32::NEG_INFINITY);
            greatest = greatest.if_less(scores, scores, greatest);
        }
        let greatest = V::splat(greatest.greatest());
        let mut sum = V::splat(0.0);
        for (number, chunk) in self.scores.chunks_mut(LANES).enumerate() {
            let mut e = exp(V::load_or(chunk, f32::NEG_INFINITY).sub(greatest));
            if let Some(allowed) = self.allowed {
                e = e.mul(V::load_or(&allowed[number * LANES..], 0.0));
            }
            sum = sum.add(e);
            e.store_within(chunk);
        }
        let divisor = sum.sum() + self.smoothing;
        let (shift, factor) = (V::splat(self.shift), V::splat(1.0 / divisor));
        for chunk in self.scores.chunks_mut(LANES) {
            V::load_or(chunk, 0.0).add(shift).mul(factor).store_within(chunk);
        }
        divisor
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;
    use proptest::prelude::*;

    fn weigh(isa: Isa, scores: &[f32], allowed: &[f32], smoothing: f32) -> Vec<f32> {
        let mut weights = scores.to_vec();
        let divisor = isa.run(SoftmaxRow {
            scores: &mut weights,
            allowed: Some(allowed),
            shift: smoothing / scores.len() as f32,
            smoothing,
        });
        weights.push(divisor);
        weights
    }

    proptest! {
        #[test]
        fn weights_are_those_of_the_formula_and_the_same_bits_on_every_instruction_set(
            row in proptest::collection::vec((-40.0..40.0_f32, any::<bool>()), 1..100),
            smoothing in prop_oneof![Just(0.0_f32), Just(1e-6)],
        ) {
            let scores: Vec<f32> = row.iter().map(|(score, _)| *score).collect();
            // Something is allowed, lest 0 be divided by 0.
            let allowed: Vec<f32> = row.iter().enumerate()
                .map(|(at, (_, allowed))| f32::from(u8::from(*allowed || at == 0))).collect();
            let found = weigh(Isa::SCALAR, &scores, &allowed, smoothing);
            for isa in Isa::vectors() {
                let bits = |weights: &[f32]| weights.iter().map(|weight| weight.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(&weigh(isa, &scores, &allowed, smoothing)), bits(&found));
            }
            let greatest = f64::from(scores.iter().fold(f32::NEG_INFINITY, |most, score| most.max(*score)));
            let e = |at: usize| (f64::from(scores[at]) - greatest).exp() * f64::from(allowed[at]);
            let divisor = (0..scores.len()).map(e).sum::<f64>() + f64::from(smoothing);
            prop_assume!(divisor > 1e-30);
            for (at, found) in found[..scores.len()].iter().enumerate() {
                let expected = (e(at) + f64::from(smoothing) / scores.len() as f64) / divisor;
                prop_assert!((f64::from(*found) - expected).abs() <= 1e-5 * expected + 1e-37, "{found} {expected}");
            }
        }
    }
}
