//! What comes out of the stage.

use img2tokens_schemas::{ImageFormat, Pixels};

use crate::resize::{self, ResizeError};

/// An image ready for the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// S x S RGB pixels.
    pub pixels: Pixels,
    /// What the bytes were.
    pub format: ImageFormat,
    /// Width of the original in pixels.
    pub width: u32,
    /// Height of the original in pixels.
    pub height: u32,
}

/// An image at its own size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// What the bytes were.
    pub format: ImageFormat,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `[height, width, 3]`: interleaved RGB, 8 bits a channel, rows from the top.
    pub rgb: Vec<u8>,
}

impl Decoded {
    /// The mean of each channel, 0 to 255.
    #[must_use]
    pub fn mean_rgb(&self) -> [f64; 3] {
        let mut sums = [0_u64; 3];
        for pixel in self.rgb.chunks_exact(3) {
            for (sum, value) in sums.iter_mut().zip(pixel) {
                *sum += u64::from(*value);
            }
        }
        let pixels = (self.rgb.len() / 3).max(1);
        sums.map(|sum| sum as f64 / pixels as f64)
    }

    /// The image as `size` x `size` pixels, by Pillow's bicubic filter.
    ///
    /// # Errors
    /// If `size` is 0, or `rgb` is not `width * height` pixels (possible only where it was changed by hand).
    pub fn resize(&self, size: u32) -> Result<Pixels, ResizeError> {
        resize::bicubic(self.width, self.height, &self.rgb, size)
    }
}
