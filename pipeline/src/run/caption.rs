//! Which of a row's captions its pair takes.

use std::sync::Arc;

use img2tokens_sequence::CaptionChoice;

use crate::config::{Input, Text};

/// Chooses captions as the config says.
#[derive(Debug, Clone)]
pub struct Captions {
    /// The columns of captions in their order; empty if there is but one.
    columns: Vec<Arc<str>>,
    choice: CaptionChoice,
    seed: u64,
}

/// A pair's caption.
#[derive(Debug)]
pub(super) struct Caption {
    pub(super) text: String,
    /// The column it came from, where there are several.
    pub(super) column: Option<Arc<str>>,
}

impl Caption {
    /// That of a document's image: the texts around it are the document's.
    pub(super) const fn none() -> Self {
        Self {
            text: String::new(),
            column: None,
        }
    }
}

impl Captions {
    /// As the config says; draws by this seed.
    #[must_use]
    pub fn new(input: &Input, text: &Text, seed: u64) -> Self {
        Self {
            columns: input
                .caption_columns
                .iter()
                .map(|name| name.as_str().into())
                .collect(),
            choice: text.captions.clone(),
            seed,
        }
    }

    /// The caption of the pair `key` among these, none if all are missing or blank.
    pub(super) fn choose(&self, key: &str, mut captions: Vec<Option<String>>) -> Option<Caption> {
        let there: Vec<Option<&str>> = captions.iter().map(Option::as_deref).collect();
        let chosen = self.choice.choose(self.seed, key, &there)?;
        Some(Caption {
            text: captions.get_mut(chosen)?.take()?,
            column: self.columns.get(chosen).cloned(),
        })
    }
}
