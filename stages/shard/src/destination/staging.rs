//! A unit's files under way: files that no reader of the output sees, and that vanish unless their unit is committed.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use tempfile::{NamedTempFile, TempPath};

use super::folder::Folder;
use super::name::OutputName;
use crate::staged::StagedName;
use crate::unit::STAGING;
use crate::{ShardError, UnitId};

/// A file while it is written.
#[derive(Debug)]
pub(crate) struct StagedFile {
    file: File,
    /// Its name, removed on drop; none if it has no name.
    path: Option<TempPath>,
}

impl StagedFile {
    /// In the staging folder of a local root, so that it can be moved into place; locked as long as it is open, so
    /// that a sweep sees that its writer lives.
    pub(super) fn beside(root: &Path, unit: UnitId, kind: &str) -> Result<Self, ShardError> {
        let (file, path) = new_file(root, &format!("{unit}.{kind}."))?.into_parts();
        if let Err(error) = file.try_lock() {
            tracing::debug!(path = %path.display(), %error, "staged file cannot be locked; only its age protects it");
        }
        Ok(Self {
            file,
            path: Some(path),
        })
    }

    /// In the system's temporary folder, without a name, to be uploaded later.
    pub(super) fn nameless() -> Result<Self, ShardError> {
        let file = tempfile::tempfile()
            .map_err(ShardError::io("create a temporary file in", std::env::temp_dir()))?;
        Ok(Self { file, path: None })
    }

    /// Waits until the bytes are on the disk, if the file itself will be the final one.
    pub(crate) fn flush_to_disk(&self) -> std::io::Result<()> {
        if self.path.is_some() {
            self.file.sync_all()
        } else {
            Ok(())
        }
    }

    pub(super) fn into_file(self) -> File {
        self.file
    }
}

impl Write for StagedFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// One of each kind of file that a unit has beside its stats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UnitFiles<File> {
    pub(crate) data: File,
    pub(crate) failures: File,
    /// There where pictures are kept.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub(crate) images: Option<File>,
    /// There where sequences are packed.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub(crate) packed: Option<File>,
}

impl<File> UnitFiles<File> {
    /// All that there are, in one order for all types.
    pub(crate) fn each(&self) -> impl Iterator<Item = &File> {
        let optional = [&self.images, &self.packed].into_iter().flatten();
        [&self.data, &self.failures].into_iter().chain(optional)
    }

    /// The same, given away.
    pub(crate) fn into_each(self) -> impl Iterator<Item = File> {
        let optional = [self.images, self.packed].into_iter().flatten();
        [self.data, self.failures].into_iter().chain(optional)
    }
}

/// The names, relative to the root, under which an attempt's files wait for their final place.
#[derive(Debug)]
pub(crate) struct StagedNames {
    pub(crate) files: UnitFiles<StagedName>,
    /// The local files: open, so that they stay locked, and removed on drop.
    held: Vec<(File, TempPath)>,
}

impl StagedNames {
    pub(super) fn of_local(files: UnitFiles<StagedFile>) -> Result<Self, ShardError> {
        let mut held = Vec::new();
        let mut name_of = |staged: StagedFile| -> Result<StagedName, ShardError> {
            let path = staged
                .path
                .ok_or_else(|| ShardError::io("find the name of", STAGING)(ErrorKind::NotFound.into()))?;
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            held.push((staged.file, path));
            StagedName::of(&name)
        };
        let files = UnitFiles {
            data: name_of(files.data)?,
            failures: name_of(files.failures)?,
            images: files.images.map(&mut name_of).transpose()?,
            packed: files.packed.map(&mut name_of).transpose()?,
        };
        Ok(Self { files, held })
    }

    pub(super) fn in_store(unit: UnitId, of: &UnitFiles<StagedFile>) -> Result<Self, ShardError> {
        // Unique, not secret: a hash of the moment under a key that the system draws for this process.
        let attempt = RandomState::new().hash_one((SystemTime::now(), std::process::id()));
        let name = |file: &str| StagedName::of(&format!("{unit}.{file}.{attempt:016x}"));
        let files = UnitFiles {
            data: name("data")?,
            failures: name("failures")?,
            images: of.images.as_ref().map(|_| name("images")).transpose()?,
            packed: of.packed.as_ref().map(|_| name("packed")).transpose()?,
        };
        Ok(Self {
            files,
            held: Vec::new(),
        })
    }

    /// From now on the files outlive this process: they are elected, and whoever comes next will place them.
    pub(crate) fn keep(&mut self) {
        for (_, path) in &mut self.held {
            path.disable_cleanup(true);
        }
    }
}

/// A nameless file in the staging folder of `root`, where there is room for what will lie beside it.
pub(super) fn scratch_file(root: &Path) -> Result<File, ShardError> {
    retrying(root, |folder| tempfile::tempfile_in(folder))
}

/// A new file in the staging folder of `root`, readable by whom the process's umask lets.
pub(super) fn new_file(root: &Path, prefix: &str) -> Result<NamedTempFile, ShardError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    retrying(root, |folder| builder.tempfile_in(folder))
}

/// Creates a file in the staging folder, which a sweep may remove, being empty, between the folder's making and the
/// file's: hence once more.
fn retrying<T>(root: &Path, file: impl Fn(&Path) -> std::io::Result<T>) -> Result<T, ShardError> {
    let folder = root.join(STAGING);
    let in_it = OutputName::of(&format!("{STAGING}/file"))?;
    let create = || {
        Folder::make(root, &in_it)?;
        file(&folder)
    };
    match create() {
        Err(error) if error.kind() == ErrorKind::NotFound => create(),
        result => result,
    }
    .map_err(ShardError::io("create a file in", &folder))
}
