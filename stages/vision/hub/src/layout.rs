//! Where things lie in the cache (the layout of Python's `huggingface_hub`).
//!
//! ```text
//! models--ORGANISATION--NAME/
//!     blobs/ETAG               the bytes of a file, under its digest; ETAG.incomplete while they arrive
//!     snapshots/COMMIT/FILE    a link to its blob
//!     refs/REVISION            the commit that a branch or tag stood at
//! .locks/models--ORGANISATION--NAME/ETAG.lock
//! ```

use std::path::{Path, PathBuf};
use std::{fs, io, iter};

use crate::request::is_commit;
use crate::{HubError, Repository, Revision};

/// One repository's place in the cache.
pub(crate) struct Layout {
    folder: PathBuf,
    locks: PathBuf,
}

impl Layout {
    pub(crate) fn new(cache: &Path, repository: &Repository) -> Self {
        let name = format!("models--{}--{}", repository.organisation, repository.name);
        Self {
            folder: cache.join(&name),
            locks: cache.join(".locks").join(&name),
        }
    }

    pub(crate) fn blob(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(etag)
    }

    pub(crate) fn partial(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(format!("{etag}.incomplete"))
    }

    pub(crate) fn lock(&self, etag: &str) -> PathBuf {
        self.locks.join(format!("{etag}.lock"))
    }

    pub(crate) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    /// Lets a file of a snapshot be a link to its blob, relative, so that the cache may be moved.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn link(&self, commit: &str, file: &str, etag: &str) -> Result<(), HubError> {
        let place = self.snapshot(commit).join(file);
        let failed = |source| HubError::write(&place, source);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        // A link to a blob that was removed.
        match fs::remove_file(&place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let up: PathBuf = iter::repeat_n("..", 2 + file.split('/').count() - 1).collect();
        link_to(&up.join("blobs").join(etag), &self.blob(etag), &place).map_err(failed)
    }

    pub(crate) fn reference(&self, revision: &Revision) -> PathBuf {
        self.folder.join("refs").join(revision.as_str())
    }

    /// The commit of a revision as of the last fetch.
    pub(crate) fn commit(&self, revision: &Revision) -> Option<String> {
        if revision.is_commit() {
            return Some(revision.as_str().to_owned());
        }
        let text = fs::read_to_string(self.reference(revision)).ok()?;
        Some(text.trim().to_owned()).filter(|commit| is_commit(commit))
    }
}

#[cfg(unix)]
fn link_to(relative: &Path, _blob: &Path, place: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(relative, place)
}

/// Where links ask for rights that users lack, as Python's client does.
#[cfg(not(unix))]
fn link_to(_relative: &Path, blob: &Path, place: &Path) -> io::Result<()> {
    fs::copy(blob, place).map(drop)
}
