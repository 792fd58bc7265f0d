//! The `[sequence]` part of a config.

use img2tokens_schemas::Vocabulary;
use serde::{Deserialize, Serialize};

use crate::{OrderPolicy, SequenceError};

/// How sequences are assembled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SequenceConfig {
    /// Which half of a pair stands on the left.
    pub order: OrderPolicy,
    /// Whether a sequence begins with BOS; LaVIT's released code adds none.
    pub bos: bool,
    /// Whether a sequence ends with EOS.
    pub eos: bool,
    /// The seed of every draw from a sample's key.
    pub seed: u64,
    /// The probability, from 0 to 1, that a `text_image` sequence goes without its text, so that a model trained on it
    /// can be guided without a classifier; peers use 0.05 to 0.1. The text of an `image_text` sequence is what is
    /// learned, not what is conditioned on, and is never dropped.
    pub text_dropout: f64,
}

impl Default for SequenceConfig {
    fn default() -> Self {
        Self {
            order: OrderPolicy::Alternate,
            bos: false,
            eos: true,
            seed: 0,
            text_dropout: 0.0,
        }
    }
}

impl SequenceConfig {
    /// Whether sequences can be assembled so over this vocabulary.
    ///
    /// # Errors
    /// If a probability is none, or BOS or EOS is asked for and the text tokenizer has no such token (its id in the
    /// vocabulary is then none of the V text ids).
    pub fn validate(&self, vocabulary: &Vocabulary) -> Result<(), SequenceError> {
        if !(0.0..=1.0).contains(&self.text_dropout) {
            return Err(SequenceError::Probability {
                name: "text_dropout",
                value: self.text_dropout,
            });
        }
        match self.order {
            OrderPolicy::Probability(value) if !(0.0..=1.0).contains(&value) => {
                return Err(SequenceError::Probability { name: "order", value });
            }
            _ => {}
        }
        for (name, wanted, id) in [
            ("bos", self.bos, vocabulary.bos),
            ("eos", self.eos, vocabulary.eos),
        ] {
            if wanted && id >= vocabulary.text_size {
                return Err(SequenceError::NoSpecial { name });
            }
        }
        Ok(())
    }
}
