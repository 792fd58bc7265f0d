//! Where the shared files are.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

/// A file of the shared folder.
pub fn read(path: &str) -> Vec<u8> {
    let path = shared().join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The project's shared folder: `IMG2TOKENS_SHARED`, or `shared` beside a folder above this crate.
fn shared() -> PathBuf {
    if let Some(folder) = std::env::var_os("IMG2TOKENS_SHARED") {
        return folder.into();
    }
    let above = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("shared"));
    let found = above
        .into_iter()
        .find(|folder| folder.join("images/expected.csv").is_file());
    found.expect("no folder above this crate has shared/images/expected.csv; set IMG2TOKENS_SHARED")
}
