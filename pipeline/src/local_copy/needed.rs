//! Which files of a model's folder a run needs.

use img2tokens_vision::{Extras, FeatureMerger};

use crate::config::BackendChoice;

/// A part of a model: the sets of files that it may consist of. The first set that is whole is taken, which is also the
/// one that is read where several lie side by side.
pub(super) type Part = &'static [&'static [&'static str]];

const ENCODER: &str = "visual_tokenizer/eva_vitg_psz14.bin";
const TOKENIZER: &str = "visual_tokenizer/tokenizer_encoder.bin";

/// Our own form, or that in which LaVIT is published.
const CHECKPOINT: Part = &[
    &["config.json", "model.safetensors"],
    &["config.json", ENCODER, TOKENIZER],
    &[ENCODER, TOKENIZER],
];
const DECODER: Part = &[
    &["decoder.safetensors"],
    &["visual_tokenizer/tokenizer_decoder.bin"],
];
const LANGUAGE_MODEL_MERGER: Part = &[
    &["language_model_merger.safetensors"],
    &["language_model/visual_weight.bin"],
];
const GRAPHS: Part = &[&[
    "config.json",
    "encoder.onnx",
    "encoder.onnx.data",
    "tokenizer.onnx",
    "tokenizer.onnx.data",
]];

/// The parts of a model that this backend reads for these extras.
pub(super) fn model(backend: BackendChoice, extras: Extras) -> Vec<Part> {
    match backend {
        BackendChoice::Onnx => vec![GRAPHS],
        BackendChoice::Candle => {
            let decoder = extras.reconstruction.then_some(DECODER);
            let merger =
                (extras.features == Some(FeatureMerger::LanguageModel)).then_some(LANGUAGE_MODEL_MERGER);
            [CHECKPOINT].into_iter().chain(decoder).chain(merger).collect()
        }
    }
}
