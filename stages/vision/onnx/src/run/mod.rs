//! The backend over exported graphs: finding ONNX Runtime, opening a directory, running pictures through it.

mod exported;
mod graph;
mod library;
mod places;
mod settings;
mod tokenizer;

pub use exported::{ExportedModel, ExportedModelError};
pub use library::{LibraryError, Runtime};
pub use settings::{Provider, Settings};
pub use tokenizer::OnnxTokenizer;
