//! The destination: written under a hidden name beside it, and there whole or not at all.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::ExportError;

/// A folder under way, `.NAME.export` beside the destination NAME. Dropped before it is published, it goes away; what a
/// killed process left is cleared by the next.
#[derive(Debug)]
pub(super) struct Staging {
    folder: PathBuf,
    staged: PathBuf,
    /// A lock on the staged folder, so that two exports do not write into it at once.
    _lock: File,
}

impl Staging {
    /// Begins a folder that is to become `folder`.
    ///
    /// # Errors
    /// If `folder` holds anything, another process is writing it, or the file system refuses.
    pub(super) fn begin(folder: &Path) -> Result<Self, ExportError> {
        let write = |error| ExportError::write(folder)(error);
        if is_occupied(folder).map_err(write)? {
            return Err(ExportError::Occupied {
                folder: folder.to_owned(),
            });
        }
        let folder = &std::path::absolute(folder).map_err(write)?;
        let staged = staged_name(folder).map_err(write)?;
        fs::create_dir_all(&staged).map_err(write)?;
        let lock = File::open(&staged).map_err(write)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(ExportError::Busy {
                    folder: folder.clone(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(write(error)),
        }
        for entry in fs::read_dir(&staged).map_err(write)? {
            entry
                .and_then(|entry| fs::remove_file(entry.path()))
                .map_err(write)?;
        }
        Ok(Self {
            folder: folder.clone(),
            staged,
            _lock: lock,
        })
    }

    /// Where to write.
    pub(super) fn path(&self) -> &Path {
        &self.staged
    }

    /// The name that it will have.
    pub(super) fn destination(&self) -> &Path {
        &self.folder
    }

    /// Gives the folder its name, at one stroke.
    pub(super) fn publish(self) -> Result<(), ExportError> {
        let rename = || {
            File::open(&self.staged)?.sync_all()?;
            fs::rename(&self.staged, &self.folder)?;
            File::open(self.folder.parent().unwrap_or(Path::new("/")))?.sync_all()
        };
        rename().map_err(ExportError::write(&self.folder))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // After publishing there is no such folder any more.
        let _ = fs::remove_dir_all(&self.staged);
    }
}

fn staged_name(folder: &Path) -> io::Result<PathBuf> {
    let name = folder
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it has no name"))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".export");
    Ok(folder.with_file_name(hidden))
}

fn is_occupied(folder: &Path) -> io::Result<bool> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_the_final_name_until_it_is_published() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/b");
        let staging = Staging::begin(&folder).unwrap();
        fs::write(staging.path().join("file"), "text").unwrap();
        assert!(!folder.exists());
        staging.publish().unwrap();
        assert_eq!(fs::read(folder.join("file")).unwrap(), b"text");
        assert_eq!(fs::read_dir(root.path().join("a")).unwrap().count(), 1);
    }

    #[test]
    fn a_dropped_or_killed_attempt_leaves_nothing_to_the_next() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("b");
        drop(Staging::begin(&folder).unwrap());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
        fs::create_dir(root.path().join(".b.export")).unwrap();
        fs::write(root.path().join(".b.export/half"), "text").unwrap();
        Staging::begin(&folder).unwrap().publish().unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn two_attempts_at_once_and_full_folders_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("b");
        let first = Staging::begin(&folder).unwrap();
        assert!(matches!(Staging::begin(&folder), Err(ExportError::Busy { .. })));
        first.publish().unwrap();
        fs::write(folder.join("file"), "text").unwrap();
        assert!(matches!(
            Staging::begin(&folder),
            Err(ExportError::Occupied { .. })
        ));
    }
}
