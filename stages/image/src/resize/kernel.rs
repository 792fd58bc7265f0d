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

/// The filter that makes `to` values of `from` ones, both at least 1.
///
/// Where the result is smaller the filter is widened by the scale: every value of the source counts (antialiasing).
#[derive(Debug, Clone, Copy)]
pub(super) struct Filter {
    from: usize,
    scale: f64,
    stretch: f64,
}

impl Filter {
    pub(super) fn new(from: usize, to: usize) -> Self {
        let scale = from as f64 / to as f64;
        Self {
            from,
            scale,
            stretch: scale.max(1.0),
        }
    }

    /// The values of the source that make value `place` of the result.
    pub(super) fn window(self, place: usize) -> Window {
        let support = 2.0 * self.stretch;
        let center = (place as f64 + 0.5) * self.scale;
        Window {
            first: (center - support + 0.5).max(0.0) as usize,
            end: ((center + support + 0.5) as usize).min(self.from),
            center,
            shrink: 1.0 / self.stretch,
        }
    }
}

/// Consecutive values of the source, `first` to `end`, and how they are weighted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) first: usize,
    pub(super) end: usize,
    center: f64,
    shrink: f64,
}

impl Window {
    /// The weight of a value of the source before the weights of its window are made to sum to one.
    fn weight(self, index: usize) -> f64 {
        cubic((index as f64 - self.center + 0.5) * self.shrink)
    }

    /// The sum of all weights, in their order: the integers made of them depend on it.
    pub(super) fn total(self) -> f64 {
        (self.first..self.end).map(|index| self.weight(index)).sum()
    }

    /// The weight of a value of the source, in units of `2^-FRACTION_BITS`.
    pub(super) fn fixed(self, index: usize, total: f64) -> i32 {
        normal(self.weight(index), total)
    }
}

/// The kernels that make `to` values of `from` ones, both at least 1.
pub(super) fn kernels(from: usize, to: usize) -> Vec<Kernel> {
    let filter = Filter::new(from, to);
    let kernel = |place: usize| {
        let window = filter.window(place);
        let weights: Vec<f64> = (window.first..window.end)
            .map(|index| window.weight(index))
            .collect();
        let total: f64 = weights.iter().sum();
        Kernel {
            first: window.first,
            weights: weights.iter().map(|weight| normal(*weight, total)).collect(),
        }
    };
    (0..to).map(kernel).collect()
}

fn normal(weight: f64, total: f64) -> i32 {
    fixed(if total == 0.0 { weight } else { weight / total })
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
