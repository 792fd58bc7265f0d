//! From the `[vision]` section to a model on its device.

mod cuda;
mod loaded;
mod onnx;

use std::path::Path;

use img2tokens_schemas::shown;
use img2tokens_vision::{
    Checkpoint, CheckpointError, Extras, FeatureMerger, ModelConfig, ModelSource, Noise, Selection,
    TokenCount, TokenCountError, VisionError,
};
use img2tokens_vision_candle::{CandleTokenizer, Settings};
use img2tokens_vision_cuda::Unavailable;
use img2tokens_vision_onnx::{ExportedModel, ExportedModelError, LibraryError};

use crate::config::{BackendChoice, DeviceChoice, Features, Output, SelectionChoice, Vision};
use cuda::Computes;

pub use loaded::{Devices, Loaded};
pub use onnx::OnnxModel;

/// A model whose files are whole; its weights are not loaded yet.
pub enum Model {
    /// Weights.
    Checkpoint(Checkpoint),
    /// Exported graphs.
    Onnx(OnnxModel),
}

impl Model {
    /// Its shapes.
    #[must_use]
    pub const fn config(&self) -> &ModelConfig {
        match self {
            Self::Checkpoint(checkpoint) => checkpoint.config(),
            Self::Onnx(model) => model.files.config(),
        }
    }

    /// Its identity. Reads all its files once.
    ///
    /// # Errors
    /// If one of them cannot be read.
    pub fn digest(&self) -> Result<String, ModelError> {
        match self {
            Self::Checkpoint(checkpoint) => checkpoint.digest().map_err(unreadable),
            Self::Onnx(model) => model.files.digest().map_err(exported),
        }
    }

    /// The identity of the merger that features come from, where it is not the tokenizer's.
    ///
    /// # Errors
    /// If the model has no such merger, or it cannot be read.
    pub fn feature_merger_digest(&self, extras: Extras) -> Result<Option<String>, ModelError> {
        match self {
            Self::Checkpoint(checkpoint) if extras.features == Some(FeatureMerger::LanguageModel) => {
                let tuned = checkpoint.with_language_model_merger().map_err(unreadable)?;
                tuned.digest().map(Some).map_err(unreadable)
            }
            Self::Checkpoint(_) => Ok(None),
            Self::Onnx(_) => onnx::features(extras).map(|_| None),
        }
    }

    /// The identity of the decoder that reconstruction needs.
    ///
    /// # Errors
    /// If the model has no decoder, or it cannot be read.
    pub fn decoder_digest(&self, extras: Extras) -> Result<Option<String>, ModelError> {
        match self {
            Self::Checkpoint(checkpoint) if extras.reconstruction => {
                let decoder = checkpoint.decoder().map_err(unreadable)?;
                decoder.digest().map(Some).map_err(unreadable)
            }
            Self::Checkpoint(_) => Ok(None),
            Self::Onnx(_) => onnx::features(extras).map(|_| None),
        }
    }
}

/// A model that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Its name.
    #[error("vision.model = {0:?}: {1}")]
    Name(String, String),
    /// Its files.
    #[error("the model `{name}` cannot be opened", name = shown(name))]
    Checkpoint {
        /// As configured.
        name: String,
        /// Why.
        source: Box<CheckpointError>,
    },
    /// Its device.
    #[error("vision.device = \"{device}\": {why}")]
    NoCuda {
        /// As configured.
        device: DeviceChoice,
        /// Why not.
        why: Unavailable,
    },
    /// Bounds on tokens that its pictures cannot keep to.
    #[error("vision.min_tokens, vision.max_tokens: {0}")]
    TokenCount(#[from] TokenCountError),
    /// Its tensors, after it was opened.
    #[error("the model cannot be read")]
    Read(#[source] Box<CheckpointError>),
    /// Graphs where weights are needed.
    #[error(
        "the model `{0}` is exported ONNX graphs, not weights: only the backend onnx runs it (--backend onnx, vision.backend)"
    )]
    Graphs(String),
    /// No graphs where they are needed, or broken ones.
    #[error("the backend onnx")]
    Exported(#[source] Box<ExportedModelError>),
    /// No ONNX Runtime.
    #[error("the backend onnx")]
    OnnxRuntime(#[source] Box<LibraryError>),
    /// A setting that the ONNX backend does not have.
    #[error("the backend onnx: {setting}: {why}")]
    OnnxSetting {
        /// The setting and its value.
        setting: String,
        /// Why not.
        why: &'static str,
    },
    /// Its tensors, or the device refused them.
    #[error("the model `{name}` cannot be loaded", name = shown(name))]
    Load {
        /// As configured.
        name: String,
        /// Why.
        source: Box<VisionError>,
    },
}

/// Opens the model that `vision.model` names, in the form that `vision.backend` runs; `config`, where given, is the
/// `config.json` that counts.
///
/// # Errors
/// If it is not there, not whole, or of another form; or if the backend cannot run it as configured.
pub fn open(vision: &Vision, config: Option<&Path>) -> Result<Model, ModelError> {
    match vision.backend {
        BackendChoice::Candle => open_named(&vision.model, config).map(Model::Checkpoint),
        BackendChoice::Onnx => OnnxModel::open(vision, config).map(Model::Onnx),
    }
}

/// Opens the checkpoint of this name; `config`, where given, is the `config.json` that counts.
///
/// # Errors
/// If it is not there, or not whole.
pub fn open_named(name: &str, config: Option<&Path>) -> Result<Checkpoint, ModelError> {
    let failed = |source| match source {
        CheckpointError::NoModel { path } if ExportedModel::is_at(&path) => {
            ModelError::Graphs(name.to_owned())
        }
        source => ModelError::Checkpoint {
            name: name.to_owned(),
            source: Box::new(source),
        },
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

/// Loads a model onto the configured devices.
///
/// # Errors
/// If a device is not to be had, the backend has no such extras, or a tensor is missing or misshapen.
pub fn load(vision: &Vision, extras: Extras, model: &Model) -> Result<Loaded, ModelError> {
    let loaded = match model {
        Model::Checkpoint(checkpoint) => match cuda::computes(vision.device)? {
            Computes::Cpu => load_candle(vision, extras, checkpoint)?,
            Computes::Cuda(cards) => cuda::load(cards, vision, extras, checkpoint)?,
        },
        Model::Onnx(model) => model.load(vision, extras)?,
    };
    loaded.map_err(|source| ModelError::Load {
        name: vision.model.clone(),
        source: Box::new(source),
    })
}

fn load_candle(
    vision: &Vision,
    extras: Extras,
    checkpoint: &Checkpoint,
) -> Result<Result<Loaded, VisionError>, ModelError> {
    let settings = Settings {
        dtype: vision.dtype,
        selection: selection(vision, checkpoint.config())?,
        merger: vision.merger,
        extras,
        threads: threads(vision),
    };
    let batch_size = vision.batch_size.on_cpu();
    let tokenizer = CandleTokenizer::new(checkpoint, settings);
    Ok(tokenizer.map(|tokenizer| Loaded::one(tokenizer, batch_size, Devices::Cpu)))
}

fn unreadable(error: CheckpointError) -> ModelError {
    ModelError::Read(Box::new(error))
}

fn exported(error: ExportedModelError) -> ModelError {
    ModelError::Exported(Box::new(error))
}

/// Refuses settings that this model or program cannot meet, before anything is loaded.
///
/// # Errors
/// Names the setting.
pub fn check(vision: &Vision, config: &ModelConfig) -> Result<(), ModelError> {
    if vision.backend == BackendChoice::Candle {
        cuda::check(vision.device)?;
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
