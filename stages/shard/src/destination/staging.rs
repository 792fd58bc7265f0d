//! Tables under way: files that no reader of the output sees, and that vanish unless their unit is committed.

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::SystemTime;

use tempfile::{NamedTempFile, TempPath};

use crate::unit::STAGING;
use crate::{ShardError, UnitId};

/// A table's file while it is written.
#[derive(Debug)]
pub(crate) struct StagedFile {
    file: File,
    /// Its name, removed on drop; none if it has no name.
    path: Option<TempPath>,
}

impl StagedFile {
    /// In the staging folder of a local root, so that it can be moved into place; locked as long as it is open, so
    /// that a sweep sees that its writer lives.
    pub(super) fn beside(root: &Path, unit: UnitId, table: &str) -> Result<Self, ShardError> {
        let (file, path) = new_file(root, &format!("{unit}.{table}."))?.into_parts();
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

/// The names, relative to the root, under which an attempt's tables wait for their final place.
#[derive(Debug)]
pub(crate) struct StagedNames {
    pub(crate) data: String,
    pub(crate) failures: String,
    /// The local files: open, so that they stay locked, and removed on drop.
    held: Vec<(File, TempPath)>,
}

impl StagedNames {
    pub(super) fn of_local(data: StagedFile, failures: StagedFile) -> Result<Self, ShardError> {
        let mut names = Vec::new();
        let mut held = Vec::new();
        for staged in [data, failures] {
            let Some(path) = staged.path else { continue };
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            names.push(format!("{STAGING}/{name}"));
            held.push((staged.file, path));
        }
        match <[String; 2]>::try_from(names) {
            Ok([data, failures]) => Ok(Self { data, failures, held }),
            Err(_) => Err(ShardError::io("find the name of", STAGING)(
                ErrorKind::NotFound.into(),
            )),
        }
    }

    pub(super) fn in_store(unit: UnitId) -> Self {
        // Unique, not secret: a hash of the moment under a key that the system draws for this process.
        let attempt = RandomState::new().hash_one((SystemTime::now(), std::process::id()));
        let name = |table: &str| format!("{STAGING}/{unit}.{table}.{attempt:016x}");
        Self {
            data: name("data"),
            failures: name("failures"),
            held: Vec::new(),
        }
    }

    /// From now on the files outlive this process: they are elected, and whoever comes next will place them.
    pub(crate) fn keep(&mut self) {
        for (_, path) in &mut self.held {
            path.disable_cleanup(true);
        }
    }
}

/// A new file in the staging folder of `root`, readable by whom the process's umask lets.
pub(super) fn new_file(root: &Path, prefix: &str) -> Result<NamedTempFile, ShardError> {
    let folder = root.join(STAGING);
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let create = || {
        fs::create_dir_all(&folder)?;
        builder.tempfile_in(&folder)
    };
    // A sweep may remove the empty folder between the two calls, hence once more.
    match create() {
        Err(error) if error.kind() == ErrorKind::NotFound => create(),
        result => result,
    }
    .map_err(ShardError::io("create a file in", folder))
}
