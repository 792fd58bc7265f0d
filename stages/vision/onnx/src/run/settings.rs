//! How graphs are run.

use img2tokens_vision::Selection;

/// How graphs are run. Numbers are float32 throughout, and the merger computes every patch.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How patches are selected.
    pub selection: Selection,
    /// Whether the merged features of kept patches are given out.
    pub features: bool,
    /// Threads of one operator on the CPU. At least 1.
    pub threads: usize,
    /// What computes.
    pub provider: Provider,
}

/// ONNX Runtime's word for what computes: an execution provider. One that is not to be had is an error; it is never
/// replaced by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// The CPU.
    Cpu,
    /// CUDA; needs a library that was built with it.
    Cuda {
        /// The device's number.
        device: u32,
    },
    /// TensorRT, and CUDA for what it does not take.
    TensorRt {
        /// The device's number.
        device: u32,
    },
}

/// As reports name it: `cpu`, `cuda:0`, `tensorrt:0`.
impl std::fmt::Display for Provider {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => formatter.write_str("cpu"),
            Self::Cuda { device } => write!(formatter, "cuda:{device}"),
            Self::TensorRt { device } => write!(formatter, "tensorrt:{device}"),
        }
    }
}
