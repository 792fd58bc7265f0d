//! The built-in tokenizer: a text's UTF-8 bytes.

use crate::TextError;
use crate::tokenizer::Tokenizer;

const BOS: u32 = 1;
const EOS: u32 = 2;
const FIRST_BYTE: u32 = 3;

/// Ids as LLaMA's tokenizer has them for its specials and its byte fallback: 0 unknown, 1 BOS, 2 EOS, byte b at 3 + b.
/// So V is 259, and what is tokenized by it is also text over LLaMA's vocabulary.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bytes;

impl Tokenizer for Bytes {
    fn ids(&self, text: &str) -> Result<Vec<u32>, TextError> {
        Ok(text.bytes().map(|byte| FIRST_BYTE + u32::from(byte)).collect())
    }

    fn decode(&self, ids: &[u32]) -> String {
        let bytes: Vec<u8> = ids
            .iter()
            .filter_map(|id| u8::try_from(id.checked_sub(FIRST_BYTE)?).ok())
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn vocabulary_size(&self) -> u32 {
        FIRST_BYTE + 256
    }

    fn bos(&self) -> u32 {
        BOS
    }

    fn eos(&self) -> u32 {
        EOS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_llamas_byte_fallback() {
        // In LLaMA's vocabulary <0x00> is 3, <0x0A> is 13 and <0xFF> is 258.
        assert_eq!(Bytes.ids("\n").unwrap(), [13]);
        assert_eq!(Bytes.ids("é").unwrap(), [3 + 0xc3, 3 + 0xa9]);
        assert_eq!(Bytes.vocabulary_size(), 259);
        assert_eq!(Bytes.decode(&[1, 3 + 0xc3, 3 + 0xa9, 2]), "é");
    }
}
