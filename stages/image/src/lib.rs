//! Bytes of any image file to S x S RGB pixels, as Pillow makes them.
//!
//! The published LaVIT code reads its images with Pillow: `Image.open(f).convert("RGB").resize((S, S), BICUBIC)`. This
//! room does the same to bytes from the open web: it looks at the content (never at a name or a header of HTTP) to tell
//! the format, refuses what is too large before it allocates, decodes the first frame, brings it to RGB by Pillow's
//! rules and resizes with Pillow's filter. `docs/images.md` has the formats, the rules and how near they come.
//!
//! ```
//! use img2tokens_image::{ImageConfig, ImageStage};
//!
//! let stage = ImageStage::new(ImageConfig::default());
//! let refused = stage.prepare(b"<!doctype html>").unwrap_err();
//! assert_eq!(refused.reason().code(), "not_an_image");
//! ```

mod config;
mod decode;
mod decoded;
mod encode;
mod error;
mod limits;
mod resize;
mod sniff;
mod stage;

pub use config::{ImageConfig, Resize};
pub use decoded::{Decoded, Prepared};
pub use encode::{EncodeError, encode_png};
pub use error::ImageError;
pub use limits::MAX_DECODE_BYTES;
pub use resize::ResizeError;
pub use sniff::{Sniffed, sniff};
pub use stage::{Examined, ImageStage};
