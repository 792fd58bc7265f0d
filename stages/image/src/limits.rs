//! What an image may cost: told from its bytes, before anything is allocated for it.

use crate::{ImageConfig, ImageError, resize};

/// The most memory, in bytes, that one image may hold at once: the decoder's own buffers, the RGB pixels, the resize.
pub const MAX_DECODE_BYTES: u64 = 1 << 30;

/// What decoding an image takes, told from its bytes alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Width of the decoded pixels.
    pub(crate) width: u32,
    /// Height of the decoded pixels.
    pub(crate) height: u32,
    /// The most bytes that decoding holds at once, the RGB pixels among them.
    pub(crate) bytes: u64,
    /// Nanoseconds of a core of the reference machine.
    pub(crate) nanoseconds: u64,
}

/// The limits of [`ImageConfig`], in the form in which decoders ask for them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    max_pixels: u64,
    min_side: u32,
    timeout_s: f64,
    size: u32,
}

impl From<&ImageConfig> for Limits {
    fn from(config: &ImageConfig) -> Self {
        Self {
            max_pixels: config.max_pixels,
            min_side: config.min_side.max(1),
            timeout_s: config.decode_timeout_s,
            size: config.size,
        }
    }
}

impl Limits {
    /// Admits an image whose header states these sides.
    pub(crate) fn admit_sides(self, width: u32, height: u32) -> Result<(), ImageError> {
        if width.min(height) < self.min_side {
            return Err(ImageError::TooSmall {
                width,
                height,
                min_side: self.min_side,
            });
        }
        if u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(ImageError::TooManyPixels {
                width,
                height,
                max_pixels: self.max_pixels,
            });
        }
        Ok(())
    }

    /// Admits an image of this cost, and adds what the resize takes. `figures` names what makes the work.
    pub(crate) fn admit(self, cost: Cost, figures: impl FnOnce() -> String) -> Result<Cost, ImageError> {
        let Cost { width, height, .. } = cost;
        self.admit_sides(width, height)?;
        let resize = resize::cost(width, height, self.size);
        let pixels = u64::from(width) * u64::from(height);
        let bytes = cost
            .bytes
            .max(pixels.saturating_mul(3).saturating_add(resize.bytes));
        if bytes > MAX_DECODE_BYTES {
            return Err(too_much_memory(width, height));
        }
        let nanoseconds = cost.nanoseconds.saturating_add(resize.nanoseconds);
        let cost = Cost {
            bytes,
            nanoseconds,
            ..cost
        };
        self.admit_work(cost, figures)?;
        Ok(cost)
    }

    /// Admits work that is done before the sides are known, or with all else.
    pub(crate) fn admit_work(self, cost: Cost, figures: impl FnOnce() -> String) -> Result<(), ImageError> {
        if cost.bytes > MAX_DECODE_BYTES {
            return Err(too_much_memory(cost.width, cost.height));
        }
        let seconds = cost.nanoseconds as f64 / 1e9;
        // A limit that is no number admits nothing.
        if self.timeout_s.is_nan() || seconds > self.timeout_s {
            return Err(ImageError::TooMuchWork {
                figures: figures(),
                seconds,
                limit: self.timeout_s,
            });
        }
        Ok(())
    }

    /// The same limits for a part of an image, which may be smaller than an image.
    pub(crate) const fn without_least_side(self) -> Self {
        Self { min_side: 1, ..self }
    }
}

/// Decoding these pixels holds more than [`MAX_DECODE_BYTES`], or an allocation for them failed.
pub(crate) fn too_much_memory(width: u32, height: u32) -> ImageError {
    ImageError::TooMuchMemory {
        width,
        height,
        limit: MAX_DECODE_BYTES,
    }
}

/// An empty vector with room for `length` values of an image of these sides.
pub(crate) fn reserve<T>(length: usize, width: u32, height: u32) -> Result<Vec<T>, ImageError> {
    let mut values = Vec::new();
    values
        .try_reserve_exact(length)
        .map_err(|_| too_much_memory(width, height))?;
    Ok(values)
}

/// `length` zeros, for an image of these sides.
pub(crate) fn zeros(length: usize, width: u32, height: u32) -> Result<Vec<u8>, ImageError> {
    let mut values = reserve(length, width, height)?;
    values.resize(length, 0);
    Ok(values)
}

#[cfg(test)]
mod tests {
    use img2tokens_schemas::FailureReason;

    use super::*;

    fn reason(width: u32, height: u32, bytes: u64, nanoseconds: u64) -> Option<FailureReason> {
        let limits = Limits {
            max_pixels: 1 << 28,
            min_side: 2,
            timeout_s: 1.5,
            size: 2,
        };
        let cost = Cost {
            width,
            height,
            bytes,
            nanoseconds,
        };
        limits
            .admit(cost, || "many parts".to_owned())
            .err()
            .map(|error| error.reason())
    }

    #[test]
    fn sides_pixels_memory_and_work_are_each_refused_one_past_their_limit() {
        assert_eq!(reason(2, 2, 12, 0), None);
        assert_eq!(reason(1, 2, 6, 0), Some(FailureReason::TooSmall));
        assert_eq!(
            reason(1 << 14, (1 << 14) + 1, 0, 0),
            Some(FailureReason::TooManyPixels)
        );
        assert_eq!(reason(2, 2, MAX_DECODE_BYTES, 0), None);
        assert_eq!(
            reason(2, 2, MAX_DECODE_BYTES + 1, 0),
            Some(FailureReason::TooManyPixels)
        );
        assert_eq!(reason(2, 2, 12, 1_400_000_000), None);
        assert_eq!(
            reason(2, 2, 12, 1_500_000_001),
            Some(FailureReason::DecodeTimeout)
        );
        assert_eq!(
            reason(u32::MAX, u32::MAX, u64::MAX, u64::MAX),
            Some(FailureReason::TooManyPixels)
        );
    }
}
