//! `sequence.failed_images`: what becomes of a document of which an image fails.

use serde::{Deserialize, Serialize};

/// What becomes of a document of which an image fails. One of which no image is left fails in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailedImages {
    /// It goes on without that image, and says so.
    Drop,
    /// It fails as its first image did that failed.
    Fail,
}
