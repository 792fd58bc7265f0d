//! From the `[vision]` section to a model on its device.

use std::path::Path;

use img2tokens_vision::{
    Checkpoint, CheckpointError, Extras, FeatureMerger, ModelConfig, ModelSource, Noise, Selection,
    TokenCount, TokenCountError, VisionError, VisualTokenizer,
};
use img2tokens_vision_candle::{CandleTokenizer, Settings};

use crate::config::{BackendChoice, DeviceChoice, Features, Output, SelectionChoice, Vision};

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
        source: Box<CheckpointError>,
    },
    /// Its device.
    #[error("vision.device = \"{0}\": this program has no CUDA backend yet; use cpu or auto")]
    NoCuda(DeviceChoice),
    /// Bounds on tokens that its pictures cannot keep to.
    #[error("vision.min_tokens, vision.max_tokens: {0}")]
    TokenCount(#[from] TokenCountError),
    /// Its tensors, or the device refused them.
    #[error("the model `{name}` cannot be loaded")]
    Load {
        /// As configured.
        name: String,
        /// Why.
        source: Box<VisionError>,
    },
}

/// Opens the checkpoint that `vision.model` names.
///
/// # Errors
/// If it is not there, or not whole.
pub fn open(vision: &Vision) -> Result<Checkpoint, ModelError> {
    open_named(&vision.model, None)
}

/// Opens the checkpoint of this name; `config`, where given, is the `config.json` that counts.
///
/// # Errors
/// If it is not there, or not whole.
pub fn open_named(name: &str, config: Option<&Path>) -> Result<Checkpoint, ModelError> {
    let failed = |source| ModelError::Checkpoint {
        name: name.to_owned(),
        source: Box::new(source),
    };
    let mut source: ModelSource = name.parse().map_err(|error: img2tokens_vision::UnknownBuiltin| {
        ModelError::Name(name.to_owned(), error.to_string())
    })?;
    if let Some(file) = config {
        source = source.with_config_file(file).map_err(failed)?;
    }
    Checkpoint::open(&source).map_err(failed)
}

/// What the output's columns need beside tokens.
#[must_use]
pub const fn extras(output: &Output) -> Extras {
    Extras {
        features: match output.features {
            Features::None => None,
            Features::MergedF16 => Some(FeatureMerger::Tokenizer),
            Features::LanguageModelF16 => Some(FeatureMerger::LanguageModel),
        },
        reconstruction: output.reconstruction,
    }
}

/// Loads a checkpoint onto the configured device.
///
/// # Errors
/// If the device is not to be had or a tensor is missing or misshapen.
pub fn load(
    vision: &Vision,
    extras: Extras,
    checkpoint: &Checkpoint,
) -> Result<Box<dyn VisualTokenizer>, ModelError> {
    let BackendChoice::Candle = vision.backend;
    check(vision, checkpoint.config())?;
    let settings = Settings {
        dtype: vision.dtype,
        selection: selection(vision, checkpoint.config())?,
        merger: vision.merger,
        extras,
        threads: threads(vision),
    };
    let tokenizer = CandleTokenizer::new(checkpoint, settings).map_err(|source| ModelError::Load {
        name: vision.model.clone(),
        source: Box::new(source),
    })?;
    Ok(Box::new(tokenizer))
}

/// Refuses settings that this model or program cannot meet, before anything is loaded.
///
/// # Errors
/// Names the setting.
pub fn check(vision: &Vision, config: &ModelConfig) -> Result<(), ModelError> {
    if let DeviceChoice::Cuda(_) = vision.device {
        return Err(ModelError::NoCuda(vision.device));
    }
    selection(vision, config).map(drop)
}

fn selection(vision: &Vision, config: &ModelConfig) -> Result<Selection, ModelError> {
    Ok(Selection {
        noise: match vision.selection {
            SelectionChoice::Argmax => Noise::None,
            SelectionChoice::Gumbel => Noise::Gumbel { seed: vision.seed },
        },
        count: TokenCount::new(vision.min_tokens, vision.max_tokens, config.patches())?,
    })
}

/// Threads of the CPU backend: as configured, else all cores.
#[must_use]
pub fn threads(vision: &Vision) -> usize {
    vision
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get))
}
