//! What a user may choose about how a model is run.

use serde::{Deserialize, Serialize};

/// A word that names none of a setting's values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {setting} `{word}` (known: {known})")]
pub struct UnknownSetting {
    setting: &'static str,
    word: String,
    known: &'static str,
}

/// The type of weights and matrix products (spec section 7). Norms, softmax, the selector and the distances to the
/// codebook are computed in float32 under each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// float32: the ids of the published model.
    #[default]
    F32,
    /// bfloat16.
    Bf16,
    /// IEEE half precision.
    F16,
}

impl Dtype {
    /// As it stands in configs and metadata.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }
}

impl std::str::FromStr for Dtype {
    type Err = UnknownSetting;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownSetting {
            setting: "dtype",
            word: word.to_owned(),
            known: "f32, bf16, f16",
        };
        [Self::F32, Self::Bf16, Self::F16]
            .into_iter()
            .find(|dtype| dtype.name() == word)
            .ok_or_else(unknown)
    }
}

/// How the token merger is computed (spec section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Merger {
    /// Every patch, as the published code does.
    #[default]
    Full,
    /// Kept patches only, with the same weights to a rounding error: about a third of the work.
    Packed,
}

impl Merger {
    /// As it stands in configs and metadata.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Packed => "packed",
        }
    }
}

impl std::str::FromStr for Merger {
    type Err = UnknownSetting;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownSetting {
            setting: "merger",
            word: word.to_owned(),
            known: "full, packed",
        };
        [Self::Full, Self::Packed]
            .into_iter()
            .find(|merger| merger.name() == word)
            .ok_or_else(unknown)
    }
}

/// What a tokenizer computes beside tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extras {
    /// The continuous features of kept patches, by which merger.
    pub features: Option<FeatureMerger>,
    /// The cosine of features reconstructed from the codes, by the model's decoder.
    pub reconstruction: bool,
}

/// Whose merged features are given out. Codes always come from the tokenizer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeatureMerger {
    /// The tokenizer's own: what the codes are quantised from.
    Tokenizer,
    /// The one retrained with the language model (`language_model/visual_weight.bin`), a second pass.
    LanguageModel,
}
