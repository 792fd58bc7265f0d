//! One file a format: from its bytes to RGB pixels by the rules of Pillow's `convert("RGB")`.

use img2tokens_schemas::ImageFormat;

use crate::ImageError;
use crate::limits::Limits;

pub(crate) mod avif;
pub(crate) mod bmp;
pub(crate) mod bmp_header;
pub(crate) mod bmp_rle;
pub(crate) mod color;
pub(crate) mod gif;
pub(crate) mod jpeg;
pub(crate) mod jpeg_markers;
pub(crate) mod png;
pub(crate) mod tiff;
pub(crate) mod tiff_chunks;
pub(crate) mod tiff_orientation;
pub(crate) mod tiff_patch;
pub(crate) mod tiff_samples;
pub(crate) mod webp;
pub(crate) mod yuv;

/// Decoded pixels: `[height, width, 3]`, interleaved RGB, 8 bits a channel, rows from the top.
#[derive(Debug)]
pub(crate) struct Raster {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) rgb: Vec<u8>,
}

/// Decodes the first frame of `bytes`, which begin like `format`.
pub(crate) fn decode(format: ImageFormat, bytes: &[u8], limits: Limits) -> Result<Raster, ImageError> {
    match format {
        ImageFormat::Jpeg => jpeg::decode(bytes, limits),
        ImageFormat::Png => png::decode(bytes, limits),
        ImageFormat::WebP => webp::decode(bytes, limits),
        ImageFormat::Gif => gif::decode(bytes, limits),
        ImageFormat::Bmp => bmp::decode(bytes, limits),
        ImageFormat::Tiff => tiff::decode(bytes, limits),
        ImageFormat::Avif => avif::decode(bytes, limits),
        ImageFormat::Heic => Err(ImageError::Unsupported {
            what: "HEIC".to_owned(),
        }),
    }
}
