//! Writing a checkpoint in our own form: `config.json` and `model.safetensors`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::open::{CONFIG, SAFETENSORS};
use super::parts::{DECODER, LANGUAGE_MODEL_MERGER};
use super::{Checkpoint, CheckpointError, Tensors, safetensors};

/// Bytes collected before they are written.
const BUFFER: usize = 1 << 20;

/// Why a checkpoint was not written. Nothing is left under the name it was to have.
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
        if directory.symlink_metadata().is_ok() {
            return Err(SaveError::Exists {
                path: directory.to_owned(),
            });
        }
        let temporary = temporary_name(directory)?;
        std::fs::create_dir_all(parent(directory)).map_err(refused(parent(directory)))?;
        std::fs::create_dir(&temporary).map_err(refused(&temporary))?;
        let result = self.write_all(&temporary, directory);
        if result.is_err() {
            // The error that counts is the one at hand.
            drop(std::fs::remove_dir_all(&temporary));
        }
        result
    }

    fn write_all(&self, temporary: &Path, directory: &Path) -> Result<(), SaveError> {
        let path = temporary.join(CONFIG);
        write_file(&path, |file| {
            serde_json::to_writer_pretty(&mut *file, self.config())?;
            file.write_all(b"\n")
        })
        .map_err(refused(&path))?;
        write_tensors(&temporary.join(SAFETENSORS), self, &self.config().tensors())?;
        if let Some(decoder) = self.find_decoder()? {
            write_tensors(&temporary.join(DECODER.safetensors), &decoder, &decoder.tensors())?;
        }
        if let Some((merger, list)) = self.find_language_model_merger()? {
            write_tensors(&temporary.join(LANGUAGE_MODEL_MERGER.safetensors), &merger, &list)?;
        }
        sync(temporary).map_err(refused(temporary))?;
        // A directory with anything in it that appeared meanwhile is not replaced: rename refuses.
        std::fs::rename(temporary, directory).map_err(refused(directory))?;
        sync(parent(directory)).map_err(refused(parent(directory)))
    }
}

/// A hidden name beside the directory's own, of this process alone.
fn temporary_name(directory: &Path) -> Result<PathBuf, SaveError> {
    let name = directory.file_name().ok_or_else(|| SaveError::NoName {
        path: directory.to_owned(),
    })?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{}.tmp", std::process::id()));
    Ok(parent(directory).join(hidden))
}

/// The directory a path lies in; that of a lone name is the current one.
fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn write_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut file = BufWriter::with_capacity(BUFFER, File::create_new(path)?);
    write(&mut file)?;
    file.into_inner()?.sync_all()
}

fn write_tensors(path: &Path, source: &impl Tensors, list: &[(String, Vec<usize>)]) -> Result<(), SaveError> {
    let mut tensors = Vec::new();
    for (key, shape) in list {
        tensors.push((key.as_str(), source.tensor(key, shape)?));
    }
    write_file(path, |file| safetensors::write(file, tensors)).map_err(refused(path))?;
    list.iter().for_each(|(key, _)| source.release(key));
    Ok(())
}

fn sync(directory: &Path) -> std::io::Result<()> {
    File::open(directory)?.sync_all()
}

fn refused(path: &Path) -> impl FnOnce(std::io::Error) -> SaveError {
    |source| SaveError::Write {
        path: path.to_owned(),
        source,
    }
}
