//! What can be wrong with a checkpoint.

use std::path::PathBuf;

use img2tokens_schemas::shown;

use super::{ArchiveError, TensorDtype};
use crate::ConfigError;

/// What is wrong with a checkpoint: the file, and the tensor's key where it is one tensor's fault.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// A file cannot be opened, read or mapped.
    #[error("{}", shown(path.display()))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The directory holds no model in a form we know.
    #[error("{}: neither model.safetensors nor visual_tokenizer/{{eva_vitg_psz14,tokenizer_encoder}}.bin", shown(path.display()))]
    NoModel {
        /// The directory.
        path: PathBuf,
    },
    /// The model lacks a part that a setting needs.
    #[error("{model} has no {part}: neither {} nor {}", files[0], files[1], model = shown(model))]
    NoPart {
        /// The model.
        model: String,
        /// The part.
        part: &'static str,
        /// Where it would lie in the directory, as published and as safetensors.
        files: [&'static str; 2],
    },
    /// There are weights without the shapes they have.
    #[error("{}: model.safetensors needs a config.json beside it", shown(path.display()))]
    NoConfig {
        /// The directory.
        path: PathBuf,
    },
    /// `config.json` is not JSON, or not of a model.
    #[error("{}", shown(path.display()))]
    ConfigSyntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// A config is given for a model that is generated.
    #[error("{}: the shapes of {model} are fixed, it takes no other config", shown(path.display()), model = shown(model))]
    FixedConfig {
        /// The file of the config.
        path: PathBuf,
        /// The model.
        model: String,
    },
    /// The config's numbers are no model.
    #[error("the config of {}", shown(path.display()))]
    Config {
        /// The file or directory.
        path: PathBuf,
        /// The field at fault.
        source: ConfigError,
    },
    /// Not a safetensors file.
    #[error("{}: not a safetensors file: {reason}", shown(path.display()), reason = shown(reason))]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Not a PyTorch file.
    #[error("{}: not a PyTorch file of weights", shown(path.display()))]
    Torch {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ArchiveError,
    },
    /// The file lacks a tensor that the model needs.
    #[error("{}: tensor `{key}` {expected:?} is missing", shown(path.display()), key = shown(key))]
    Missing {
        /// The file.
        path: PathBuf,
        /// The tensor's key in that file.
        key: String,
        /// The shape it should have.
        expected: Vec<usize>,
    },
    /// A tensor has another shape than the config says.
    #[error("{}: tensor `{key}` has shape {found:?}, expected {expected:?}", shown(path.display()), key = shown(key))]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor's key in that file.
        key: String,
        /// The shape it should have.
        expected: Vec<usize>,
        /// The shape it has.
        found: Vec<usize>,
    },
    /// A tensor's numbers are no floats that we read.
    #[error("{}: tensor `{key}` holds {found}, expected one of {:?}", shown(path.display()), TensorDtype::ALL, key = shown(key))]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The tensor's key in that file.
        key: String,
        /// What it holds.
        found: String,
    },
    /// A tensor's bytes are not all there.
    #[error("{}: tensor `{key}` {shape:?} needs {needed} bytes, {found} are there", shown(path.display()), key = shown(key))]
    Truncated {
        /// The file.
        path: PathBuf,
        /// The tensor's key in that file.
        key: String,
        /// Its shape.
        shape: Vec<usize>,
        /// The bytes it should have.
        needed: usize,
        /// The bytes it has.
        found: usize,
    },
    /// A tensor's numbers do not lie in row-major order.
    #[error("{}: tensor `{key}` {shape:?} is not contiguous (strides {strides:?})", shown(path.display()), key = shown(key))]
    Strided {
        /// The file.
        path: PathBuf,
        /// The tensor's key in that file.
        key: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Its strides, in elements.
        strides: Vec<usize>,
    },
}
