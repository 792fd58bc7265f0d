//! Documents: rows of many texts and images in their order.

use crate::{Digest, FailureReason, KeepMask, PictureSource};

/// A part of a document as the input has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A text, maybe blank.
    Text(String),
    /// An image.
    Image {
        /// Its place in the row's list of images, from 0: with the document's key it names the image.
        place: u32,
        /// Where it is to be had.
        picture: PictureSource,
    },
}

/// What the stages made of a document's parts, each kind in the order of the document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DocumentTokens {
    /// The images that have codes.
    pub images: Vec<DocumentImage>,
    /// The texts that have ids.
    pub texts: Vec<DocumentText>,
    /// The images that the document goes without.
    pub dropped: Vec<DroppedImage>,
}

/// An image of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentImage {
    /// Its place in the row's list of images, from 0.
    pub place: u32,
    /// The index in the sequence of its first code, right after `[IMG]`.
    pub start: u32,
    /// The number of its codes.
    pub len: u32,
    /// The patches that they stand for.
    pub kept: KeepMask,
    /// Where it came from, if a URL is known.
    pub url: Option<String>,
    /// The digest of its bytes.
    pub sha256: Digest,
    /// The width of the original in pixels.
    pub width: u32,
    /// The height of the original in pixels.
    pub height: u32,
}

/// A text of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentText {
    /// The index in the sequence of its first id.
    pub start: u32,
    /// The number of its ids.
    pub len: u32,
    /// The text whose ids they are.
    pub text: String,
    /// Whether ids past the most that a text may have were cut off.
    pub truncated: bool,
}

/// An image that a document goes without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DroppedImage {
    /// Its place in the row's list of images, from 0.
    pub place: u32,
    /// Why.
    pub reason: FailureReason,
}

/// What an image of a document is called: by this selection noise is drawn.
#[must_use]
pub fn image_key(document: &str, place: u32) -> String {
    format!("{document}#{place}")
}
