//! LayerNorm.

use super::isa::Kernel;
use super::lanes::{LANES, Lanes};

/// LayerNorm of one row: the variance about the mean, not sample-corrected.
pub(crate) struct Norm<'a> {
    pub x: &'a [f32],
    pub weight: &'a [f32],
    pub bias: &'a [f32],
    pub eps: f32,
    pub out: &'a mut [f32],
}

impl Kernel for Norm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<V: Lanes>(self) {
        let width = self.x.len() as f32;
        let mut sum = V::splat(0.0);
        for chunk in self.x.chunks(LANES) {
            sum = sum.add(V::load_or(chunk, 0.0));
        }
        let mean = sum.sum() / width;
        let mut squares = V::splat(0.0);
        for chunk in self.x.chunks(LANES) {
            let centred = V::load_or(chunk, mean).sub(V::splat(mean));
            squares = centred.fma(centred, squares);
        }
        let scale = V::splat(1.0 / (squares.sum() / width + self.eps).sqrt());
        for (number, out) in self.out.chunks_mut(LANES).enumerate() {
            let at = number * LANES;
            let normed = V::load_or(&self.x[at..], 0.0).sub(V::splat(mean)).mul(scale);
            let (weight, bias) = (
                V::load_or(&self.weight[at..], 0.0),
                V::load_or(&self.bias[at..], 0.0),
            );
            normed.fma(weight, bias).store_within(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;
    use proptest::prelude::*;

    fn norm(isa: Isa, x: &[f32], weight: &[f32], bias: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; x.len()];
        isa.run(Norm {
            x,
            weight,
            bias,
            eps: 1e-6,
            out: &mut out,
        });
        out
    }

    proptest! {
        #[test]
        fn a_norm_is_that_of_the_formula_and_the_same_bits_on_every_instruction_set(
            row in proptest::collection::vec((-5.0..5.0_f32, -2.0..2.0_f32, -1.0..1.0_f32), 2..100),
        ) {
            let part = |of: fn(&(f32, f32, f32)) -> f32| row.iter().map(of).collect::<Vec<f32>>();
            let (x, weight, bias) = (part(|row| row.0), part(|row| row.1), part(|row| row.2));
            let found = norm(Isa::SCALAR, &x, &weight, &bias);
            for isa in Isa::vectors() {
                let bits = |row: &[f32]| row.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(&norm(isa, &x, &weight, &bias)), bits(&found));
            }
            let width = x.len() as f64;
            let mean = x.iter().map(|x| f64::from(*x)).sum::<f64>() / width;
            let variance = x.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / width;
            prop_assume!(variance > 0.01);
            for (at, found) in found.iter().enumerate() {
                let normed = (f64::from(x[at]) - mean) / (variance + 1e-6).sqrt();
                let expected = normed * f64::from(weight[at]) + f64::from(bias[at]);
                prop_assert!((f64::from(*found) - expected).abs() < 1e-4, "{found} {expected}");
            }
        }
    }
}
