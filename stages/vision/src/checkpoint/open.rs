//! A checkpoint: its config, and every tensor of the model behind one name each.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use img2tokens_schemas::read_regular;

use super::file::WeightFile;
use super::{CheckpointError, ModelSource, Tensor, Tensors, nano, safetensors, torch};
use crate::ModelConfig;

pub(super) const CONFIG: &str = "config.json";
/// A config is nine numbers.
const MAX_CONFIG: u64 = 1 << 20;
pub(super) const SAFETENSORS: &str = "model.safetensors";
const LAVIT_ENCODER: &str = "visual_tokenizer/eva_vitg_psz14.bin";
const LAVIT_TOKENIZER: &str = "visual_tokenizer/tokenizer_encoder.bin";

/// What keys of the encoder start with, except in LaVIT's own file of it.
const ENCODER: &str = "encoder.";

/// The weights of one model, all of them present and of the right shape.
pub struct Checkpoint {
    pub(super) config: ModelConfig,
    /// None of a model that is generated.
    pub(super) directory: Option<PathBuf>,
    pub(super) files: Files,
}

pub(super) enum Files {
    One(WeightFile),
    /// The tokenizer's files but for what the language model's merger holds.
    Tuned {
        merger: WeightFile,
        base: Box<Self>,
    },
    Lavit {
        encoder: WeightFile,
        tokenizer: WeightFile,
    },
}

impl Files {
    /// The file that holds a tensor, and the tensor's key in it.
    fn place<'k>(&self, key: &'k str) -> (&WeightFile, &'k str) {
        match self {
            Self::One(file) => (file, key),
            Self::Tuned { merger, base } => {
                if merger.entries.contains_key(key) {
                    (merger, key)
                } else {
                    base.place(key)
                }
            }
            Self::Lavit { encoder, tokenizer } => match key.strip_prefix(ENCODER) {
                Some(key) => (encoder, key),
                None => (tokenizer, key),
            },
        }
    }

    fn all(&self) -> Vec<&WeightFile> {
        match self {
            Self::One(file) => vec![file],
            Self::Tuned { merger, base } => [vec![merger], base.all()].concat(),
            Self::Lavit { encoder, tokenizer } => vec![encoder, tokenizer],
        }
    }
}

impl Checkpoint {
    /// Opens a model and checks that it is whole.
    ///
    /// # Errors
    /// If a file is unreadable or not of its format, or a tensor is missing, truncated, or of another shape or type
    /// than the model needs: file and key are named.
    pub fn open(source: &ModelSource) -> Result<Self, CheckpointError> {
        let checkpoint = match source {
            ModelSource::Nano => Self::nano(),
            ModelSource::Directory { path, config } => Self::open_directory(path, config.as_ref())?,
        };
        checkpoint.check()?;
        Ok(checkpoint)
    }

    /// Refuses a model that is not whole.
    pub(super) fn check(&self) -> Result<(), CheckpointError> {
        for (key, shape) in self.config.tensors() {
            self.tensor(&key, &shape)?;
        }
        Ok(())
    }

    pub(super) fn nano() -> Self {
        Self {
            config: nano::config(),
            directory: None,
            files: Files::One(nano::generate()),
        }
    }

    pub(super) fn open_directory(path: &Path, given: Option<&ModelConfig>) -> Result<Self, CheckpointError> {
        let config = match given {
            Some(config) => Some(config.clone()),
            None => match read_config(&path.join(CONFIG)) {
                Err(CheckpointError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => None,
                read => Some(read?),
            },
        };
        let (weights, encoder) = (path.join(SAFETENSORS), path.join(LAVIT_ENCODER));
        let (config, files) = if weights.exists() {
            let config = config.ok_or_else(|| CheckpointError::NoConfig {
                path: path.to_owned(),
            })?;
            (config, Files::One(safetensors::open(&weights)?))
        } else if encoder.exists() {
            let (encoder, tokenizer) = (torch::open(&encoder)?, torch::open(&path.join(LAVIT_TOKENIZER))?);
            (
                config.unwrap_or_else(ModelConfig::lavit),
                Files::Lavit { encoder, tokenizer },
            )
        } else {
            return Err(CheckpointError::NoModel {
                path: path.to_owned(),
            });
        };
        config.validate().map_err(|source| CheckpointError::Config {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            config,
            directory: Some(path.to_owned()),
            files,
        })
    }

    /// The model's shapes.
    #[must_use]
    pub const fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The files of weights; none of a model that is generated.
    #[must_use]
    pub fn files(&self) -> Vec<&Path> {
        let mapped = self.files.all().into_iter().filter(|file| file.bytes.is_mapped());
        mapped.map(|file| &*file.path).collect()
    }

    /// The model's identity, a BLAKE3 hash in hexadecimal: of its config, and of every tensor the model reads (key,
    /// type, shape, numbers). The same weights have the same digest as PyTorch files and as safetensors.
    ///
    /// Reads all weights once.
    ///
    /// # Errors
    /// As [`Checkpoint::tensor`]'s: none on a checkpoint that was opened.
    pub fn digest(&self) -> Result<String, CheckpointError> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(format!("{:?}", self.config).as_bytes());
        hash_tensors(&mut hasher, self, &self.config.tensors())?;
        Ok(hasher.finalize().to_hex().to_string())
    }
}

impl Tensors for Checkpoint {
    /// The tensor of a key of [`ModelConfig::tensors`].
    fn tensor(&self, key: &str, shape: &[usize]) -> Result<Tensor<'_>, CheckpointError> {
        let (file, key) = self.files.place(key);
        file.tensor(key, shape)
    }

    fn release(&self, key: &str) {
        let (file, key) = self.files.place(key);
        file.release(key);
    }
}

/// Adds every tensor of a list: key, type, shape, numbers.
pub(super) fn hash_tensors(
    hasher: &mut blake3::Hasher,
    tensors: &impl Tensors,
    list: &[(String, Vec<usize>)],
) -> Result<(), CheckpointError> {
    for (key, shape) in list {
        let tensor = tensors.tensor(key, shape)?;
        hasher.update(format!("\n{key} {} {shape:?}\n", tensor.dtype().name()).as_bytes());
        hasher.update(tensor.bytes());
        tensors.release(key);
    }
    Ok(())
}

impl ModelConfig {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// If the file cannot be read, or its numbers are no model.
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        let config = read_config(path)?;
        config.validate().map_err(|source| CheckpointError::Config {
            path: path.to_owned(),
            source,
        })?;
        Ok(config)
    }
}

/// The config in this file, as it stands.
fn read_config(path: &Path) -> Result<ModelConfig, CheckpointError> {
    let json = read_regular(path, MAX_CONFIG).map_err(|source| CheckpointError::Read {
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_slice(&json).map_err(|source| CheckpointError::ConfigSyntax {
        path: path.to_owned(),
        source,
    })
}
