//! A model on its devices.

use img2tokens_vision::VisualTokenizer;
use img2tokens_vision_cuda::Card;
use img2tokens_vision_onnx::Provider;

/// A model on its devices.
pub struct Loaded {
    first: Box<dyn VisualTokenizer>,
    others: Vec<Box<dyn VisualTokenizer>>,
    /// Pictures of a batch: as configured, or as found.
    pub batch_size: usize,
    /// What computes.
    pub devices: Devices,
}

/// What computes.
pub enum Devices {
    /// The CPU backend.
    Cpu,
    /// ONNX Runtime's.
    Onnx(Provider),
    /// CUDA devices, the first of which is asked where one is enough.
    Cuda {
        /// The first.
        first: Card,
        /// Their numbers.
        numbers: Vec<usize>,
    },
}

impl std::fmt::Display for Devices {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => formatter.write_str("cpu"),
            Self::Onnx(provider) => provider.fmt(formatter),
            Self::Cuda { numbers, .. } => {
                let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
                write!(formatter, "cuda:{}", numbers.join(","))
            }
        }
    }
}

impl Loaded {
    /// A model on one device, or a stand-in for one.
    #[must_use]
    pub fn one(tokenizer: impl VisualTokenizer + 'static, batch_size: usize, devices: Devices) -> Self {
        Self {
            first: Box::new(tokenizer),
            others: Vec::new(),
            batch_size,
            devices,
        }
    }

    /// Several tokenizers; none if there is none.
    #[must_use]
    pub fn several(
        mut tokenizers: Vec<Box<dyn VisualTokenizer>>,
        batch_size: usize,
        devices: Devices,
    ) -> Option<Self> {
        Some(Self {
            first: tokenizers.pop()?,
            others: tokenizers,
            batch_size,
            devices,
        })
    }

    /// The tokenizer where there is no more to do than one batch after another.
    pub fn first(&mut self) -> &mut dyn VisualTokenizer {
        &mut *self.first
    }

    /// All of them, to share the batches of a run.
    #[must_use]
    pub fn into_tokenizers(self) -> Vec<Box<dyn VisualTokenizer>> {
        let mut all = self.others;
        all.push(self.first);
        all
    }
}
