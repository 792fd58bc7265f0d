//! The output root as a folder. Everything here blocks; [`blocking`] moves it off the runtime's threads.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use rustix::fs::{OFlags, Stat};
use tempfile::NamedTempFile;

use super::folder::{Folder, is_regular};
use super::name::OutputName;
use super::staging::new_file;
use super::{Entry, too_large};
use crate::ShardError;

/// Does `work` on a thread that may block, with the root and a name in it.
pub(super) async fn blocking<T: Send + 'static>(
    root: &Path,
    name: &str,
    work: impl FnOnce(&Path, &OutputName) -> Result<T, ShardError> + Send + 'static,
) -> Result<T, ShardError> {
    let (root, name) = (root.to_owned(), OutputName::of(name)?);
    tokio::task::spawn_blocking(move || work(&root, &name)).await?
}

pub(super) fn read(root: &Path, name: &OutputName, most: u64) -> Result<Option<Bytes>, ShardError> {
    let Some(file) = open(root, name)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(io_error("read", root, name))?;
    if bytes.len() as u64 > most {
        return Err(too_large(name, most));
    }
    Ok(Some(bytes.into()))
}

pub(super) fn exists(root: &Path, name: &OutputName) -> Result<bool, ShardError> {
    let stat = in_folder(root, name, Folder::stat);
    stat.map(|stat| stat.is_some())
        .map_err(io_error("look for", root, name))
}

pub(super) fn open(root: &Path, name: &OutputName) -> Result<Option<File>, ShardError> {
    in_folder(root, name, |folder, leaf| folder.open(leaf, OFlags::RDONLY))
        .map_err(io_error("open", root, name))
}

pub(super) fn names(root: &Path, folder: &OutputName) -> Result<Vec<String>, ShardError> {
    let inner = in_folder(root, folder, Folder::inner);
    let names = inner.and_then(|inner| inner.map_or_else(|| Ok(Vec::new()), |inner| inner.names()));
    names.map_err(io_error("list", root, folder))
}

pub(super) fn list(root: &Path, folder: &OutputName) -> Result<Vec<Entry>, ShardError> {
    let entries = || -> std::io::Result<Vec<Entry>> {
        let Some(inner) = in_folder(root, folder, Folder::inner)? else {
            return Ok(Vec::new());
        };
        let mut entries = Vec::new();
        for name in inner.names()? {
            // One that is gone since the folder was read is not in it, and what is no file is none of ours.
            if let Some(stat) = inner.stat(&name)?.filter(is_regular) {
                entries.push(Entry {
                    name,
                    size: u64::try_from(stat.st_size).unwrap_or(0),
                    modified: modified(&stat),
                });
            }
        }
        Ok(entries)
    };
    entries().map_err(io_error("list", root, folder))
}

pub(super) fn put_if_absent(root: &Path, name: &OutputName, bytes: &[u8]) -> Result<bool, ShardError> {
    let path = root.join(name.as_str());
    repeated(|| {
        let folder = Folder::make(root, name).map_err(io_error("create the folder of", root, name))?;
        let file = whole_file(root, bytes)?;
        match file.persist_noclobber(&path) {
            Ok(_) => folder
                .sync()
                .map(|()| true)
                .map_err(io_error("flush the folder of", root, name)),
            Err(refused) if refused.error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(refused) => Err(ShardError::io("write", &path)(refused.error)),
        }
    })
}

pub(super) fn put_atomic(root: &Path, name: &OutputName, bytes: &[u8]) -> Result<(), ShardError> {
    let path = root.join(name.as_str());
    repeated(|| {
        let folder = Folder::make(root, name).map_err(io_error("create the folder of", root, name))?;
        let file = whole_file(root, bytes)?;
        file.persist(&path)
            .map_err(|refused| ShardError::io("write", &path)(refused.error))?;
        folder.sync().map_err(io_error("flush the folder of", root, name))
    })
}

