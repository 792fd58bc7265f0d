//! Which of a pair's captions its sequence takes, where the input has several: the page's own and synthetic ones.

use serde::{Deserialize, Serialize};

use crate::draw::{Purpose, fraction};

/// Which caption of several is taken; the captions are numbered as their columns are configured.
///
/// In a config: `"first"`, or the weights of the columns, `[0.5, 0.5]`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub enum CaptionChoice {
    /// The first that is there.
    #[default]
    First,
    /// One of those that are there, by the sample's key, each as likely as its column's weight is among theirs.
    Mix(Vec<f64>),
}

/// Weights by which nothing can be chosen.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CaptionChoiceError {
    /// A word that is none of the choices.
    #[error("`{0}` is not a choice of captions: it is \"first\" or a list of weights")]
    Unknown(String),
    /// A weight that is negative or no number.
    #[error("the weight of caption {column} is {weight}; weights are numbers from 0 up")]
    Weight {
        /// Its place in the list.
        column: usize,
        /// As given.
        weight: f64,
    },
    /// No column can ever be taken.
    #[error("no caption has a weight above 0")]
    NoWeight,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Name(String),
    Weights(Vec<f64>),
}

impl TryFrom<Form> for CaptionChoice {
    type Error = CaptionChoiceError;

    fn try_from(form: Form) -> Result<Self, CaptionChoiceError> {
        match form {
            Form::Name(name) if name == "first" => Ok(Self::First),
            Form::Name(name) => Err(CaptionChoiceError::Unknown(name)),
            Form::Weights(weights) => Self::mix(weights),
        }
    }
}

impl From<CaptionChoice> for Form {
    fn from(choice: CaptionChoice) -> Self {
        match choice {
            CaptionChoice::First => Self::Name("first".to_owned()),
            CaptionChoice::Mix(weights) => Self::Weights(weights),
        }
    }
}

impl CaptionChoice {
    /// A mix by these weights, one a column; they need not add up to 1.
    ///
    /// # Errors
    /// If a weight is negative or no number, or none is above 0.
    pub fn mix(weights: Vec<f64>) -> Result<Self, CaptionChoiceError> {
        if let Some((column, weight)) = weights
            .iter()
            .enumerate()
            .find(|(_, weight)| !(weight.is_finite() && **weight >= 0.0))
        {
            return Err(CaptionChoiceError::Weight {
                column,
                weight: *weight,
            });
        }
        if weights.iter().sum::<f64>() > 0.0 {
            Ok(Self::Mix(weights))
        } else {
            Err(CaptionChoiceError::NoWeight)
        }
    }

    /// The column whose caption the sample `key` takes, among those that have one that is not blank; none if none has.
    /// Where all the weights of those that have one are 0, or a mix has no weight for them, it is the first of them.
    #[must_use]
    pub fn choose(&self, seed: u64, key: &str, captions: &[Option<&str>]) -> Option<usize> {
        let there = |column: &usize| {
            captions
                .get(*column)
                .copied()
                .flatten()
                .is_some_and(|caption| !caption.trim().is_empty())
        };
        let first = (0..captions.len()).find(there)?;
        let Self::Mix(weights) = self else {
            return Some(first);
        };
        let weight = |column: &usize| weights.get(*column).copied().unwrap_or(0.0);
        let candidates = || {
            (0..captions.len())
                .filter(there)
                .filter(|column| weight(column) > 0.0)
        };
        let total: f64 = candidates().map(|column| weight(&column)).sum();
        let mut left = fraction(Purpose::Caption, seed, key) * total;
        let drawn = candidates().find(|column| {
            left -= weight(column);
            left < 0.0
        });
        // The sum's rounding may leave a draw just past the last.
        Some(drawn.or_else(|| candidates().next_back()).unwrap_or(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_caption_that_is_not_blank_is_taken() {
        let choose = |captions: &[Option<&str>]| CaptionChoice::First.choose(0, "k", captions);
        assert_eq!(choose(&[Some("a"), Some("b")]), Some(0));
        assert_eq!(choose(&[None, Some(" \t"), Some("b")]), Some(2));
        assert_eq!(choose(&[None, Some("")]), None);
        assert_eq!(choose(&[]), None);
    }

    /// `hashlib` draws 0.399, 0.683, 0.273, 0.718, 0.846, 0.602, 0.349, 0.890 for the keys "0" to "7".
    #[test]
    fn a_mix_takes_the_column_in_whose_share_pythons_draw_falls() {
        let mix = CaptionChoice::mix(vec![3.0, 4.0, 3.0]).unwrap();
        let chosen: Vec<_> = (0..8)
            .filter_map(|key| mix.choose(0, &key.to_string(), &[Some("a"), Some("b"), Some("c")]))
            .collect();
        assert_eq!(chosen, [1, 1, 0, 2, 2, 1, 1, 2]);
    }

    #[test]
    fn weights_by_which_nothing_can_be_chosen_are_refused() {
        assert_eq!(
            CaptionChoice::mix(vec![0.0, 0.0]),
            Err(CaptionChoiceError::NoWeight)
        );
        assert!(CaptionChoice::mix(vec![1.0, -1.0]).is_err());
        assert!(CaptionChoice::mix(vec![f64::NAN]).is_err());
        assert!(serde_json::from_str::<CaptionChoice>("\"second\"").is_err());
        assert_eq!(
            serde_json::from_str::<CaptionChoice>("\"first\"").unwrap(),
            CaptionChoice::First
        );
        let mix = serde_json::from_str::<CaptionChoice>("[1, 0.5]").unwrap();
        assert_eq!(serde_json::to_string(&mix).unwrap(), "[1.0,0.5]");
    }

    proptest! {
        #[test]
        fn a_blank_caption_is_never_taken_and_the_choice_is_the_keys_own(
            weights in proptest::collection::vec(0.0..2.0, 1..4),
            captions in proptest::collection::vec(proptest::option::of("[ab ]{0,2}"), 1..4),
            key in ".{0,8}",
        ) {
            let mix = CaptionChoice::Mix(weights);
            let captions: Vec<Option<&str>> = captions.iter().map(Option::as_deref).collect();
            let chosen = mix.choose(0, &key, &captions);
            let there = |caption: &Option<&str>| caption.is_some_and(|caption| !caption.trim().is_empty());
            prop_assert_eq!(chosen.is_some(), captions.iter().any(there));
            prop_assert!(chosen.is_none_or(|column| there(&captions[column])));
            prop_assert_eq!(chosen, mix.choose(0, &key, &captions));
        }
    }
}
