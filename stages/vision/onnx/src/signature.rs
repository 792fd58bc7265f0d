//! What writer and reader of the graphs agree on: the names of files, inputs and outputs (docs/onnx.md).

use img2tokens_vision::ModelConfig;

/// The shapes of the model.
pub(crate) const CONFIG: &str = "config.json";
/// Pixels to features and log-probabilities.
pub(crate) const ENCODER: &str = "encoder.onnx";
/// Features and a mask to codes.
pub(crate) const TOKENIZER: &str = "tokenizer.onnx";

/// The file that holds a graph's weights, beside it.
pub(crate) fn weights_of(graph: &str) -> String {
    format!("{graph}.data")
}

/// The types of inputs and outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    F32,
    U8,
    I64,
    Bool,
}

/// An input or output. Its first dimension is the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Port {
    pub name: &'static str,
    pub element: Element,
}

/// `[B, S, S, 3]`: RGB, already resized, not normalised.
pub(crate) const PIXELS: Port = port("pixels", Element::U8);
/// `[B, N, D]`: the encoder's output.
pub(crate) const FEATURES: Port = port("features", Element::F32);
/// `[B, N, 2]`: of keeping and of dropping each patch.
pub(crate) const LOG_PROBABILITIES: Port = port("log_probabilities", Element::F32);
/// `[B, N]`: the mask.
pub(crate) const KEPT: Port = port("kept", Element::Bool);
/// `[B, N, D]`: the merger's output. Here and below, what stands at dropped patches means nothing.
pub(crate) const MERGED: Port = port("merged", Element::F32);
/// `[B, N, d]`: projected to the codes' space, not yet of length one.
pub(crate) const Z: Port = port("z", Element::F32);
/// `[B, N]`: the nearest codes.
pub(crate) const CODES: Port = port("codes", Element::I64);

const fn port(name: &'static str, element: Element) -> Port {
    Port { name, element }
}

impl Port {
    /// Its dimensions for one picture, without the batch.
    pub(crate) fn dimensions(&self, config: &ModelConfig) -> Vec<usize> {
        let (side, patches) = (config.image_size, config.patches());
        match *self {
            PIXELS => vec![side, side, 3],
            LOG_PROBABILITIES => vec![patches, 2],
            FEATURES | MERGED => vec![patches, config.width],
            Z => vec![patches, config.code_dim],
            _ => vec![patches],
        }
    }
}
