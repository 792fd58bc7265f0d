//! Where the pictures are.

#![allow(clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

/// A file of `tests/data`.
pub fn read(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/data")
        .join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
