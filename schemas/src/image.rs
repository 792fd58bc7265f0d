//! What an image is between the rooms: its bytes' digest, its format, its resized pixels.

use serde::{Deserialize, Serialize};

/// A SHA-256 digest of an image's bytes as they came from the server.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

impl std::fmt::Display for Digest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{self}")
    }
}

/// The file formats the image stage knows by their first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageFormat {
    /// JPEG (ITU T.81).
    Jpeg,
    /// PNG, APNG's first frame included.
    Png,
    /// WebP.
    WebP,
    /// GIF, first frame.
    Gif,
    /// Windows bitmap.
    Bmp,
    /// TIFF, first page.
    Tiff,
    /// AVIF.
    Avif,
    /// HEIC.
    Heic,
}

impl ImageFormat {
    /// The format's name in lowercase, as in the JSON lines of `prepare`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::WebP => "webp",
            Self::Gif => "gif",
            Self::Bmp => "bmp",
            Self::Tiff => "tiff",
            Self::Avif => "avif",
            Self::Heic => "heic",
        }
    }
}

impl ImageFormat {
    /// The usual extension of its files, without a dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            other => other.name(),
        }
    }
}

impl std::fmt::Display for ImageFormat {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// An image resized for the model: S x S pixels, interleaved RGB, 8 bits a channel, rows from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    size: u32,
    rgb: Vec<u8>,
}

/// The buffer's length is not that of S x S RGB pixels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found} bytes are not {size} x {size} RGB pixels")]
pub struct PixelsError {
    /// The side in pixels that was asked for.
    pub size: u32,
    /// The length of the buffer that was given.
    pub found: usize,
}

impl Pixels {
    /// Takes a buffer of `size * size * 3` bytes.
    ///
    /// # Errors
    /// If the buffer has another length.
    pub fn new(size: u32, rgb: Vec<u8>) -> Result<Self, PixelsError> {
        let side = size as usize;
        match side.checked_mul(side).and_then(|area| area.checked_mul(3)) {
            Some(expected) if expected == rgb.len() => Ok(Self { size, rgb }),
            _ => Err(PixelsError {
                size,
                found: rgb.len(),
            }),
        }
    }

    /// The side S in pixels.
    #[must_use]
    pub const fn size(&self) -> u32 {
        self.size
    }

    /// The bytes, `[S, S, 3]`.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The bytes, `[S, S, 3]`, by value.
    #[must_use]
    pub fn into_rgb(self) -> Vec<u8> {
        self.rgb
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_of_another_length_are_refused() {
        assert!(Pixels::new(2, vec![0; 12]).is_ok());
        assert_eq!(
            Pixels::new(2, vec![0; 11]),
            Err(PixelsError { size: 2, found: 11 })
        );
    }

    #[test]
    fn a_digest_shows_as_64_hexadecimal_digits() {
        assert_eq!(Digest([0xab; 32]).to_string(), "ab".repeat(32));
    }
}
