//! What a model may bring beside the tokenizer: its decoder of features, and the merger retrained with the language
//! model (spec sections 6 and 8).

use std::path::Path;

use super::file::WeightFile;
use super::open::{Files, hash_tensors};
use super::{Checkpoint, CheckpointError, Tensor, Tensors, nano, safetensors, torch};
use crate::config::MAX_DEPTH;
use crate::{ConfigError, ModelConfig};

/// A part, by its file in a published directory and in our own form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub name: &'static str,
    pub published: &'static str,
    pub safetensors: &'static str,
}

pub(super) const DECODER: Part = Part {
    name: "decoder of features",
    published: "visual_tokenizer/tokenizer_decoder.bin",
    safetensors: "decoder.safetensors",
};

pub(super) const LANGUAGE_MODEL_MERGER: Part = Part {
    name: "merger of a language model",
    published: "language_model/visual_weight.bin",
    safetensors: "language_model_merger.safetensors",
};

/// What keys of a merger start with.
const MERGER: &str = "causal_encoder.";

/// A model and some of its tensors.
type Found = (Checkpoint, Vec<(String, Vec<usize>)>);

impl Part {
    /// Opens the part's file in a model directory; none if there is none.
    fn open(self, directory: &Path) -> Result<Option<WeightFile>, CheckpointError> {
        let (own, published) = (directory.join(self.safetensors), directory.join(self.published));
        if own.exists() {
            safetensors::open(&own).map(Some)
        } else if published.exists() {
            torch::open(&published).map(Some)
        } else {
            Ok(None)
        }
    }

    fn missing(self, model: &str) -> CheckpointError {
        CheckpointError::NoPart {
            model: model.to_owned(),
            part: self.name,
            files: [self.published, self.safetensors],
        }
    }
}

/// Codes back to features: the weights of spec section 8.
pub struct DecoderCheckpoint {
    config: ModelConfig,
    depth: usize,
    file: WeightFile,
}

impl DecoderCheckpoint {
    /// The shapes of the model whose codes it decodes.
    #[must_use]
    pub const fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Its blocks.
    #[must_use]
    pub const fn depth(&self) -> usize {
        self.depth
    }

    /// Its identity, a BLAKE3 hash in hexadecimal of every tensor.
    ///
    /// # Errors
    /// None on one that was opened.
    pub fn digest(&self) -> Result<String, CheckpointError> {
        let mut hasher = blake3::Hasher::new();
        hash_tensors(&mut hasher, self, &self.tensors())?;
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// Key and shape of every tensor.
    #[must_use]
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        self.config.decoder_tensors(self.depth)
    }

    /// Checks that every tensor is there of as many blocks as the last one's number says, at least one.
    fn new(config: &ModelConfig, file: WeightFile) -> Result<Self, CheckpointError> {
        let number = |key: &String| {
            key.strip_prefix("blocks.")?
                .split('.')
                .next()?
                .parse::<usize>()
                .ok()
        };
        let last = file.entries.keys().filter_map(number).max().unwrap_or(0);
        if last >= MAX_DEPTH {
            return Err(CheckpointError::Config {
                path: file.path,
                source: ConfigError::Range {
                    field: "decoder's depth",
                    value: last.saturating_add(1),
                    most: MAX_DEPTH,
                },
            });
        }
        let decoder = Self {
            config: config.clone(),
            depth: last + 1,
            file,
        };
        for (key, shape) in decoder.tensors() {
            decoder.tensor(&key, &shape)?;
        }
        Ok(decoder)
    }
}

impl Tensors for DecoderCheckpoint {
    fn tensor(&self, key: &str, shape: &[usize]) -> Result<Tensor<'_>, CheckpointError> {
        self.file.tensor(key, shape)
    }

    fn release(&self, key: &str) {
        self.file.release(key);
    }
}

impl Checkpoint {
    /// The decoder of features that lies beside the tokenizer.
    ///
    /// # Errors
    /// If there is none, or it is not whole.
    pub fn decoder(&self) -> Result<DecoderCheckpoint, CheckpointError> {
        self.find_decoder()?.ok_or_else(|| DECODER.missing(&self.name()))
    }

    /// The same; none if there is none.
    pub(super) fn find_decoder(&self) -> Result<Option<DecoderCheckpoint>, CheckpointError> {
        let file = match &self.directory {
            None => Some(nano::decoder()),
            Some(directory) => DECODER.open(directory)?,
        };
        file.map(|file| DecoderCheckpoint::new(self.config(), file))
            .transpose()
    }

    /// The same model with the merger that was retrained with the language model. As in the published code, what its
    /// file does not hold stays the tokenizer's.
    ///
    /// # Errors
    /// If there is none, it holds nothing of a merger, or a tensor in it is not whole.
    pub fn with_language_model_merger(&self) -> Result<Self, CheckpointError> {
        let missing = || LANGUAGE_MODEL_MERGER.missing(&self.name());
        let mut file = self.language_model_file()?.ok_or_else(missing)?;
        file.entries.retain(|key, _| key.starts_with(MERGER));
        if file.entries.is_empty() {
            return Err(CheckpointError::Missing {
                path: file.path,
                key: format!("{MERGER}norm.weight"),
                expected: vec![self.config().width],
            });
        }
        let source = match &self.directory {
            None => Self::nano(),
            Some(directory) => Self::open_directory(directory, Some(self.config()))?,
        };
        let tuned = Self {
            files: Files::Tuned {
                merger: file,
                base: Box::new(source.files),
            },
            ..source
        };
        tuned.check()?;
        Ok(tuned)
    }

    /// The model with that merger and the tensors its file holds; none if there is none.
    pub(super) fn find_language_model_merger(&self) -> Result<Option<Found>, CheckpointError> {
        let Some(file) = self.language_model_file()? else {
            return Ok(None);
        };
        let mut list = self.config().tensors();
        list.retain(|(key, _)| key.starts_with(MERGER) && file.entries.contains_key(key));
        Ok(Some((self.with_language_model_merger()?, list)))
    }

    fn language_model_file(&self) -> Result<Option<WeightFile>, CheckpointError> {
        match &self.directory {
            None => Ok(Some(nano::language_model_merger())),
            Some(directory) => LANGUAGE_MODEL_MERGER.open(directory),
        }
    }

    /// What to call it in an error.
    fn name(&self) -> String {
        self.directory.as_ref().map_or_else(
            || "builtin:nano".to_owned(),
            |directory| directory.display().to_string(),
        )
    }
}
