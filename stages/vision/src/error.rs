//! Why a tokenizer gives no tokens.

use img2tokens_schemas::TokensError;

use crate::CheckpointError;

/// Why a tokenizer could not be made, or gave nothing: the fault of a setting, the model or its device, never of one
/// picture.
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
    /// A number came out infinite or undefined: the weights, or the precision, are not fit for this model.
    #[error("picture `{key}`: {stage} is not finite")]
    NotFinite {
        /// The picture's key.
        key: String,
        /// The part of the model whose output it is.
        stage: &'static str,
    },
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
