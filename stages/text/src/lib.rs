//! Captions to text ids.
//!
//! [`TextStage`] cleans a caption up as its [`TextConfig`] says, tokenizes it and cuts it to its limit. Ids are without
//! BOS and EOS: where those go is the sequence's business.
//!
//! Tokenizers:
//! - `builtin:bytes`: UTF-8 bytes, V = 259; 0 unknown, 1 BOS, 2 EOS, byte b at 3 + b, the ids that LLaMA's vocabulary
//!   has for them too. It needs no file.

mod bytes;
mod config;
mod error;
mod stage;
mod tokenizer;

pub use config::{Cleanup, TextConfig};
pub use error::{TextError, TextSetupError};
pub use stage::{Encoded, TextStage};
pub use tokenizer::NO_TOKEN;

/// The name of the built-in tokenizer.
pub const BUILTIN_BYTES: &str = "builtin:bytes";
