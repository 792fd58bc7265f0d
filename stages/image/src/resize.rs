//! Pillow's bicubic resize.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use img2tokens_schemas::{Pixels, PixelsError};

/// Pixels that cannot be resized.
#[derive(Debug, thiserror::Error)]
#[error("{width} x {height} pixels cannot be resized to {size} x {size}")]
pub struct ResizeError {
    width: u32,
    height: u32,
    size: u32,
    #[source]
    source: Cause,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("the buffer does not fit its sides")]
    Buffer(#[from] fast_image_resize::ImageBufferError),
    #[error("the resizer refuses them")]
    Resize(#[from] fast_image_resize::ResizeError),
    #[error(transparent)]
    Pixels(#[from] PixelsError),
}

/// Resizes `[height, width, 3]` bytes to `size` x `size`.
///
/// Catmull-Rom is the cubic filter with a = -0.5; it is widened by the scale when the image shrinks, as Pillow does.
pub(crate) fn bicubic(width: u32, height: u32, rgb: &[u8], size: u32) -> Result<Pixels, ResizeError> {
    resample(width, height, rgb, size).map_err(|source| ResizeError {
        width,
        height,
        size,
        source,
    })
}

fn resample(width: u32, height: u32, rgb: &[u8], size: u32) -> Result<Pixels, Cause> {
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::CatmullRom));
    let mut resizer = Resizer::new();
    let source = ImageRef::new(width, height, rgb, PixelType::U8x3)?;
    let mut narrow = Image::new(size, height, PixelType::U8x3);
    resizer.resize(&source, &mut narrow, &options)?;
    let mut square = Image::new(size, size, PixelType::U8x3);
    resizer.resize(&narrow, &mut square, &options)?;
    Ok(Pixels::new(size, square.into_vec())?)
}
