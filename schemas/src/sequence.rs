//! The vocabulary's layout and the sequences over it (docs/spec/sequences.md).

use serde::{Deserialize, Serialize};

/// Which half of a pair stands on the left, or that it is no pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// `[IMG] v1 .. vT [/IMG] t1 .. tn EOS`
    ImageText,
    /// `t1 .. tn [IMG] v1 .. vT [/IMG] EOS`
    TextImage,
    /// `t1 .. tn EOS`, a text alone
    Text,
    /// Texts and images in the order of a document, each image `[IMG] v1 .. vT [/IMG]`, then EOS
    Document,
}

impl Order {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ImageText, Self::TextImage, Self::Text, Self::Document];

    /// As it stands in the `order` column.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ImageText => "image_text",
            Self::TextImage => "text_image",
            Self::Text => "text",
            Self::Document => "document",
        }
    }
}

impl std::fmt::Display for Order {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The layout of ids: V text ids, then `[IMG]`, `[/IMG]` and the K visual codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vocabulary {
    /// V, the number of text ids; they are `0..V`.
    pub text_size: u32,
    /// K, the number of codes.
    pub codebook_size: u32,
    /// The text tokenizer's beginning-of-sequence id.
    pub bos: u32,
    /// The text tokenizer's end-of-sequence id.
    pub eos: u32,
}

impl Vocabulary {
    /// The id of `[IMG]`: V.
    #[must_use]
    pub const fn image_start(&self) -> u32 {
        self.text_size
    }

    /// The id of `[/IMG]`: V + 1.
    #[must_use]
    pub const fn image_end(&self) -> u32 {
        self.text_size + 1
    }

    /// The id of code 0: V + 2; code c is that plus c.
    #[must_use]
    pub const fn first_code(&self) -> u32 {
        self.text_size + 2
    }

    /// The number of all ids: V + 2 + K.
    #[must_use]
    pub const fn size(&self) -> u32 {
        self.text_size + 2 + self.codebook_size
    }
}

/// One training sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequence {
    /// Which half stands on the left.
    pub order: Order,
    /// All ids, specials included.
    pub input_ids: Vec<u32>,
    /// The index in `input_ids` of the first visual code (right after `[IMG]`); 0 in a text alone, and
    /// in a document, whose images are told by its parts.
    pub image_start: u32,
    /// The number of visual codes; 0 likewise.
    pub image_len: u32,
    /// Whether the text was left out, so that a model learns to do without.
    pub text_dropped: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_over_llama_is_that_of_lavit() {
        let lavit = Vocabulary {
            text_size: 32_000,
            codebook_size: 16_384,
            bos: 1,
            eos: 2,
        };
        assert_eq!(lavit.image_start(), 32_000);
        assert_eq!(lavit.image_end(), 32_001);
        assert_eq!(lavit.first_code(), 32_002);
        assert_eq!(lavit.first_code() + 16_383, 48_385);
        assert_eq!(lavit.size(), 48_386);
    }
}
