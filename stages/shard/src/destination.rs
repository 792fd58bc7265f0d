//! The output root: a folder, or a prefix in an object store.

mod folder;
mod local;
mod name;
mod staging;
mod store;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use object_store::ObjectStore;

pub(crate) use folder::Irregular;
pub use local::Lock;
use name::OutputName;
pub(crate) use staging::{StagedFile, StagedNames, UnitFiles};

use crate::staged::StagedName;
use crate::{FileChecksum, ShardError, UnitId};

/// Where the output goes. Names are relative to it, their parts joined by `/`.
#[derive(Debug, Clone)]
pub enum Destination {
    /// A folder.
    Local(PathBuf),
    /// A prefix in an object store, which must know conditional puts (S3, GCS and Azure do).
    Store {
        /// The store.
        store: Arc<dyn ObjectStore>,
        /// The path in it under which everything goes.
        prefix: object_store::path::Path,
    },
}

/// A file in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The file's name within the listed folder.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last written, by the clock of the file system or store.
    pub modified: SystemTime,
}

impl Destination {
    /// The bytes of a small file; none if there is no such file.
    ///
    /// # Errors
    /// If it is there and cannot be read, or is larger than `most` bytes: no file of ours is, so it is not brought in.
    pub async fn read(&self, name: &str, most: u64) -> Result<Option<Bytes>, ShardError> {
        match self {
            Self::Local(root) => {
                local::blocking(root, name, move |root, name| local::read(root, name, most)).await
            }
            Self::Store { store, prefix } => {
                store::read(store.as_ref(), prefix, &OutputName::of(name)?, most).await
            }
        }
    }

    /// Whether there is such a file.
    ///
    /// # Errors
    /// If that cannot be known.
    pub async fn exists(&self, name: &str) -> Result<bool, ShardError> {
        match self {
            Self::Local(root) => local::blocking(root, name, local::exists).await,
            Self::Store { store, prefix } => {
                store::exists(store.as_ref(), prefix, &OutputName::of(name)?).await
            }
        }
    }

