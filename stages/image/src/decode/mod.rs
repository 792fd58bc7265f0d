//! One file a format: from its bytes to RGB pixels by the rules of Pillow's `convert("RGB")`.

use img2tokens_schemas::ImageFormat;

use crate::ImageError;
use crate::limits::{Cost, Limits};

pub(crate) mod avif;
pub(crate) mod avif_boxes;
pub(crate) mod avif_cost;
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
pub(crate) mod tiff_cost;
pub(crate) mod tiff_directory;
pub(crate) mod tiff_orientation;
pub(crate) mod tiff_patch;
pub(crate) mod tiff_samples;
pub(crate) mod tiff_tables;
pub(crate) mod vp8l;
pub(crate) mod vp8l_code;
pub(crate) mod webp;
pub(crate) mod webp_chunks;
pub(crate) mod yuv;

/// Decoded pixels: `[height, width, 3]`, interleaved RGB, 8 bits a channel, rows from the top.
#[derive(Debug)]
pub(crate) struct Raster {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) rgb: Vec<u8>,
}

/// What decoding the first frame of `bytes`, which begin like `format`, takes.
pub(crate) fn examine(format: ImageFormat, bytes: &[u8], limits: Limits) -> Result<Cost, ImageError> {
    match format {
        ImageFormat::Jpeg => jpeg::examine(bytes, limits),
        ImageFormat::Png => png::examine(bytes, limits),
        ImageFormat::WebP => webp::examine(bytes, limits),
        ImageFormat::Gif => gif::examine(bytes, limits),
        ImageFormat::Bmp => bmp::examine(bytes, limits),
        ImageFormat::Tiff => tiff::examine(bytes, limits),
        ImageFormat::Avif => avif::examine(bytes, limits),
        ImageFormat::Heic => Err(ImageError::Unsupported {
            what: "HEIC".to_owned(),
        }),
    }
}

/// Decodes the first frame of `bytes`, which begin like `format`.
pub(crate) fn decode(format: ImageFormat, bytes: &[u8], limits: Limits) -> Result<Raster, ImageError> {
    match format {
        ImageFormat::Jpeg => jpeg::decode(bytes, limits),
        ImageFormat::Png => png::decode(bytes),
        ImageFormat::WebP => webp::decode(bytes),
        ImageFormat::Gif => gif::decode(bytes),
        ImageFormat::Bmp => bmp::decode(bytes),
        ImageFormat::Tiff => tiff::decode(bytes),
        ImageFormat::Avif => avif::decode(bytes),
        ImageFormat::Heic => Err(ImageError::Unsupported {
            what: "HEIC".to_owned(),
        }),
    }
}
