//! Why a tokenizer gives no tokens.

use img2tokens_schemas::{Failure, FailureReason, FeaturesError, TokensError};

use crate::CheckpointError;

/// Numbers of one picture came out infinite or undefined: too large for the model's dtype. Only that picture is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} is not finite")]
pub struct NotFinite {
    /// The part of the model whose output it is.
    pub what: &'static str,
}

impl From<NotFinite> for Failure {
    fn from(fault: NotFinite) -> Self {
        Self::new(FailureReason::NotFinite, fault.to_string())
    }
}

impl From<FeaturesError> for VisionError {
    fn from(error: FeaturesError) -> Self {
        match error {
            FeaturesError::NotFinite => NotFinite {
                what: "a merged feature",
            }
            .into(),
            error @ FeaturesError::Rows { .. } => Self::Features(error),
        }
    }
}

/// Tells a picture's own fault from one that ends the batch.
///
/// # Errors
/// Every other error than [`VisionError::NotFinite`].
pub fn of_picture<T>(result: Result<T, VisionError>) -> Result<Result<T, NotFinite>, VisionError> {
    match result {
        Ok(made) => Ok(Ok(made)),
        Err(VisionError::NotFinite(fault)) => Ok(Err(fault)),
        Err(error) => Err(error),
    }
}

/// Why a tokenizer could not be made, or gave nothing: the fault of a setting, the model or its device, but for
/// [`VisionError::NotFinite`] never of one picture.
#[derive(Debug, thiserror::Error)]
pub enum VisionError {
    /// The checkpoint does not hold what the model needs.
    #[error("the model's checkpoint")]
    Checkpoint(#[from] CheckpointError),
    /// The batch holds pictures of another size than the model's.
    #[error("pictures of {found} pixels given to a model for {expected}")]
    PictureSize {
        /// The model's `image_size`.
        expected: usize,
        /// The batch's.
        found: usize,
    },
    /// Noise given for a test does not fit the batch.
    #[error("{what}: {found} given, {expected} needed")]
    GivenNoise {
        /// What was counted.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A picture's own fault: see [`of_picture`].
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
    /// Features are not of the model's width.
    #[error("inconsistent features")]
    Features(#[source] FeaturesError),
    /// Codes and mask do not belong together.
    #[error("inconsistent tokens")]
    Tokens(#[from] TokensError),
    /// A setting that this backend does not have.
    #[error("{0}")]
    Unsupported(String),
    /// The backend's library or device failed.
    #[error("{backend}: {doing}")]
    Backend {
        /// The backend's name.
        backend: &'static str,
        /// What it was doing.
        doing: String,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
