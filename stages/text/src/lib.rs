//! Captions to text ids.
//!
//! [`TextStage`] cleans a caption up as its [`TextConfig`] says, tokenizes it and cuts it to its limit. Ids are without
//! BOS and EOS: where those go is the sequence's business.
//!
//! Tokenizers:
//! - `builtin:bytes`: UTF-8 bytes, V = 259; 0 unknown, 1 BOS, 2 EOS, byte b at 3 + b, the ids that LLaMA's vocabulary
//!   has for them too. It needs no file.
//! - `*.json`: a Hugging Face `tokenizer.json`; BOS and EOS from the `tokenizer_config.json` beside it, or by their
//!   usual names.
//! - `*.model`: a SentencePiece `tokenizer.model`, BPE or unigram, as LLaMA ships it; ids equal to the library's.
//!
//! [`ExtendedTokenizer`] is a `tokenizer.json` with the ids of pictures added, for the model that trains on both.
//!
//! A tokenizer without BOS or EOS has [`NO_TOKEN`] for it, an id past every vocabulary, so that asking for the token
//! fails where it is asked for and is no matter otherwise.

mod bytes;
mod cleanup;
mod config;
mod error;
mod extended;
mod hugging_face;
mod sentence_piece;
mod stage;
mod tokenizer;

pub use config::{Cleanup, TextConfig};
pub use error::{TextError, TextSetupError};
pub use extended::{ExtendedTokenizer, ExtensionError};
pub use sentence_piece::ModelError;
pub use stage::{Encoded, TextStage};
pub use tokenizer::NO_TOKEN;

/// The name of the built-in tokenizer.
pub const BUILTIN_BYTES: &str = "builtin:bytes";
