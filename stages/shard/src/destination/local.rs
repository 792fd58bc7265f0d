//! The output root as a folder. Everything here blocks; [`blocking`] moves it off the runtime's threads.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tempfile::NamedTempFile;

use super::Entry;
use super::staging::new_file;
use crate::ShardError;

/// Does `work` on a thread that may block, with the root and a name in it.
pub(super) async fn blocking<T: Send + 'static>(
    root: &Path,
    name: &str,
    work: impl FnOnce(&Path, &str) -> Result<T, ShardError> + Send + 'static,
) -> Result<T, ShardError> {
    let (root, name) = (root.to_owned(), name.to_owned());
    tokio::task::spawn_blocking(move || work(&root, &name)).await?
}

pub(super) fn read(root: &Path, name: &str) -> Result<Option<Bytes>, ShardError> {
    let path = root.join(name);
    if_there(fs::read(&path).map(Bytes::from)).map_err(ShardError::io("read", path))
}

pub(super) fn exists(root: &Path, name: &str) -> Result<bool, ShardError> {
    let path = root.join(name);
    path.try_exists().map_err(ShardError::io("look for", path))
}

pub(super) fn open(root: &Path, name: &str) -> Result<Option<File>, ShardError> {
    let path = root.join(name);
    if_there(File::open(&path)).map_err(ShardError::io("open", path))
}

pub(super) fn names(root: &Path, folder: &str) -> Result<Vec<String>, ShardError> {
    let path = root.join(folder);
    let names = || -> std::io::Result<Vec<String>> {
        let Some(entries) = if_there(fs::read_dir(&path))? else {
            return Ok(Vec::new());
        };
        // A name that is not UTF-8 is none of ours.
        entries
            .filter_map(|entry| {
                entry
                    .map(|entry| entry.file_name().into_string().ok())
                    .transpose()
            })
            .collect()
    };
    names().map_err(ShardError::io("list", &path))
}

pub(super) fn list(root: &Path, folder: &str) -> Result<Vec<Entry>, ShardError> {
    let mut entries = Vec::new();
    for name in names(root, folder)? {
        let path = root.join(folder).join(&name);
        let metadata = fs::metadata(&path).and_then(|metadata| Ok((metadata.modified()?, metadata)));
        // One that is gone since the folder was read is not in it.
        if let Some((modified, metadata)) = if_there(metadata).map_err(ShardError::io("look at", path))? {
            entries.push(Entry {
                name,
                size: metadata.len(),
                modified,
            });
        }
    }
    Ok(entries)
}

pub(super) fn put_if_absent(root: &Path, name: &str, bytes: &[u8]) -> Result<bool, ShardError> {
    let path = root.join(name);
    let file = whole_file(root, &path, bytes)?;
    match file.persist_noclobber(&path) {
        Ok(_) => sync_folder_of(&path).map(|()| true),
        Err(refused) if refused.error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(refused) => Err(ShardError::io("write", path)(refused.error)),
    }
}

pub(super) fn put_atomic(root: &Path, name: &str, bytes: &[u8]) -> Result<(), ShardError> {
    let path = root.join(name);
    let file = whole_file(root, &path, bytes)?;
    file.persist(&path)
        .map_err(|refused| ShardError::io("write", &path)(refused.error))?;
    sync_folder_of(&path)
}

pub(super) fn remove(root: &Path, name: &str) -> Result<(), ShardError> {
    let path = root.join(name);
    if_there(fs::remove_file(&path))
        .map(|_| ())
        .map_err(ShardError::io("remove", path))
}

pub(super) fn place(root: &Path, staged: &str, name: &str) -> Result<bool, ShardError> {
    let path = root.join(name);
    create_folder_of(&path)?;
    match if_there(fs::rename(root.join(staged), &path)).map_err(ShardError::io("move into place", &path))? {
        Some(()) => sync_folder_of(&path).map(|()| true),
        None => Ok(false),
    }
}

/// A writer locks its staged files, and the kernel lets go of a dead process's locks.
pub(super) fn is_held(root: &Path, name: &str) -> Result<bool, ShardError> {
    let Some(file) = open(root, name)? else {
        return Ok(false);
    };
    Ok(matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)))
}

/// A lock that this process has. Its file goes when it is dropped.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    /// Open, and thereby locked, until the name is gone.
    _file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A file that stays is no lock: the next one takes it.
        let _ = fs::remove_file(&self.path);
        if let Some(folder) = self.path.parent() {
            let _ = fs::remove_dir(folder);
        }
    }
}

pub(super) fn lock(root: &Path, name: &str) -> Result<Lock, ShardError> {
    let path = root.join(name);
    let attempt = || -> std::io::Result<Option<File>> {
        let file = File::create(&path)?;
        file.lock()?;
        // Whoever had it before removed the name: a lock on a file without it keeps nobody out.
        let named = if_there(fs::metadata(&path))?;
        let is_named = named.map(|found| found.ino()) == Some(file.metadata()?.ino());
        Ok(is_named.then_some(file))
    };
    loop {
        create_folder_of(&path)?;
        match if_there(attempt())
            .map_err(ShardError::io("lock", &path))?
            .flatten()
        {
            Some(file) => return Ok(Lock { path, _file: file }),
            None => continue,
        }
    }
}

pub(super) fn remove_folder_if_empty(root: &Path, folder: &str) -> Result<(), ShardError> {
    let path = root.join(folder);
    match fs::remove_dir(&path) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
            Err(ShardError::io("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// A staged file with these bytes, safe on the disk.
fn whole_file(root: &Path, path: &Path, bytes: &[u8]) -> Result<NamedTempFile, ShardError> {
    create_folder_of(path)?;
    let mut file = new_file(root, "file.")?;
    file.write_all(bytes)
        .and_then(|()| file.as_file().sync_all())
        .map_err(|error| ShardError::io("write", file.path())(error))?;
    Ok(file)
}

fn create_folder_of(path: &Path) -> Result<(), ShardError> {
    let folder = folder_of(path);
    fs::create_dir_all(&folder).map_err(ShardError::io("create the folder", folder))
}

/// A name is on the disk once its folder is.
fn sync_folder_of(path: &Path) -> Result<(), ShardError> {
    let folder = folder_of(path);
    File::open(&folder)
        .and_then(|folder| folder.sync_all())
        .map_err(ShardError::io("flush the folder", folder))
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_owned()
}

fn if_there<T>(result: std::io::Result<T>) -> std::io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
