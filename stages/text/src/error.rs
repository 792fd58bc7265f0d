//! Why a tokenizer cannot be had, and why a caption gives no ids.

use img2tokens_schemas::{Failure, FailureReason};

/// Why the text stage cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TextSetupError {
    /// Names no tokenizer there is.
    #[error(
        "text.tokenizer `{tokenizer}` is neither {} nor the path of a tokenizer.json or tokenizer.model",
        crate::BUILTIN_BYTES
    )]
    UnknownTokenizer {
        /// As configured.
        tokenizer: String,
    },
    /// A caption of no ids is none.
    #[error("text.max_tokens must be at least 1")]
    ZeroMaxTokens,
}

/// Why a caption gives no ids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing, or nothing but white space, is left after clean-up.
    #[error("the caption is empty")]
    EmptyCaption,
    /// The tokenizer makes nothing of it.
    #[error("the tokenizer gives no ids for the caption")]
    NoIds,
    /// The caption's ids contain the tokenizer's own begin or end of sequence, which would end a document there.
    #[error("the caption gives id {id}, the tokenizer's begin or end of sequence")]
    SpecialInCaption {
        /// The id.
        id: u32,
    },
}

impl From<TextError> for Failure {
    fn from(error: TextError) -> Self {
        let reason = match error {
            TextError::EmptyCaption => FailureReason::EmptyCaption,
            TextError::NoIds | TextError::SpecialInCaption { .. } => FailureReason::TextEncoding,
        };
        Self::new(reason, error.to_string())
    }
}
