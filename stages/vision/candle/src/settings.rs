//! How a model is run.

use img2tokens_vision::{Dtype, Extras, Merger, Selection};

/// How a model is run.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The type of weights and of the operands of matrix products. Sums and all else are float32.
    pub dtype: Dtype,
    /// How patches are selected.
    pub selection: Selection,
    /// How the token merger is computed.
    pub merger: Merger,
    /// What is computed beside tokens.
    pub extras: Extras,
    /// Threads: pictures computed at once. At least 1.
    pub threads: usize,
}
