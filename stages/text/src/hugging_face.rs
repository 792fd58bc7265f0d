//! Hugging Face `tokenizer.json` files, through the crate `tokenizers`.
//!
//! Three things are set here rather than taken from the file: no special tokens are added (the sequence places them),
//! special tokens written out in a caption are ordinary text (a caption is data; `</s>` in it must not end a document),
//! and the file's own truncation and padding are off (the stage's limit is recorded, theirs would not be).

use std::path::Path;

use img2tokens_schemas::read_regular;
use serde_json::Value;
use tokenizers::{ModelWrapper, Tokenizer as HuggingFaceTokenizer};

use crate::stage::MAX_FILE_BYTES;
use crate::tokenizer::{NO_TOKEN, Tokenizer};
use crate::{TextError, TextSetupError};

/// The names that tokenizers give their begin of sequence, where no `tokenizer_config.json` says.
const BOS_NAMES: &[&str] = &["<s>", "<|begin_of_text|>", "<bos>", "<|endoftext|>"];
/// The same for the end of sequence.
const EOS_NAMES: &[&str] = &["</s>", "<|end_of_text|>", "<eos>", "<|endoftext|>"];

/// The longest word that WordPiece cuts, in characters; published models have 100. It tries every stretch of a word, so
/// that a caption of one word would cost the square of its length.
const MAX_WORD_PIECE_CHARS: usize = 1_000;

/// A tokenizer with its special tokens found.
pub(crate) struct HuggingFace {
    tokenizer: HuggingFaceTokenizer,
    vocabulary_size: u32,
    bos: u32,
    eos: u32,
}

impl HuggingFace {
    /// The tokenizer of these bytes of the file at `path`, and of the `tokenizer_config.json` beside it if there is one.
    pub(crate) fn parse(path: &Path, file: &[u8]) -> Result<Self, TextSetupError> {
        let invalid = |source| TextSetupError::HuggingFace {
            path: path.to_owned(),
            source,
        };
        let mut tokenizer = HuggingFaceTokenizer::from_bytes(file).map_err(invalid)?;
        if let ModelWrapper::WordPiece(model) = tokenizer.get_model()
            && model.max_input_chars_per_word > MAX_WORD_PIECE_CHARS
        {
            return Err(invalid(
                format!("max_input_chars_per_word is more than {MAX_WORD_PIECE_CHARS}").into(),
            ));
        }
        tokenizer.with_truncation(None).map_err(invalid)?;
        tokenizer.with_padding(None);
        tokenizer.set_encode_special_tokens(true);
        let greatest = tokenizer.get_vocab(true).into_values().max();
        let vocabulary_size =
            greatest
                .and_then(|id| id.checked_add(1))
                .ok_or_else(|| TextSetupError::NoVocabulary {
                    path: path.to_owned(),
                })?;
        let config = SpecialTokens::beside(path)?;
        let bos = config.find(&tokenizer, "bos_token", BOS_NAMES)?;
        let eos = config.find(&tokenizer, "eos_token", EOS_NAMES)?;
        Ok(Self {
            tokenizer,
            vocabulary_size,
            bos,
            eos,
        })
    }

    /// The id of a token, added ones included.
    pub(crate) fn id(&self, token: &str) -> Option<u32> {
        self.tokenizer.token_to_id(token)
    }
}

impl Tokenizer for HuggingFace {
    fn ids(&self, text: &str) -> Result<Vec<u32>, TextError> {
        let encoding = self
            .tokenizer
            .encode_fast(text, false)
            .map_err(|error| TextError::Tokenizer {
                message: error.to_string(),
            })?;
        Ok(encoding.get_ids().to_vec())
    }

    fn decode(&self, ids: &[u32]) -> String {
        self.tokenizer
            .decode(ids, true)
            .unwrap_or_else(|error| format!("<{error}>"))
    }

    fn vocabulary_size(&self) -> u32 {
        self.vocabulary_size
    }

    fn bos(&self) -> u32 {
        self.bos
    }

    fn eos(&self) -> u32 {
        self.eos
    }
}

/// What `tokenizer_config.json` says of special tokens; nothing if it is not there.
struct SpecialTokens {
    config: Value,
}

impl SpecialTokens {
    fn beside(path: &Path) -> Result<Self, TextSetupError> {
        let path = path.with_file_name("tokenizer_config.json");
        let config = match read_regular(&path, MAX_FILE_BYTES) {
            Ok(file) => serde_json::from_slice(&file).map_err(|source| TextSetupError::TokenizerConfig {
                path: path.clone(),
                source,
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Value::Null,
            Err(source) => return Err(TextSetupError::Read { path, source }),
        };
        Ok(Self { config })
    }

    /// The id of the token that the config gives under `key`, a string or an object with `content`; none if it says
    /// null. Where it says nothing, that of the first usual name that the vocabulary has.
    fn find(
        &self,
        tokenizer: &HuggingFaceTokenizer,
        key: &'static str,
        usual: &[&str],
    ) -> Result<u32, TextSetupError> {
        let Some(stated) = self.config.get(key) else {
            let found = usual.iter().find_map(|name| tokenizer.token_to_id(name));
            return Ok(found.unwrap_or(NO_TOKEN));
        };
        match stated.get("content").unwrap_or(stated).as_str() {
            None => Ok(NO_TOKEN),
            Some(token) => tokenizer
                .token_to_id(token)
                .ok_or_else(|| TextSetupError::UnknownSpecial {
                    key,
                    token: token.to_owned(),
                }),
        }
    }
}
