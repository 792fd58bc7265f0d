//! Why a tokenizer cannot be had, and why a caption gives no ids.

use std::path::PathBuf;

use img2tokens_schemas::shown;
use img2tokens_schemas::{Failure, FailureReason};

use crate::sentence_piece::ModelError;

/// Why the text stage cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TextSetupError {
    /// Names no tokenizer there is.
    #[error("text.tokenizer `{tokenizer}` is neither `{}` nor the path of a .json or .model file",
        crate::BUILTIN_BYTES, tokenizer = shown(tokenizer))]
    UnknownTokenizer {
        /// As configured.
        tokenizer: String,
    },
    /// A caption of no ids is none.
    #[error("text.max_tokens must be at least 1")]
    ZeroMaxTokens,
    /// A file that cannot be read.
    #[error("cannot read {}", shown(path.display()))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is no SentencePiece model, or one that is not supported.
    #[error("{} is not a usable SentencePiece model", shown(path.display()))]
    SentencePiece {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ModelError,
    },
    /// A file that is no Hugging Face tokenizer.
    #[error("{} is not a usable tokenizer.json", shown(path.display()))]
    HuggingFace {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A tokenizer without tokens.
    #[error("{} has no vocabulary", shown(path.display()))]
    NoVocabulary {
        /// The file.
        path: PathBuf,
    },
    /// A config beside the tokenizer that is not JSON.
    #[error("{} is not valid JSON", shown(path.display()))]
    TokenizerConfig {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The config beside the tokenizer names a token that it does not have.
    #[error("tokenizer_config.json gives {key} as `{token}`, which is not in the vocabulary", token = shown(token))]
    UnknownSpecial {
        /// `bos_token` or `eos_token`.
        key: &'static str,
        /// As given.
        token: String,
    },
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
    /// The tokenizer fails.
    #[error("the tokenizer fails: {message}")]
    Tokenizer {
        /// In its words.
        message: String,
    },
}

impl From<TextError> for Failure {
    fn from(error: TextError) -> Self {
        let reason = match error {
            TextError::EmptyCaption => FailureReason::EmptyCaption,
            TextError::NoIds | TextError::SpecialInCaption { .. } | TextError::Tokenizer { .. } => {
                FailureReason::TextEncoding
            }
        };
        Self::new(reason, error.to_string())
    }
}
