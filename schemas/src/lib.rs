//! The records that pass between the rooms of img2tokens, their Arrow schemas, and the reasons a pair can fail.
//!
//! Every stage knows this crate and nothing of another stage. Nothing here is asynchronous: plain types
//! whose constructors refuse what cannot be true, and the one way in which files that users name are opened ([`regular`]).
//!
//! The feature `arrow` adds the table side ([`columns`], [`row`], [`document`]), which only the rooms that read or write
//! tables need; the feature `lists` adds [`listed`], lists of what must not be used.

pub mod failure;
pub mod features;
pub mod image;
pub mod packed;
pub mod redact;
pub mod regular;
pub mod sequence;
pub mod shown;
pub mod tokens;

#[cfg(feature = "arrow")]
pub mod columns;
#[cfg(feature = "arrow")]
pub mod document;
#[cfg(feature = "lists")]
pub mod listed;
#[cfg(feature = "arrow")]
pub mod row;

pub use failure::{Failure, FailureReason};
pub use features::{FeaturesError, MergedFeatures};
pub use image::{Digest, ImageFormat, Pixels, PixelsError};
pub use packed::{PackedRow, PackedSegment, Packing};
pub use redact::redact;
pub use regular::{open_regular, read_regular, read_regular_text};
pub use sequence::{Order, Sequence, Vocabulary};
pub use shown::{Shown, shown};
pub use tokens::{KeepMask, TokensError, VisualTokens};

#[cfg(feature = "arrow")]
pub use columns::{InputColumn, OptionalColumns, SCHEMA_VERSION};
#[cfg(feature = "arrow")]
pub use document::{DocumentImage, DocumentText, DocumentTokens, DroppedImage, Part};
#[cfg(feature = "arrow")]
pub use row::{KeptColumns, Outcome, PairTokens, PictureSource, Row, RowIndex, SequenceRow, StatedDigest};
