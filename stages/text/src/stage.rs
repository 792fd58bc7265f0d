//! Captions to text ids.

use std::ffi::OsStr;
use std::path::Path;

use img2tokens_schemas::read_regular;
use sha2::{Digest, Sha256};

use crate::bytes::Bytes;
use crate::hugging_face::HuggingFace;
use crate::sentence_piece::SentencePiece;
use crate::tokenizer::Tokenizer;
use crate::{BUILTIN_BYTES, TextConfig, TextError, TextSetupError};

/// The longest file of a tokenizer: the largest published ones have 35 MB.
pub(crate) const MAX_FILE_BYTES: u64 = 128 << 20;

/// The text stage: clean-up, then a tokenizer, then the limit. Shared by reference between threads.
pub struct TextStage {
    config: TextConfig,
    tokenizer: Box<dyn Tokenizer>,
    digest: String,
}

/// What became of a caption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Its ids, at least one and at most `max_tokens`, without BOS and EOS.
    pub ids: Vec<u32>,
    /// Whether ids past `max_tokens` were cut off.
    pub truncated: bool,
    /// The caption after clean-up, whole.
    pub caption: String,
}

impl TextStage {
    /// Reads the tokenizer that the config names.
    ///
    /// # Errors
    /// If it cannot be read, or is no tokenizer.
    pub fn open(config: &TextConfig) -> Result<Self, TextSetupError> {
        if config.max_tokens == 0 {
            return Err(TextSetupError::ZeroMaxTokens);
        }
        let (tokenizer, digest) = open_tokenizer(&config.tokenizer)?;
        Ok(Self {
            config: config.clone(),
            tokenizer,
            digest,
        })
    }

    /// The ids of a caption.
    ///
    /// # Errors
    /// If the caption is empty after clean-up, or the tokenizer makes nothing of it.
    pub fn encode(&self, caption: &str) -> Result<Encoded, TextError> {
        let caption = self.config.cleanup.apply(caption);
        if caption.trim().is_empty() {
            return Err(TextError::EmptyCaption);
        }
        let mut ids = self.tokenize(&caption)?;
        if ids.is_empty() {
            return Err(TextError::NoIds);
        }
        if let Some(id) = ids.iter().find(|id| **id == self.bos() || **id == self.eos()) {
            return Err(TextError::SpecialInCaption { id: *id });
        }
        let truncated = ids.len() > self.config.max_tokens;
        ids.truncate(self.config.max_tokens);
        Ok(Encoded {
            ids,
            truncated,
            caption,
        })
    }

    /// The ids of any text, as the tokenizer gives them: no clean-up, no limit, nothing refused for being empty.
    ///
    /// # Errors
    /// If the tokenizer fails.
    pub fn tokenize(&self, text: &str) -> Result<Vec<u32>, TextError> {
        self.tokenizer.ids(text)
    }

    /// The text of ids, for a person to read; ids that are no text ids are left out.
    #[must_use]
    pub fn decode(&self, ids: &[u32]) -> String {
        self.tokenizer.decode(ids)
    }

    /// V, the number of text ids: one more than the greatest, added tokens included.
    #[must_use]
    pub fn vocabulary_size(&self) -> u32 {
        self.tokenizer.vocabulary_size()
    }

    /// The begin-of-sequence id, or [`crate::NO_TOKEN`].
    #[must_use]
    pub fn bos(&self) -> u32 {
        self.tokenizer.bos()
    }

    /// The end-of-sequence id, or [`crate::NO_TOKEN`].
    #[must_use]
    pub fn eos(&self) -> u32 {
        self.tokenizer.eos()
    }

    /// What tells this tokenizer from every other: its name if built in, else the SHA-256 of its file (`sha256:` and hex).
    #[must_use]
    pub fn digest(&self) -> String {
        self.digest.clone()
    }
}

impl std::fmt::Debug for TextStage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("TextStage")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// The tokenizer of this name, and what tells it from every other.
fn open_tokenizer(tokenizer: &str) -> Result<(Box<dyn Tokenizer>, String), TextSetupError> {
    if tokenizer == BUILTIN_BYTES {
        return Ok((Box::new(Bytes), BUILTIN_BYTES.to_owned()));
    }
    let path = Path::new(tokenizer);
    let extension = path.extension().and_then(OsStr::to_str);
    if !matches!(extension, Some("json" | "model")) {
        return Err(TextSetupError::UnknownTokenizer {
            tokenizer: tokenizer.to_owned(),
        });
    }
    let file = read_regular(path, MAX_FILE_BYTES).map_err(|source| TextSetupError::Read {
        path: path.to_owned(),
        source,
    })?;
    let opened: Box<dyn Tokenizer> = if extension == Some("json") {
        Box::new(HuggingFace::parse(path, &file)?)
    } else {
        let parsed = SentencePiece::parse(&file);
        Box::new(parsed.map_err(|source| TextSetupError::SentencePiece {
            path: path.to_owned(),
            source,
        })?)
    };
    Ok((opened, digest(&file)))
}

fn digest(file: &[u8]) -> String {
    let hex: String = Sha256::digest(file)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}
