//! The seam between the stage and the tokenizers.

use crate::TextError;

/// The id that stands for a special token that a tokenizer does not have: past every vocabulary.
pub const NO_TOKEN: u32 = u32::MAX;

/// Text to ids and back.
pub(crate) trait Tokenizer: Send + Sync {
    /// The ids of a text, without BOS and EOS; none for the empty text.
    fn ids(&self, text: &str) -> Result<Vec<u32>, TextError>;

    /// The text of ids, for a person to read.
    fn decode(&self, ids: &[u32]) -> String;

    /// V: one more than the greatest id.
    fn vocabulary_size(&self) -> u32;

    /// The begin-of-sequence id, or [`NO_TOKEN`].
    fn bos(&self) -> u32;

    /// The end-of-sequence id, or [`NO_TOKEN`].
    fn eos(&self) -> u32;
}
