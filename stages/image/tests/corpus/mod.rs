//! Where the pictures are.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

/// A file of `tests/data`.
pub fn read(path: &str) -> Vec<u8> {
    let path = data().join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `tests/data`.
fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data")
}

/// Every file of the corpus, by name.
#[allow(dead_code, reason = "not every test file walks over all")]
pub fn files() -> impl Iterator<Item = (String, Vec<u8>)> {
    let folder = data().join("images/files");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| {
        let name = entry
            .expect("an entry")
            .file_name()
            .to_string_lossy()
            .into_owned();
        let bytes = read(&format!("images/files/{name}"));
        (name, bytes)
    })
}
