//! How a small whole number is spread over many samples, exactly.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How often each value occurred. Exact and mergeable, in memory proportional to the number of distinct values, which
/// is small for what is counted here (codes of an image, ids of a sequence).
///
/// As JSON: `{"sum", "min", "median", "max", "histogram": {value: how often}}`; only the histogram is read back, and
/// what else is stated must follow from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Summary", try_from = "Summary")]
pub struct Distribution {
    histogram: BTreeMap<u32, u64>,
}

#[derive(Serialize, Deserialize)]
struct Summary {
    #[serde(default)]
    sum: Option<u64>,
    #[serde(default)]
    min: Option<u32>,
    #[serde(default)]
    median: Option<u32>,
    #[serde(default)]
    max: Option<u32>,
    histogram: BTreeMap<u32, u64>,
}

impl From<Distribution> for Summary {
    fn from(distribution: Distribution) -> Self {
        Self {
            sum: Some(distribution.sum()),
            min: distribution.min(),
            median: distribution.median(),
            max: distribution.max(),
            histogram: distribution.histogram,
        }
    }
}

impl TryFrom<Summary> for Distribution {
    type Error = &'static str;

    fn try_from(summary: Summary) -> Result<Self, &'static str> {
        let Summary {
            sum,
            min,
            median,
            max,
            histogram,
        } = summary;
        let distribution = Self { histogram };
        if distribution.checked_count().is_none() || distribution.checked_sum().is_none() {
            return Err("a histogram of more samples than there can be");
        }
        let stated = (sum.is_some(), sum, min, median, max);
        let follows = (
            true,
            Some(distribution.sum()),
            distribution.min(),
            distribution.median(),
            distribution.max(),
        );
        // A histogram alone is a distribution, too.
        if stated == follows || stated == (false, None, None, None, None) {
            Ok(distribution)
        } else {
            Err("sum, min, median or max do not follow from the histogram")
        }
    }
}

impl Distribution {
    /// Counts one sample.
    pub fn add(&mut self, value: u32) {
        *self.histogram.entry(value).or_default() += 1;
    }

    /// Counts all samples of `other` too.
    pub fn merge(&mut self, other: &Self) {
        for (value, count) in &other.histogram {
            *self.histogram.entry(*value).or_default() += count;
        }
    }

    /// The number of samples, if 64 bits hold it.
    pub(crate) fn checked_count(&self) -> Option<u64> {
        let mut counts = self.histogram.values();
        counts.try_fold(0_u64, |sum, count| sum.checked_add(*count))
    }

    /// The sum of all samples, if 64 bits hold it.
    pub(crate) fn checked_sum(&self) -> Option<u64> {
        let mut counts = self.histogram.iter();
        counts.try_fold(0_u64, |sum, (value, count)| {
            sum.checked_add(u64::from(*value).checked_mul(*count)?)
        })
    }

    /// The number of samples.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.values().sum()
    }

    /// The sum of all samples.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.histogram
            .iter()
            .map(|(value, count)| u64::from(*value) * count)
            .sum()
    }

    /// The smallest sample.
    #[must_use]
    pub fn min(&self) -> Option<u32> {
        self.histogram.keys().next().copied()
    }

    /// The middle sample; of an even number of samples the lower of the two in the middle.
    #[must_use]
    pub fn median(&self) -> Option<u32> {
        let middle = self.count().checked_sub(1)? / 2;
        let mut passed = 0;
        self.histogram.iter().find_map(|(value, count)| {
            passed += count;
            (passed > middle).then_some(*value)
        })
    }

    /// The largest sample.
    #[must_use]
    pub fn max(&self) -> Option<u32> {
        self.histogram.keys().next_back().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_has_no_median() {
        assert_eq!(Distribution::default().median(), None);
        assert_eq!(Distribution::default().sum(), 0);
    }

    proptest! {
        #[test]
        fn it_tells_what_the_sorted_samples_tell(left in proptest::collection::vec(0_u32..50, 1..60),
                                                 right in proptest::collection::vec(0_u32..50, 0..60)) {
            let (mut all, mut other) = (Distribution::default(), Distribution::default());
            left.iter().for_each(|value| all.add(*value));
            right.iter().for_each(|value| other.add(*value));
            all.merge(&other);
            let mut sorted = [left, right].concat();
            sorted.sort_unstable();
            prop_assert_eq!(all.count(), sorted.len() as u64);
            prop_assert_eq!(all.sum(), sorted.iter().map(|value| u64::from(*value)).sum::<u64>());
            prop_assert_eq!(all.min(), sorted.first().copied());
            prop_assert_eq!(all.median(), Some(sorted[(sorted.len() - 1) / 2]));
            prop_assert_eq!(all.max(), sorted.last().copied());
            let json = serde_json::to_string(&all).unwrap();
            prop_assert_eq!(serde_json::from_str::<Distribution>(&json).unwrap(), all);
        }
    }
}
