//! Why bytes give no pixels.

use std::error::Error;

use img2tokens_schemas::{Failure, FailureReason, ImageFormat};

/// Why the image stage refuses bytes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The bytes are empty or begin like no image format.
    #[error("the bytes begin like no known image format")]
    NotAnImage,
    /// A format, or a variant of one, that is known and not decoded here.
    #[error("{what} is not decoded here")]
    Unsupported {
        /// The format or variant, in a person's words.
        what: String,
    },
    /// The header states more pixels than `image.max_pixels`.
    #[error("{width} x {height} pixels are more than max_pixels = {max_pixels}")]
    TooManyPixels {
        /// Stated width in pixels.
        width: u32,
        /// Stated height in pixels.
        height: u32,
        /// The limit.
        max_pixels: u64,
    },
    /// Decoding would hold more than [`crate::MAX_DECODE_BYTES`] at once.
    #[error("decoding {width} x {height} pixels of this kind takes more than {limit} bytes of memory")]
    TooMuchMemory {
        /// Stated width in pixels.
        width: u32,
        /// Stated height in pixels.
        height: u32,
        /// The limit in bytes.
        limit: u64,
    },
    /// A side is shorter than `image.min_side`, or zero.
    #[error("a side of {width} x {height} pixels is shorter than min_side = {min_side}")]
    TooSmall {
        /// Stated width in pixels.
        width: u32,
        /// Stated height in pixels.
        height: u32,
        /// The limit.
        min_side: u32,
    },
    /// Decoding is more work than a core does in `image.decode_timeout_s`.
    #[error("{figures}: {seconds:.1} s of work, more than decode_timeout_s = {limit}")]
    TooMuchWork {
        /// What the bytes state that makes the work.
        figures: String,
        /// The work, in seconds of a core of the reference machine.
        seconds: f64,
        /// The limit in seconds.
        limit: f64,
    },
    /// The bytes are of this format and do not decode.
    #[error("corrupt {format}")]
    Corrupt {
        /// The format they begin like.
        format: ImageFormat,
        /// What the decoder says.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl ImageError {
    /// Bytes of `format` that do not decode, for the reason `source` gives.
    pub(crate) fn corrupt(format: ImageFormat, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Corrupt {
            format,
            source: source.into(),
        }
    }

    /// Which of the closed list of reasons this is.
    #[must_use]
    pub const fn reason(&self) -> FailureReason {
        match self {
            Self::NotAnImage => FailureReason::NotAnImage,
            Self::Unsupported { .. } => FailureReason::UnsupportedFormat,
            Self::TooManyPixels { .. } | Self::TooMuchMemory { .. } => FailureReason::TooManyPixels,
            Self::TooSmall { .. } => FailureReason::TooSmall,
            Self::TooMuchWork { .. } => FailureReason::DecodeTimeout,
            Self::Corrupt { .. } => FailureReason::CorruptImage,
        }
    }
}

impl From<&ImageError> for Failure {
    fn from(error: &ImageError) -> Self {
        let mut detail = error.to_string();
        let mut cause = error.source();
        while let Some(source) = cause {
            detail = format!("{detail}: {source}");
            cause = source.source();
        }
        // A decoder may quote bytes of the file: the detail is one line of plain text whatever they are.
        let one_line: String = detail
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        Self::new(error.reason(), one_line)
    }
}

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Self {
        Self::from(&error)
    }
}
