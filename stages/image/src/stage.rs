//! The stage: bytes in, pixels out.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use img2tokens_schemas::ImageFormat;

use crate::decode::{self, Raster};
use crate::limits::{Cost, Limits};
use crate::{Decoded, ImageConfig, ImageError, Prepared, Resize, Sniffed, resize, sniff};

/// Turns the bytes of any image file into the square of RGB pixels that the model reads.
///
/// It holds no state between images, so one stage serves any number of threads.
#[derive(Debug, Clone)]
pub struct ImageStage {
    config: ImageConfig,
    limits: Limits,
}

impl ImageStage {
    /// A stage with these settings.
    #[must_use]
    pub fn new(config: ImageConfig) -> Self {
        Self {
            limits: Limits::from(&config),
            config,
        }
    }

    /// Reads the headers and holds them against every limit: what an image costs is known before it is decoded. The
    /// outcome depends on the bytes and the settings alone.
    ///
    /// # Errors
    /// If the bytes are no image, of a format not decoded here, beyond a limit, or have broken headers.
    pub fn examine<'a>(&self, bytes: &'a [u8]) -> Result<Examined<'a>, ImageError> {
        let format = supported(bytes)?;
        let reduction = match self.config.resize {
            Resize::BicubicScaledDct => Some(self.config.size),
            Resize::Bicubic => None,
        };
        let cost = guarded(format, || decode::examine(format, bytes, self.limits))?;
        Ok(Examined {
            bytes,
            format,
            cost,
            limits: self.limits,
            size: self.config.size,
            reduction,
        })
    }

    /// Decodes the first frame and resizes it to S x S.
    ///
    /// # Errors
    /// If the bytes are no image, of a format not decoded here, beyond a limit, or corrupt. A truncated file is corrupt
    /// where Pillow refuses it.
    pub fn prepare(&self, bytes: &[u8]) -> Result<Prepared, ImageError> {
        self.examine(bytes)?.prepare()
    }

    /// Decodes the first frame at its own size.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    pub fn decode(&self, bytes: &[u8]) -> Result<Decoded, ImageError> {
        self.examine(bytes)?.decode()
    }
}

/// An image that is within the limits and not decoded yet.
#[derive(Debug, Clone)]
pub struct Examined<'a> {
    bytes: &'a [u8],
    format: ImageFormat,
    cost: Cost,
    limits: Limits,
    size: u32,
    /// The side for which a JPEG may be decoded smaller.
    reduction: Option<u32>,
}

impl Examined<'_> {
    /// The most memory, in bytes, that decoding and resizing this image holds at once, its own bytes not counted: at
    /// most [`crate::MAX_DECODE_BYTES`].
    #[must_use]
    pub const fn memory_bytes(&self) -> u64 {
        self.cost.bytes
    }

    /// The work of decoding and resizing it, in seconds of a core of the reference machine: an upper bound, computed
    /// from what the bytes state.
    #[must_use]
    pub fn work_s(&self) -> f64 {
        self.cost.nanoseconds as f64 / 1e9
    }

    /// Decodes the first frame and resizes it to S x S.
    ///
    /// # Errors
    /// If the bytes are corrupt behind their headers, or memory for them cannot be had.
    pub fn prepare(self) -> Result<Prepared, ImageError> {
        let format = self.format;
        let (width, height, raster) = match (self.reduction, format) {
            (Some(size), ImageFormat::Jpeg) => guarded(format, || {
                decode::jpeg::decode_scaled(self.bytes, self.limits, size)
            })?,
            _ => {
                let raster = self.raster()?;
                (raster.width, raster.height, raster)
            }
        };
        let pixels = resize::bicubic(raster.width, raster.height, &raster.rgb, self.size)
            .map_err(|error| ImageError::corrupt(format, error))?;
        Ok(Prepared {
            pixels,
            format,
            width,
            height,
        })
    }

    /// Decodes the first frame at its own size.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    pub fn decode(self) -> Result<Decoded, ImageError> {
        let Raster { width, height, rgb } = self.raster()?;
        Ok(Decoded {
            format: self.format,
            width,
            height,
            rgb,
        })
    }

    fn raster(&self) -> Result<Raster, ImageError> {
        guarded(self.format, || {
            decode::decode(self.format, self.bytes, self.limits)
        })
    }
}

fn supported(bytes: &[u8]) -> Result<ImageFormat, ImageError> {
    match sniff(bytes) {
        Sniffed::Format(format) => Ok(format),
        Sniffed::Foreign(name) => Err(ImageError::Unsupported {
            what: name.to_owned(),
        }),
        Sniffed::Unknown => Err(ImageError::NotAnImage),
    }
}

/// Runs a decoder so that a panic in it costs this image and nothing else.
///
/// The decoders are other people's code fed with hostile bytes; one that trips over an assertion or an index must not
/// take down a worker that has thousands of good images in flight. Nothing outlives the closure that the unwinding could
/// leave half-changed: each decoder is made for one image and dropped with it.
fn guarded<T>(format: ImageFormat, decode: impl FnOnce() -> Result<T, ImageError>) -> Result<T, ImageError> {
    catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|panic| {
        Err(ImageError::corrupt(
            format,
            format!("the decoder panicked: {}", message(&*panic)),
        ))
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use img2tokens_schemas::FailureReason;

    use super::*;

    #[test]
    fn a_panic_in_a_decoder_is_a_corrupt_image() {
        let outcome = guarded::<()>(ImageFormat::Png, || panic!("tripped over a chunk"));
        let error = outcome.unwrap_err();
        assert_eq!(error.reason(), FailureReason::CorruptImage);
        assert!(
            img2tokens_schemas::Failure::from(&error)
                .detail
                .contains("tripped over a chunk")
        );
    }
}
