//! Writing a checkpoint in our own form: `config.json` and `model.safetensors`.

use std::path::{Path, PathBuf};

use super::open::SAFETENSORS;
use super::parts::{DECODER, LANGUAGE_MODEL_MERGER};
use super::{Checkpoint, CheckpointError, Tensors, safetensors, write_config, write_directory, write_file};

/// Why a model was not written. Nothing is left under the name it was to have.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// There is something of that name.
    #[error("{} exists; it is not overwritten", path.display())]
    Exists {
        /// The name.
        path: PathBuf,
    },
    /// The path ends in no name that a directory can have, as `/` or `..` do.
    #[error("{} ends in no name for a directory", path.display())]
    NoName {
        /// The path.
        path: PathBuf,
    },
    /// A file or directory cannot be written.
    #[error("{} cannot be written", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// What is to be written cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

impl Checkpoint {
    /// Writes `config.json` and `model.safetensors` into a new directory: every tensor the model reads, in the type it
    /// is stored in; and beside them the decoder and the language model's merger, where there are such. The digest
    /// stays the same.
    ///
    /// One tensor at a time goes from map to file. The directory has a temporary name beside its own until all of it is
    /// on the disk, so it is whole or not there.
    ///
    /// # Errors
    /// If something of that name exists, or the file system refuses: see [`SaveError`].
    pub fn save(&self, directory: &Path) -> Result<(), SaveError> {
        write_directory(directory, |temporary| {
            write_config(self.config(), temporary)?;
            write_tensors(&temporary.join(SAFETENSORS), self, &self.config().tensors())?;
            if let Some(decoder) = self.find_decoder()? {
                write_tensors(&temporary.join(DECODER.safetensors), &decoder, &decoder.tensors())?;
            }
            if let Some((merger, list)) = self.find_language_model_merger()? {
                write_tensors(&temporary.join(LANGUAGE_MODEL_MERGER.safetensors), &merger, &list)?;
            }
            Ok(())
        })
    }
}

fn write_tensors(path: &Path, source: &impl Tensors, list: &[(String, Vec<usize>)]) -> Result<(), SaveError> {
    let mut tensors = Vec::new();
    for (key, shape) in list {
        tensors.push((key.as_str(), source.tensor(key, shape)?));
    }
    write_file(path, |file| safetensors::write(file, tensors))?;
    list.iter().for_each(|(key, _)| source.release(key));
    Ok(())
}
