//! From the `[vision]` section to a model on its device.

use img2tokens_vision::{Checkpoint, CheckpointError, ModelSource, Selection, VisionError, VisualTokenizer};
use img2tokens_vision_candle::{CandleTokenizer, Settings};

use crate::config::{BackendChoice, DeviceChoice, SelectionChoice, Vision};

/// A model that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Its name.
    #[error("vision.model = {0:?}: {1}")]
    Name(String, String),
    /// Its files.
    #[error("the model `{name}` cannot be opened")]
    Checkpoint {
        /// As configured.
        name: String,
        /// Why.
        source: CheckpointError,
    },
    /// Its device.
    #[error("vision.device = \"{0}\": this program has no CUDA backend yet; use cpu or auto")]
    NoCuda(DeviceChoice),
    /// Its tensors, or the device refused them.
    #[error("the model `{name}` cannot be loaded")]
    Load {
        /// As configured.
        name: String,
        /// Why.
        source: VisionError,
    },
}

/// Opens the checkpoint that `vision.model` names.
///
/// # Errors
/// If it is not there, or not whole.
pub fn open(vision: &Vision) -> Result<Checkpoint, ModelError> {
    let name = &vision.model;
    let source: ModelSource = name.parse().map_err(|error: img2tokens_vision::UnknownBuiltin| {
        ModelError::Name(name.clone(), error.to_string())
    })?;
    Checkpoint::open(&source).map_err(|source| ModelError::Checkpoint {
        name: name.clone(),
        source,
    })
}

/// Loads a checkpoint onto the configured device.
///
/// # Errors
/// If the device is not to be had or a tensor is missing or misshapen.
pub fn load(vision: &Vision, checkpoint: &Checkpoint) -> Result<Box<dyn VisualTokenizer>, ModelError> {
    let BackendChoice::Candle = vision.backend;
    if let DeviceChoice::Cuda(_) = vision.device {
        return Err(ModelError::NoCuda(vision.device));
    }
    let settings = Settings {
        dtype: vision.dtype,
        selection: match vision.selection {
            SelectionChoice::Argmax => Selection::Argmax,
            SelectionChoice::Gumbel => Selection::Gumbel { seed: vision.seed },
        },
        merger: vision.merger,
        threads: threads(vision),
    };
    let tokenizer = CandleTokenizer::new(checkpoint, settings).map_err(|source| ModelError::Load {
        name: vision.model.clone(),
        source,
    })?;
    Ok(Box::new(tokenizer))
}

/// Threads of the CPU backend: as configured, else all cores.
#[must_use]
pub fn threads(vision: &Vision) -> usize {
    vision
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get))
}
