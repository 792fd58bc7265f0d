//! exp and the exact GELU, lane by lane, each within a few units in the last place.

use super::lanes::Lanes;

/// `1.5 * 2^23`: added to a small number, it rounds that to a whole one.
const ROUNDER: f32 = 12_582_912.0;
/// ln 2 in two parts, the first so short that its product with n is exact.
const LN_2: [f32; 2] = [355.0 / 512.0, -2.121_944_4e-4];
/// Below this the result is no normal number; it is given as 0.
const LEAST_EXPONENT: f32 = -87.336_54;
/// 1 / k! from k = 7 down: over |r| <= ln(2) / 2 what is left out is 5e-9 of the result.
const EXP: [f32; 8] = [
    1.0 / 5040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
    1.0,
    1.0,
];

/// `e^x` for x up to 88; 0 below -87.3.
#[inline(always)]
pub(super) fn exp<V: Lanes>(x: V) -> V {
    let shifted = x.fma(V::splat(std::f32::consts::LOG2_E), V::splat(ROUNDER));
    let n = shifted.sub(V::splat(ROUNDER));
    let r = n.fma(V::splat(-LN_2[0]), x);
    let r = n.fma(V::splat(-LN_2[1]), r);
    let power = polynomial(r, &EXP).mul(shifted.power_of_two());
    x.if_less(V::splat(LEAST_EXPONENT), V::splat(0.0), power)
}

/// Where the tail of the normal distribution, times `a + CENTRE`, is expanded about.
const CENTRE: f32 = 2.5;
/// `Q(a) e^(a^2 / 2) (a + CENTRE)`, Q the upper tail of the normal distribution, by powers of
/// `s = (a - CENTRE) / (a + CENTRE)` from the ninth down: a Chebyshev interpolation over 0 <= a <= 13.5 in float64,
/// 2e-8 off at most.
const TAIL: [f32; 10] = [
    -1.525_458e-4,
    -3.045_628_5e-4,
    6.806_957e-4,
    2.517_068_6e-3,
    -1.600_096_4e-3,
    -1.638_404_2e-2,
    9.235_828e-3,
    0.131_986_76,
    -0.433_692,
    0.706_656_66,
];
/// Beyond this the tail is 0 in float32.
const LAST: f32 = 13.5;

/// `x Phi(x)`, Phi the normal distribution: the GELU by erf.
///
/// From the tail Q(|x|), which is precise where Phi nears 0: x Q(|x|) for negative x, x - x Q(|x|) for others.
#[inline(always)]
pub(super) fn gelu<V: Lanes>(x: V) -> V {
    let zero = V::splat(0.0);
    let a = x.if_less(zero, zero.sub(x), x);
    let a = a.if_less(V::splat(LAST), a, V::splat(LAST));
    let inverse = V::splat(1.0).div(a.add(V::splat(CENTRE)));
    let s = inverse.fma(V::splat(-2.0 * CENTRE), V::splat(1.0));
    // The square in two parts: the rounding of the first, times e^.., would show.
    let square = a.mul(a);
    let rest = a.fma(a, zero.sub(square));
    let bell = exp(square.mul(V::splat(-0.5)));
    let bell = bell.mul(V::splat(-0.5)).fma(rest, bell);
    let tail = bell.mul(inverse).mul(polynomial(s, &TAIL));
    let product = x.mul(tail);
    x.if_less(zero, product, x.sub(product))
}

/// Horner's rule, the highest power first.
#[inline(always)]
fn polynomial<V: Lanes, const N: usize>(x: V, coefficients: &[f32; N]) -> V {
    let mut sum = V::splat(coefficients[0]);
    for coefficient in &coefficients[1..] {
        sum = sum.fma(x, V::splat(*coefficient));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Isa;
    use crate::kernels::isa::Kernel;
    use crate::kernels::lanes::LANES;

    enum Function {
        Exp,
        Gelu,
    }

    struct Map<'a>(Function, &'a mut [f32]);

    impl Kernel for Map<'_> {
        type Output = ();

        #[inline(always)]
        fn run<V: Lanes>(self) {
            for chunk in self.1.chunks_mut(LANES) {
                let x = V::load_or(chunk, 0.0);
                let y = match self.0 {
                    Function::Exp => exp(x),
                    Function::Gelu => gelu(x),
                };
                y.store_within(chunk);
            }
        }
    }

    /// Numbers all over a range, few of them round.
    fn range(from: f32, to: f32) -> Vec<f32> {
        const COUNT: u16 = 50_000;
        (0..=COUNT)
            .map(|step| from + (to - from) * f32::from(step) / f32::from(COUNT))
            .collect()
    }

    fn map(isa: Isa, function: Function, x: &[f32]) -> Vec<f32> {
        let mut y = x.to_vec();
        isa.run(Map(function, &mut y));
        y
    }

    /// The greatest error relative to what is expected.
    fn worst(found: &[f32], expected: impl Iterator<Item = f64>) -> f64 {
        let errors = found
            .iter()
            .zip(expected)
            .map(|(found, expected)| ((f64::from(*found) - expected) / expected).abs());
        errors.fold(0.0, f64::max)
    }

    /// The upper tail of the normal distribution: a series near 0, a continued fraction far out.
    fn tail(a: f64) -> f64 {
        let density = (-a * a / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        if a < 2.5 {
            let (mut term, mut sum) = (a, a);
            for n in 1..80 {
                term *= a * a / f64::from(2 * n + 1);
                sum += term;
            }
            return 0.5 - density * sum;
        }
        density / (1..200).rev().fold(a, |rest, n| a + f64::from(n) / rest)
    }

    #[test]
    fn exp_is_within_a_ten_millionth() {
        let x = range(-87.3, 88.0);
        let worst = worst(
            &map(Isa::best(), Function::Exp, &x),
            x.iter().map(|x| f64::from(*x).exp()),
        );
        assert!(worst < 1.3e-7, "{worst:e}");
        let special = [f32::NEG_INFINITY, -1e30, -90.0, 0.0, f32::NAN];
        let found = map(Isa::best(), Function::Exp, &special);
        assert_eq!(found[..4], [0.0, 0.0, 0.0, 1.0]);
        assert!(found[4].is_nan());
    }

    #[test]
    fn gelu_is_within_a_few_ten_millionths_even_where_it_is_tiny() {
        let x: Vec<f32> = range(-12.0, 12.0).into_iter().filter(|x| *x != 0.0).collect();
        let exact = |x: &f32| {
            let (x, tail) = (f64::from(*x), tail(f64::from(x.abs())));
            if x < 0.0 { x * tail } else { x - x * tail }
        };
        let worst = worst(&map(Isa::best(), Function::Gelu, &x), x.iter().map(exact));
        assert!(worst < 5e-7, "{worst:e}");
        let special = [-1e30, -20.0, 0.0, 20.0, 1e30, f32::NAN];
        let found = map(Isa::best(), Function::Gelu, &special);
        assert_eq!(found[..5], [0.0, 0.0, 0.0, 20.0, 1e30]);
        assert!(found[5].is_nan());
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let x = range(-100.0, 80.0);
        let bits = |y: Vec<f32>| y.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        for isa in Isa::vectors() {
            for function in [|| Function::Exp, || Function::Gelu] {
                let expected = bits(map(Isa::SCALAR, function(), &x));
                assert_eq!(bits(map(isa, function(), &x)), expected, "{isa:?}");
            }
        }
    }
}
