//! The dynamic visual tokenizer as ONNX graphs: written from a checkpoint, run by ONNX Runtime.
//!
//! `export` turns a [`Checkpoint`](img2tokens_vision::Checkpoint) into two graphs: `encoder.onnx`, pixels to features
//! and log-probabilities, and `tokenizer.onnx`, features and a mask to codes. `run` is the backend over them. Between
//! the graphs, in Rust, stands the selection that all backends share. docs/onnx.md describes the files.

mod export;
mod run;
mod signature;

pub use export::export;
pub use run::{ExportedModel, ExportedModelError, LibraryError, OnnxTokenizer, Provider, Runtime, Settings};
