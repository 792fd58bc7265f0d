//! How many texts go among the pairs.

use serde::{Deserialize, Serialize};

/// The share of text-only sequences among all, from 0 to just below 1.
///
/// What is due is a function of how many pairs came before in the whole run, so a unit that starts at pair p takes the
/// texts from [`TextMix::due_after`]`(p)` on, whoever runs it and whenever.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct TextMix {
    share: f64,
}

impl TextMix {
    /// A mix in which this share of the sequences is text alone; none if it is no number from 0 to 0.99.
    #[must_use]
    pub fn new(share: f64) -> Option<Self> {
        (0.0..=0.99).contains(&share).then_some(Self { share })
    }

    /// How many texts stand among and right after the first `pair_sequences` sequences of pairs.
    #[must_use]
    pub fn due_after(self, pair_sequences: u64) -> u64 {
        (pair_sequences as f64 * self.share / (1.0 - self.share)) as u64
    }
}

impl TryFrom<f64> for TextMix {
    type Error = String;

    fn try_from(share: f64) -> Result<Self, String> {
        Self::new(share).ok_or_else(|| format!("the share of texts is {share}, not a number from 0 to 0.99"))
    }
}

impl From<TextMix> for f64 {
    fn from(mix: TextMix) -> Self {
        mix.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_means_one_text_a_pair_and_a_fifth_one_in_four() {
        let due = |share: f64, pairs| TextMix::new(share).unwrap().due_after(pairs);
        assert_eq!(due(0.5, 7), 7);
        assert_eq!((due(0.2, 3), due(0.2, 4), due(0.2, 400)), (0, 1, 100));
        assert_eq!(due(0.0, 1_000_000), 0);
        assert!(
            TextMix::new(1.0).is_none() && TextMix::new(-0.1).is_none() && TextMix::new(f64::NAN).is_none()
        );
    }

    proptest! {
        #[test]
        fn texts_are_spread_evenly_and_meet_their_share(share in 0.0..0.9, pairs in 1_u64..10_000_000) {
            let mix = TextMix::new(share).unwrap();
            let (before, after) = (mix.due_after(pairs - 1), mix.due_after(pairs));
            prop_assert!(before <= after && after - before <= 1 + (share / (1.0 - share)) as u64);
            let met = after as f64 / (after + pairs) as f64;
            prop_assert!((met - share).abs() <= 1.0 / pairs as f64 + 1e-9);
        }
    }
}