    /// A file opened for reading anywhere in it; none if there is no such file. A store's object is first copied to a
    /// nameless file in the system's temporary folder, so that memory stays bounded.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub async fn open(&self, name: &str) -> Result<Option<File>, ShardError> {
        match self {
            Self::Local(root) => local::blocking(root, name, local::open).await,
            Self::Store { store, prefix } => {
                store::open(store.as_ref(), prefix, &OutputName::of(name)?).await
            }
        }
    }

    /// The names of the files in a folder, in no order; none if there is no such folder. Costs one listing, and no
    /// request a file.
    ///
    /// # Errors
    /// If the folder cannot be listed.
    pub async fn names(&self, folder: &str) -> Result<Vec<String>, ShardError> {
        match self {
            Self::Local(root) => local::blocking(root, folder, local::names).await,
            Self::Store { store, prefix } => {
                store::names(store.as_ref(), prefix, &OutputName::of(folder)?).await
            }
        }
    }

    /// The files in a folder with size and age, in no order; none if there is no such folder.
    ///
    /// # Errors
    /// If the folder cannot be listed.
    pub async fn list(&self, folder: &str) -> Result<Vec<Entry>, ShardError> {
        match self {
            Self::Local(root) => local::blocking(root, folder, local::list).await,
            Self::Store { store, prefix } => {
                store::list(store.as_ref(), prefix, &OutputName::of(folder)?).await
            }
        }
    }

    /// Writes a small file whole, unless there is one of that name: then says `false` and leaves it. Of any number of
    /// callers at once, at most one is told `true`. (None is if a store's answer to it was lost: `false` may find one's
    /// own file.)
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn put_if_absent(&self, name: &str, bytes: Bytes) -> Result<bool, ShardError> {
        match self {
            Self::Local(root) => {
                local::blocking(root, name, move |root, name| {
                    local::put_if_absent(root, name, &bytes)
                })
                .await
            }
            Self::Store { store, prefix } => {
                store::put_if_absent(store.as_ref(), prefix, &OutputName::of(name)?, bytes).await
            }
        }
    }

    /// Writes a small file whole, in the place of one that may be there: readers see the old or the new one.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn put_atomic(&self, name: &str, bytes: Bytes) -> Result<(), ShardError> {
        match self {
            Self::Local(root) => {
                local::blocking(root, name, move |root, name| {
                    local::put_atomic(root, name, &bytes)
                })
                .await
            }
            Self::Store { store, prefix } => {
                store::put_atomic(store.as_ref(), prefix, &OutputName::of(name)?, bytes).await
            }
        }
    }

    /// Removes a file; that it is not there is no error.
    ///
    /// # Errors
    /// If it is there and cannot be removed.
    pub async fn remove(&self, name: &str) -> Result<(), ShardError> {
        match self {
            Self::Local(root) => local::blocking(root, name, local::remove).await,
            Self::Store { store, prefix } => {
                store::remove(store.as_ref(), prefix, &OutputName::of(name)?).await
            }
        }
    }

    /// The size and hash of a file as it stands; none if there is no such file.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub async fn checksum(&self, name: &str) -> Result<Option<FileChecksum>, ShardError> {
        let Some(file) = self.open(name).await? else {
            return Ok(None);
        };
        let path = PathBuf::from(name);
        tokio::task::spawn_blocking(move || checksum_of(&file).map_err(ShardError::io("read", path)))
            .await?
            .map(Some)
    }

    /// A new file of `unit`, invisible to readers; `kind` stands in its name. Blocks.
    pub(crate) fn stage(&self, unit: UnitId, kind: &'static str) -> Result<StagedFile, ShardError> {
        match self {
            Self::Local(root) => StagedFile::beside(root, unit, kind),
            Self::Store { .. } => StagedFile::nameless(),
        }
    }

    /// A file for what does not fit into memory, gone when it is dropped or the process dies. Blocks.
    pub(crate) fn scratch(&self) -> Result<File, ShardError> {
        match self {
            Self::Local(root) => staging::scratch_file(root),
            Self::Store { .. } => StagedFile::nameless().map(StagedFile::into_file),
        }
    }

    /// Brings a unit's finished files to where [`Destination::place`] can take them from.
    pub(crate) async fn bring(
        &self,
        unit: UnitId,
        files: UnitFiles<StagedFile>,
    ) -> Result<StagedNames, ShardError> {
        match self {
            Self::Local(_) => StagedNames::of_local(files),
            Self::Store { store, prefix } => {
                let staged = StagedNames::in_store(unit, &files)?;
                let uploads = staged.files.each().zip(files.into_each());
                let uploads = uploads.map(async |(name, file)| {
                    let name = OutputName::of(&name.path())?;
                    store::upload(store.as_ref(), prefix, &name, file.into_file()).await
                });
                futures::future::try_join_all(uploads).await?;
                Ok(staged)
            }
        }
    }

    /// Puts a staged file in its final place at one stroke, over what may be there; `false` if it is not staged (any
    /// more). A folder's file is moved, a store's copied.
    pub(crate) async fn place(&self, staged: &StagedName, name: &str) -> Result<bool, ShardError> {
        self.transfer(&staged.path(), name).await
    }

    async fn transfer(&self, from: &str, to: &str) -> Result<bool, ShardError> {
        let from = OutputName::of(from)?;
        match self {
            Self::Local(root) => {
                local::blocking(root, to, move |root, to| local::place(root, &from, to)).await
            }
            Self::Store { store, prefix } => {
                store::place(store.as_ref(), prefix, &from, &OutputName::of(to)?).await
            }
        }
    }

    /// Moves a file, over what may be there; `false` if there is no such file. A store's is copied, then removed.
    pub(crate) async fn rename(&self, name: &str, to: &str) -> Result<bool, ShardError> {
        let moved = self.transfer(name, to).await?;
        if moved && matches!(self, Self::Store { .. }) {
            self.remove(name).await?;
        }
        Ok(moved)
    }

    /// Waits until no other process of this machine has the lock of this name in the staging folder, and takes it until
    /// it is dropped; the kernel lets go of a dead process's. A store knows no locks: none is taken there.
    ///
    /// # Errors
    /// If the file system refuses.
    pub async fn lock(&self, name: &str) -> Result<Option<Lock>, ShardError> {
        match self {
            Self::Local(root) => {
                let name = format!("{}/{name}", crate::unit::STAGING);
                local::blocking(root, &name, local::lock).await.map(Some)
            }
            Self::Store { .. } => Ok(None),
        }
    }

    /// Whether a living process of this machine holds this staged file. Unknown counts as no.
    pub(crate) async fn is_held(&self, name: &str) -> Result<bool, ShardError> {
        match self {
            Self::Local(root) => local::blocking(root, name, local::is_held).await,
            Self::Store { .. } => Ok(false),
        }
    }

    /// Removes a folder if it is empty. Only folders of a file system need it.
    pub(crate) async fn remove_folder_if_empty(&self, folder: &str) -> Result<(), ShardError> {
        match self {
            Self::Local(root) => local::blocking(root, folder, local::remove_folder_if_empty).await,
            Self::Store { .. } => Ok(()),
        }
    }
}

/// The folder's path or the store's name and the prefix, for messages.
impl std::fmt::Display for Destination {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local(root) => root.display().fmt(formatter),
            Self::Store { store, prefix } => write!(formatter, "{store}/{prefix}"),
        }
    }
}

fn too_large(name: &OutputName, most: u64) -> ShardError {
    ShardError::TooLarge {
        name: name.as_str().to_owned(),
        most,
    }
}

pub(crate) fn checksum_of(file: &File) -> std::io::Result<FileChecksum> {
    let mut hasher = blake3::Hasher::new();
    let size = std::io::copy(&mut &*file, &mut hasher)?;
    Ok(FileChecksum {
        size,
        blake3: hasher.finalize().to_hex().to_string(),
    })
}
