//! A snapshot as a directory of its own.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::{HubError, Snapshot};

/// Bytes of a file compared at once.
const BUFFER: u64 = 1 << 20;

impl Snapshot {
    /// Puts the files into this directory too, as hard links to the cache's, or as copies where another disk asks for
    /// them. What lies there already with the same bytes stays.
    ///
    /// # Errors
    /// If another file lies under one of the names, which then stays, or a file cannot be written.
    pub fn place(&self, directory: &Path) -> Result<(), HubError> {
        for file in &self.files {
            let target = directory.join(file);
            let failed = |source| HubError::write(&target, source);
            // A snapshot's file is a link; what counts is the blob behind it.
            let blob = fs::canonicalize(self.path.join(file)).map_err(failed)?;
            if fs::symlink_metadata(&target).is_ok() {
                if is_same(&blob, &target).map_err(failed)? {
                    continue;
                }
                return Err(HubError::Taken { path: target });
            }
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent).map_err(failed)?;
            }
            if fs::hard_link(&blob, &target).is_err() {
                copy(&blob, &target).map_err(failed)?;
            }
        }
        Ok(())
    }
}

/// Copies under another name first, so that a copy that breaks off is not taken for a model.
fn copy(blob: &Path, target: &Path) -> io::Result<()> {
    let partial = target.with_added_extension("incomplete");
    fs::copy(blob, &partial)?;
    fs::rename(&partial, target)
}

fn is_same(a: &Path, b: &Path) -> io::Result<bool> {
    if !b.is_file() || fs::metadata(a)?.len() != fs::metadata(b)?.len() {
        return Ok(false);
    }
    let (mut a, mut b) = (File::open(a)?, File::open(b)?);
    let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
    loop {
        for (file, bytes) in [(&mut a, &mut of_a), (&mut b, &mut of_b)] {
            bytes.clear();
            file.take(BUFFER).read_to_end(bytes)?;
        }
        if of_a != of_b || of_a.is_empty() {
            return Ok(of_a == of_b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(folder: &Path) -> Snapshot {
        let path = folder.join("snapshot");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("config.json"), "{}").unwrap();
        Snapshot {
            path,
            commit: "0".repeat(40),
            files: vec!["config.json"],
        }
    }

    #[test]
    fn files_are_placed_once_and_again_without_harm() {
        let folder = tempfile::tempdir().unwrap();
        let snapshot = snapshot(folder.path());
        let directory = folder.path().join("models/lavit");
        for _ in 0..2 {
            snapshot.place(&directory).unwrap();
            assert_eq!(fs::read(directory.join("config.json")).unwrap(), b"{}");
        }
    }

    #[test]
    fn another_file_of_that_name_stays_and_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let snapshot = snapshot(folder.path());
        for mine in ["[]", "longer"] {
            fs::write(folder.path().join("config.json"), mine).unwrap();
            let error = snapshot.place(folder.path()).unwrap_err().to_string();
            assert!(error.contains("config.json"), "{error}");
            assert_eq!(
                fs::read_to_string(folder.path().join("config.json")).unwrap(),
                mine
            );
        }
    }
}
