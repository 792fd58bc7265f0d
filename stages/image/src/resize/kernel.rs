//! The weights of Pillow's bicubic filter.

/// Fractional bits of a weight: 32 less 8 for the value and 2 for what sums overshoot.
pub(super) const FRACTION_BITS: u32 = 32 - 8 - 2;

/// The weights by which one value of the result is made of consecutive values of the source.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kernel {
    /// The first value it takes.
    pub(super) first: usize,
    /// In units of `2^-FRACTION_BITS`.
    pub(super) weights: Vec<i32>,
}

/// The kernels that make `to` values of `from` ones, both at least 1.
///
/// Where the result is smaller the filter is widened by the scale: every value of the source counts (antialiasing).
pub(super) fn kernels(from: usize, to: usize) -> Vec<Kernel> {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let support = 2.0 * stretch;
    let kernel = |place: usize| {
        let center = (place as f64 + 0.5) * scale;
        let first = (center - support + 0.5).max(0.0) as usize;
        let end = ((center + support + 0.5) as usize).min(from);
        let weight = |index: usize| cubic((index as f64 - center + 0.5) * (1.0 / stretch));
        let weights: Vec<f64> = (first..end).map(weight).collect();
        let total: f64 = weights.iter().sum();
        let weights = weights
            .iter()
            .map(|weight| fixed(if total == 0.0 { *weight } else { weight / total }));
        Kernel {
            first,
            weights: weights.collect(),
        }
    };
    (0..to).map(kernel).collect()
}

/// Keys' cubic with a = -0.5.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

fn fixed(weight: f64) -> i32 {
    let scaled = weight * f64::from(1 << FRACTION_BITS);
    (if scaled < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_scale_one_a_value_is_itself() {
        for (place, kernel) in kernels(9, 9).iter().enumerate() {
            let kept = kernel
                .weights
                .iter()
                .enumerate()
                .filter(|(_, weight)| **weight != 0);
            let kept: Vec<_> = kept.map(|(tap, weight)| (kernel.first + tap, *weight)).collect();
            assert_eq!(kept, [(place, 1 << FRACTION_BITS)]);
        }
    }

    #[test]
    fn every_kernel_lies_inside_the_source_and_sums_to_one() {
        for (from, to) in [(1, 7), (3, 224), (224, 3), (37, 224), (5000, 224), (225, 224)] {
            for kernel in kernels(from, to) {
                assert!(kernel.first + kernel.weights.len() <= from, "{from} to {to}");
                let total: i32 = kernel.weights.iter().sum();
                assert!(
                    total.abs_diff(1 << FRACTION_BITS) as usize <= kernel.weights.len(),
                    "{from} to {to}"
                );
            }
        }
    }
}
