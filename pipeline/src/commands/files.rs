//! Local image files and the JSON line of one that failed.

use std::path::Path;

use img2tokens_schemas::{Failure, FailureReason};
use serde_json::{Value, json};

/// The bytes of a file.
///
/// # Errors
/// If it cannot be read.
pub(super) fn read_image(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::new(FailureReason::CorruptRow, error.to_string()))
}

/// `{"path", "error", "message"}`
pub(super) fn failure_line(path: &Path, failure: &Failure) -> Value {
    json!({ "path": path.to_string_lossy(), "error": failure.reason.code(), "message": failure.detail })
}
