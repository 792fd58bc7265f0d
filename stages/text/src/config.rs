//! The `[text]` part of a config.

use serde::{Deserialize, Serialize};

/// How captions become ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TextConfig {
    /// `"builtin:bytes"`, or the path of a Hugging Face `tokenizer.json` or a SentencePiece `tokenizer.model`.
    pub tokenizer: String,
    /// The most text ids a caption keeps, at least 1; what is past them is cut off and the row says so.
    pub max_tokens: usize,
    /// What is done to a caption before it is tokenized.
    pub cleanup: Cleanup,
}

impl Default for TextConfig {
    fn default() -> Self {
        Self {
            tokenizer: crate::BUILTIN_BYTES.to_owned(),
            max_tokens: 512,
            cleanup: Cleanup::default(),
        }
    }
}

/// Clean-up steps, in the order in which they are done; all off by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cleanup {
    /// HTML character references (`&amp;`, `&#233;`) become what they stand for, once.
    pub html_entities: bool,
    /// Each run of white space and control characters becomes one space, and none is left at the ends.
    pub whitespace: bool,
    /// Unicode normal form C.
    pub nfc: bool,
}
