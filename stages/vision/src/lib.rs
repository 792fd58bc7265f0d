//! Pixels to discrete visual ids: the seam every backend implements.
//!
//! A [`VisualTokenizer`] takes a [`PixelBatch`] and gives, for each picture, a mask of the patches it kept and a code
//! for each of them (docs/spec/tokenizer.md). What backends share stands here, free of heavy dependencies: the model's
//! [`ModelConfig`], its [`Checkpoint`] (published PyTorch files, safetensors, or generated weights), normalisation,
//! the [`Selection`] of patches with its noise, and, behind the feature `conformance`, the suite that every backend
//! runs.

pub mod checkpoint;
mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
pub mod normalise;
mod philox;
mod selection;
mod settings;
mod tokenizer;
mod work;

pub use checkpoint::{
    Checkpoint, CheckpointError, DecoderCheckpoint, ModelSource, Prefixed, SaveError, Tensor, TensorDtype,
    Tensors, UnknownBuiltin,
};
pub use config::{ConfigError, ModelConfig};
pub use error::{NotFinite, VisionError, of_picture};
pub use selection::{Noise, Selection, TokenCount, TokenCountError};
pub use settings::{Dtype, Extras, FeatureMerger, Merger, UnknownSetting};
pub use tokenizer::{BatchError, PartSeconds, Picture, PixelBatch, TokenizedPicture, VisualTokenizer};