/// Writes a file once more if it, or its folder, was taken away before it had its name.
fn repeated<T>(write: impl Fn() -> Result<T, ShardError>) -> Result<T, ShardError> {
    match write() {
        Err(ShardError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => write(),
        written => written,
    }
}

pub(super) fn remove(root: &Path, name: &OutputName) -> Result<(), ShardError> {
    let removed = in_folder(root, name, |folder, leaf| folder.remove(leaf).map(Some));
    removed.map(|_| ()).map_err(io_error("remove", root, name))
}

pub(super) fn place(root: &Path, staged: &OutputName, name: &OutputName) -> Result<bool, ShardError> {
    let place = || -> std::io::Result<bool> {
        let Some(from) = Folder::of(root, staged)? else {
            return Ok(false);
        };
        let to = Folder::make(root, name)?;
        let is_placed = from.rename(staged.split().1, &to, name.split().1)?;
        if is_placed {
            to.sync()?;
        }
        Ok(is_placed)
    };
    place().map_err(io_error("move into place", root, name))
}

/// A writer locks its staged files, and the kernel lets go of a dead process's locks. What is no file is held by nobody.
pub(super) fn is_held(root: &Path, name: &OutputName) -> Result<bool, ShardError> {
    let file = match open(root, name) {
        Ok(file) => file,
        Err(error) if error.is_irregular() => None,
        Err(error) => return Err(error),
    };
    Ok(file.is_some_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock))))
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

pub(super) fn lock(root: &Path, name: &OutputName) -> Result<Lock, ShardError> {
    let attempt = || -> std::io::Result<Option<File>> {
        let folder = Folder::make(root, name)?;
        let leaf = name.split().1;
        let Some(file) = folder.open(leaf, OFlags::RDWR | OFlags::CREATE)? else {
            return Ok(None);
        };
        file.lock()?;
        // Whoever had it before removed the name: a lock on a file without it keeps nobody out.
        let named = folder.stat(leaf)?.map(|found| found.st_ino);
        let is_named = named == Some(file.metadata()?.ino());
        Ok(is_named.then_some(file))
    };
    let path = root.join(name.as_str());
    loop {
        match attempt() {
            Ok(Some(file)) => return Ok(Lock { path, _file: file }),
            Ok(None) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(ShardError::io("lock", path)(error)),
        }
    }
}

pub(super) fn remove_folder_if_empty(root: &Path, folder: &OutputName) -> Result<(), ShardError> {
    let removed = in_folder(root, folder, |parent, leaf| parent.remove_folder(leaf).map(Some));
    match removed {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
            Err(io_error("remove", root, folder)(error))
        }
        _ => Ok(()),
    }
}

/// A staged file with these bytes, safe on the disk.
fn whole_file(root: &Path, bytes: &[u8]) -> Result<NamedTempFile, ShardError> {
    let mut file = new_file(root, "file.")?;
    file.write_all(bytes)
        .and_then(|()| file.as_file().sync_all())
        .map_err(|error| ShardError::io("write", file.path())(error))?;
    Ok(file)
}

/// Does something with a name in its folder, if that is there.
fn in_folder<T>(
    root: &Path,
    name: &OutputName,
    work: impl FnOnce(&Folder, &str) -> std::io::Result<Option<T>>,
) -> std::io::Result<Option<T>> {
    match Folder::of(root, name)? {
        Some(folder) => work(&folder, name.split().1),
        None => Ok(None),
    }
}

/// When a file was last written; one from before 1970 counts as of then.
fn modified(stat: &Stat) -> SystemTime {
    let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
    let nanos = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    let age = Duration::new(seconds, nanos.min(999_999_999));
    SystemTime::UNIX_EPOCH
        .checked_add(age)
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

fn io_error(
    action: &'static str,
    root: &Path,
    name: &OutputName,
) -> impl FnOnce(std::io::Error) -> ShardError {
    ShardError::io(action, root.join(name.as_str()))
}
