//! A cosine over many samples.

use serde::{Deserialize, Serialize};

/// Least, greatest and mean of many cosines; the sum is kept, so that units can be put together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct CosineSummary {
    /// Samples.
    pub count: u64,
    /// Their sum, added in row order.
    pub sum: f64,
    /// The least; 0 of none.
    pub min: f32,
    /// The greatest; 0 of none.
    pub max: f32,
}

impl CosineSummary {
    /// Counts one sample.
    pub fn add(&mut self, cosine: f32) {
        self.merge(&Self {
            count: 1,
            sum: f64::from(cosine),
            min: cosine,
            max: cosine,
        });
    }

    /// Counts all samples of `other` too.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        let first = self.count == 0;
        self.min = if first { other.min } else { self.min.min(other.min) };
        self.max = if first { other.max } else { self.max.max(other.max) };
        self.count += other.count;
        self.sum += other.sum;
    }

    /// The mean; none of none.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// None if it counts nothing.
    #[must_use]
    pub fn into_option(self) -> Option<Self> {
        (self.count > 0).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_put_together_are_the_whole() {
        let samples = [0.5, -0.25, 1.0, 0.125];
        let summary = |samples: &[f32]| {
            let mut summary = CosineSummary::default();
            samples.iter().for_each(|sample| summary.add(*sample));
            summary
        };
        let (mut left, right, all) = (summary(&samples[..1]), summary(&samples[1..]), summary(&samples));
        left.merge(&right);
        left.merge(&CosineSummary::default());
        assert_eq!(left, all);
        assert_eq!((all.min, all.max, all.mean()), (-0.25, 1.0, Some(1.375 / 4.0)));
        assert_eq!(CosineSummary::default().into_option(), None);
    }
}
