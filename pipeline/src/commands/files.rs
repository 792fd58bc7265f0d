//! Local image files and the JSON line of one that failed.

use std::io::ErrorKind;
use std::path::Path;

use img2tokens_fetch::FetchConfig;
use img2tokens_schemas::{Failure, FailureReason, read_regular};
use serde_json::{Value, json};

/// The bytes of a regular file, of as many as a download may have by default.
///
/// # Errors
/// If it cannot be read, is no regular file, or is longer.
pub(super) fn read_image(path: &Path) -> Result<Vec<u8>, Failure> {
    read_regular(path, FetchConfig::default().max_bytes).map_err(|error| {
        let reason = match error.kind() {
            ErrorKind::FileTooLarge => FailureReason::TooLarge,
            _ => FailureReason::CorruptRow,
        };
        Failure::new(reason, error.to_string())
    })
}

/// `{"path", "error", "message"}`
pub(super) fn failure_line(path: &Path, failure: &Failure) -> Value {
    json!({ "path": path.to_string_lossy(), "error": failure.reason.code(), "message": failure.detail })
}
