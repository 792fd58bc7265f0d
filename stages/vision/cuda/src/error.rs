//! What goes wrong on a device.

use img2tokens_vision::VisionError;

pub(crate) const BACKEND: &str = "cuda";

/// A device that did not do as it was told.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub(crate) struct Fault {
    /// What it was doing.
    doing: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Fault {
    pub(crate) fn new(
        doing: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            doing: doing.into(),
            source: source.into(),
        }
    }
}

impl From<Fault> for VisionError {
    fn from(fault: Fault) -> Self {
        Self::Backend {
            backend: BACKEND,
            doing: fault.doing,
            source: fault.source,
        }
    }
}
