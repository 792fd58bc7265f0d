//! A directory that is whole or not there.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::SaveError;
use super::open::CONFIG;
use crate::ModelConfig;

/// Bytes collected before they are written.
const BUFFER: usize = 1 << 20;

/// Makes a new directory of what `write` puts into it. It has a temporary name, which `write` is given, beside its own
/// until all of it is on the disk.
///
/// # Errors
/// If something of that name exists, the file system refuses, or `write` fails: nothing is left then.
pub fn write_directory(
    directory: &Path,
    write: impl FnOnce(&Path) -> Result<(), SaveError>,
) -> Result<(), SaveError> {
    if directory.symlink_metadata().is_ok() {
        return Err(SaveError::Exists {
            path: directory.to_owned(),
        });
    }
    let temporary = temporary_name(directory)?;
    std::fs::create_dir_all(parent(directory)).map_err(refused(parent(directory)))?;
    std::fs::create_dir(&temporary).map_err(refused(&temporary))?;
    let result = write(&temporary).and_then(|()| publish(&temporary, directory));
    if result.is_err() {
        // The error that counts is the one at hand.
        drop(std::fs::remove_dir_all(&temporary));
    }
    result
}

fn publish(temporary: &Path, directory: &Path) -> Result<(), SaveError> {
    sync(temporary).map_err(refused(temporary))?;
    // A directory with anything in it that appeared meanwhile is not replaced: rename refuses.
    std::fs::rename(temporary, directory).map_err(refused(directory))?;
    sync(parent(directory)).map_err(refused(parent(directory)))
}

/// Writes the `config.json` of a model's directory.
///
/// # Errors
/// If the file system refuses.
pub fn write_config(config: &ModelConfig, directory: &Path) -> Result<(), SaveError> {
    write_file(&directory.join(CONFIG), |file| {
        serde_json::to_writer_pretty(&mut *file, config)?;
        file.write_all(b"\n")
    })
}

/// Writes a new file and brings it onto the disk.
///
/// # Errors
/// If the file system refuses.
pub fn write_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<(), SaveError> {
    let written = || {
        let mut file = BufWriter::with_capacity(BUFFER, File::create_new(path)?);
        write(&mut file)?;
        file.into_inner()?.sync_all()
    };
    written().map_err(refused(path))
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

fn sync(directory: &Path) -> std::io::Result<()> {
    File::open(directory)?.sync_all()
}

fn refused(path: &Path) -> impl FnOnce(std::io::Error) -> SaveError {
    |source| SaveError::Write {
        path: path.to_owned(),
        source,
    }
}
