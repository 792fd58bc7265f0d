//! How a model is run on a device.

use img2tokens_vision::{Dtype, Extras, Merger, Selection};

/// How a model is run on a device.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The type of weights and of the operands of products; sums, norms, softmax, the selector and the distances to
    /// codes are float32.
    pub dtype: Dtype,
    /// How patches are selected.
    pub selection: Selection,
    /// How the token merger is computed.
    pub merger: Merger,
    /// What is computed beside tokens.
    pub extras: Extras,
    /// Pictures of a step.
    pub batch: Batch,
    /// Tokenizers to make, which take turns: while one waits for its pictures or reads its results, another computes.
    pub workers: usize,
}

/// How many pictures a step takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batch {
    /// So many; that the device lacks memory for them is an error.
    Exactly(usize),
    /// So many, or half as often as it takes for the device's memory.
    AtMost(usize),
}
