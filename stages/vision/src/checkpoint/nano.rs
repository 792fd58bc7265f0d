//! `builtin:nano`: a small LaVIT whose weights are generated, for trying the program without a download and for tests.
//!
//! A weight is a random integer converted to float32 exactly and multiplied once, so it is the same bit for bit on
//! every machine. Scales keep activations near one through every layer; the selector's bias is calibrated so that
//! pictures keep about a third of their patches.

use std::collections::HashMap;

use super::TensorDtype;
use super::file::{Bytes, Entry, StoredDtype, WeightFile};
use crate::ModelConfig;
use crate::philox::philox;

/// Changing it, or anything below, changes every id that the model gives.
const SEED: [u32; 2] = [0x6e61_6e6f, 1];

/// What the last layer of the selector adds to "keep": with it, diverse pictures keep a third on average.
const KEEP_BIAS: f32 = 0.02;

/// The shapes of the nano model.
pub(super) const fn config() -> ModelConfig {
    ModelConfig {
        image_size: 224,
        patch_size: 14,
        width: 64,
        heads: 4,
        mlp_ratio: 4.0,
        encoder_depth: 2,
        merger_depth: 2,
        codebook_size: 1024,
        code_dim: 8,
    }
}

/// Blocks of the nano model's decoder.
const DECODER_DEPTH: usize = 2;

/// Where the numbering of the tensors of each file begins: from its number come a tensor's weights.
const TOKENIZER: u32 = 0;
const DECODER: u32 = 1 << 16;
const LANGUAGE_MODEL: u32 = 2 << 16;

/// The tokenizer's weights, as if they were a file.
pub(super) fn generate() -> WeightFile {
    file(TOKENIZER, config().tensors())
}

/// Those of its decoder of features.
pub(super) fn decoder() -> WeightFile {
    file(DECODER, config().decoder_tensors(DECODER_DEPTH))
}

/// Those of another merger, as if it had been retrained.
pub(super) fn language_model_merger() -> WeightFile {
    let mut tensors = config().tensors();
    tensors.retain(|(key, _)| key.starts_with("causal_encoder."));
    file(LANGUAGE_MODEL, tensors)
}

fn file(first: u32, tensors: Vec<(String, Vec<usize>)>) -> WeightFile {
    let mut bytes = Vec::new();
    let mut entries = HashMap::new();
    for (number, (key, shape)) in (first..).zip(tensors) {
        let start = bytes.len();
        let values = fill(number, &key, &shape);
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let dtype = StoredDtype::Float(TensorDtype::F32);
        entries.insert(
            key,
            Entry {
                dtype,
                shape,
                strides: None,
                bytes: start..bytes.len(),
            },
        );
    }
    WeightFile {
        path: "builtin:nano".into(),
        bytes: Bytes::Generated(bytes),
        entries,
    }
}

/// The values of one tensor.
///
/// Positions weigh more than in a trained model, and the selector's view of the whole picture less: so that what is
/// kept varies within every picture, plain ones too, more than from one picture to the next.
fn fill(number: u32, key: &str, shape: &[usize]) -> Vec<f32> {
    let count: usize = shape.iter().product();
    let random = |centre: f32, deviation: f32| uniform(number, count, centre, deviation);
    let inputs: usize = shape.iter().skip(1).product();
    let preserving = 1.0 / (inputs as f32).sqrt();
    match key {
        "encoder.cls_token" | "encoder.pos_embed" => random(0.0, 2.0),
        "pos_embed" | "query_embed" => random(0.0, 1.0),
        "token_predictor.out_conv.0.weight" => quarter_right_half(random(0.0, preserving), inputs),
        "token_predictor.out_conv.4.weight" => random(0.0, 3.0 * preserving),
        "token_predictor.out_conv.4.bias" => vec![KEEP_BIAS, -KEEP_BIAS],
        "quantize.embedding.weight" => unit_rows(random(0.0, 1.0), inputs),
        _ if key.ends_with("bias") => random(0.0, 0.05),
        // The weights of norms.
        _ if shape.len() == 1 => random(1.0, 0.1),
        _ => random(0.0, preserving),
    }
}

/// The right half of every row, a quarter as large.
fn quarter_right_half(mut values: Vec<f32>, width: usize) -> Vec<f32> {
    for row in values.chunks_exact_mut(width) {
        row.iter_mut().skip(width / 2).for_each(|value| *value *= 0.25);
    }
    values
}

/// `count` numbers spread evenly around `centre` with this standard deviation.
fn uniform(number: u32, count: usize, centre: f32, deviation: f32) -> Vec<f32> {
    // Integers of 24 bits, exact in float32, within -2^23..2^23: their standard deviation is 2^24 / sqrt(12).
    let scale = deviation * 12.0_f32.sqrt() / (1 << 24) as f32;
    let value = |bits: u32| centre + ((bits as i32) >> 8) as f32 * scale;
    let blocks = (0..count.div_ceil(4) as u32).flat_map(|block| philox(SEED, [block, number, 0, 0]));
    blocks.take(count).map(value).collect()
}

/// The rows scaled to length one; square root and division are exact to the last bit by IEEE 754.
fn unit_rows(mut values: Vec<f32>, width: usize) -> Vec<f32> {
    for row in values.chunks_exact_mut(width) {
        let norm = row.iter().fold(0.0, |sum, value| sum + value * value).sqrt();
        row.iter_mut().for_each(|value| *value /= norm);
    }
    values
}
