//! Which files of a repository a model needs.

/// Our own form: the shapes and all tensors.
const CONVERTED: [&str; 2] = ["config.json", "model.safetensors"];
/// The form in which LaVIT is published.
const LAVIT: [&str; 2] = [
    "visual_tokenizer/eva_vitg_psz14.bin",
    "visual_tokenizer/tokenizer_encoder.bin",
];

/// A part of a model that discrete ids do not need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Codes to features (spec section 8).
    Decoder,
    /// The merger as retrained with the language model, for continuous features.
    LanguageModelMerger,
    /// LLaMA's SentencePiece model, for captions.
    TextTokenizer,
}

impl Part {
    /// Its file in the repository.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Self::Decoder => "visual_tokenizer/tokenizer_decoder.bin",
            Self::LanguageModelMerger => "language_model/visual_weight.bin",
            Self::TextTokenizer => "language_model/tokenizer.model",
        }
    }
}

/// The files of a model with these parts, where `has` says what the repository holds; none if it holds no model. As a
/// directory of both forms is opened, our own comes first.
pub(crate) fn needed(has: impl Fn(&str) -> bool, parts: &[Part]) -> Option<Vec<&'static str>> {
    let form = [CONVERTED, LAVIT]
        .into_iter()
        .find(|form| form.iter().all(|file| has(file)))?;
    Some(
        form.into_iter()
            .chain(parts.iter().map(|part| part.file()))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_form_needs_two_files_and_those_of_the_parts_asked_for() {
        let has = |file: &str| file != "model.safetensors";
        assert_eq!(needed(has, &[]), Some(LAVIT.to_vec()));
        let all = needed(has, &[Part::Decoder, Part::LanguageModelMerger]).unwrap_or_default();
        assert_eq!(
            all[2..],
            [
                "visual_tokenizer/tokenizer_decoder.bin",
                "language_model/visual_weight.bin"
            ]
        );
    }

    #[test]
    fn our_own_form_comes_first_if_it_is_whole() {
        assert_eq!(needed(|_| true, &[]), Some(CONVERTED.to_vec()));
        assert_eq!(
            needed(|file| !LAVIT.contains(&file), &[]),
            Some(CONVERTED.to_vec())
        );
        assert_eq!(needed(|file| file == "config.json", &[]), None);
    }
}
