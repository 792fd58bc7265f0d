//! What an image may cost: checked against its header, before anything is allocated for it.

use crate::{ImageConfig, ImageError};

/// The most memory, in bytes, that decoding one image may hold at once: the decoder's own buffers and the RGB pixels.
pub const MAX_DECODE_BYTES: u64 = 1 << 30;

/// The limits of [`ImageConfig`], in the form in which decoders ask for them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    max_pixels: u64,
    min_side: u32,
}

impl From<&ImageConfig> for Limits {
    fn from(config: &ImageConfig) -> Self {
        Self {
            max_pixels: config.max_pixels,
            min_side: config.min_side.max(1),
        }
    }
}

impl Limits {
    /// Admits an image whose header states these sides and whose decoding holds `bytes_per_pixel` bytes a pixel at
    /// once, the three of the RGB pixels among them.
    pub(crate) fn admit(self, width: u32, height: u32, bytes_per_pixel: u64) -> Result<(), ImageError> {
        let pixels = u64::from(width) * u64::from(height);
        if width.min(height) < self.min_side {
            return Err(ImageError::TooSmall {
                width,
                height,
                min_side: self.min_side,
            });
        }
        if pixels > self.max_pixels {
            return Err(ImageError::TooManyPixels {
                width,
                height,
                max_pixels: self.max_pixels,
            });
        }
        if pixels.saturating_mul(bytes_per_pixel) > MAX_DECODE_BYTES {
            return Err(ImageError::TooMuchMemory {
                width,
                height,
                limit: MAX_DECODE_BYTES,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use img2tokens_schemas::FailureReason;

    use super::*;

    fn reason(width: u32, height: u32, bytes_per_pixel: u64) -> Option<FailureReason> {
        let limits = Limits {
            max_pixels: 1 << 28,
            min_side: 2,
        };
        limits
            .admit(width, height, bytes_per_pixel)
            .err()
            .map(|error| error.reason())
    }

    #[test]
    fn sides_pixels_and_memory_are_each_refused_one_past_their_limit() {
        assert_eq!(reason(2, 2, 3), None);
        assert_eq!(reason(1, 2, 3), Some(FailureReason::TooSmall));
        assert_eq!(reason(1 << 14, 1 << 14, 4), None);
        assert_eq!(
            reason(1 << 14, (1 << 14) + 1, 3),
            Some(FailureReason::TooManyPixels)
        );
        assert_eq!(reason(1 << 14, 1 << 14, 5), Some(FailureReason::TooManyPixels));
        assert_eq!(
            reason(u32::MAX, u32::MAX, u64::MAX),
            Some(FailureReason::TooManyPixels)
        );
    }
}
