//! A directory that [`export`](crate::export) wrote.

use std::fs::File;
use std::path::{Path, PathBuf};

use img2tokens_schemas::open_regular;
use img2tokens_vision::{CheckpointError, ModelConfig};

use crate::signature::{CONFIG, ENCODER, TOKENIZER, weights_of};

/// A directory that [`export`](crate::export) wrote.
#[derive(Debug, Clone)]
pub struct ExportedModel {
    directory: PathBuf,
    config: ModelConfig,
}

/// A directory that holds no exported model, or a broken one.
#[derive(Debug, thiserror::Error)]
pub enum ExportedModelError {
    /// There are no graphs.
    #[error(
        "{}: no {ENCODER}; `img2tokens model export-onnx MODEL DEST` writes graphs from a model's weights",
        path.display()
    )]
    NoGraphs {
        /// The directory.
        path: PathBuf,
    },
    /// The shapes are unknown.
    #[error(transparent)]
    Config(#[from] CheckpointError),
    /// A file is missing or cannot be read.
    #[error("{}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

impl ExportedModel {
    /// Whether a directory looks like one that was exported.
    #[must_use]
    pub fn is_at(directory: &Path) -> bool {
        directory.join(ENCODER).exists()
    }

    /// Opens a directory: all its files are there, its config is a model's.
    ///
    /// # Errors
    /// If it holds no graphs, or a file of them is missing.
    pub fn open(directory: &Path) -> Result<Self, ExportedModelError> {
        if !Self::is_at(directory) {
            return Err(ExportedModelError::NoGraphs {
                path: directory.to_owned(),
            });
        }
        let model = Self {
            directory: directory.to_owned(),
            config: ModelConfig::read(&directory.join(CONFIG))?,
        };
        for file in model.files() {
            open(&file)?;
        }
        Ok(model)
    }

    /// The model's shapes.
    #[must_use]
    pub const fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The files of graphs and weights.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        [ENCODER, TOKENIZER]
            .iter()
            .flat_map(|graph| [(*graph).to_owned(), weights_of(graph)])
            .map(|name| self.directory.join(name))
            .collect()
    }

    /// The model's identity, a BLAKE3 hash in hexadecimal: of its config and of every byte of its files. It is not that
    /// of the checkpoint it was exported from: graphs written by another version may round otherwise.
    ///
    /// Reads all files once.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn digest(&self) -> Result<String, ExportedModelError> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(format!("{:?}", self.config).as_bytes());
        for path in self.files() {
            let mut file = blake3::Hasher::new();
            file.update_reader(open(&path)?)
                .map_err(|source| ExportedModelError::Read { path, source })?;
            hasher.update(file.finalize().as_bytes());
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// The path of a file of this name.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

fn open(path: &Path) -> Result<File, ExportedModelError> {
    open_regular(path).map_err(|source| ExportedModelError::Read {
        path: path.to_owned(),
        source,
    })
}
