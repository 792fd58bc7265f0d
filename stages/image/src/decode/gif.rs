//! GIF: its first frame on the canvas.

use std::io::Cursor;

use gif::{ColorOutput, DecodeOptions, Decoder, MemoryLimit};
use img2tokens_schemas::ImageFormat;

use super::Raster;
use super::color::Palette;
use crate::ImageError;
use crate::limits::{Cost, Limits, reserve, zeros};

/// Bytes of what the decoder keeps whatever the picture: palettes, a table of codes and what they stand for.
const FIXED_BYTES: u64 = 1 << 20;

/// Nanoseconds, measured on a core of an AMD EPYC: a pixel of the frame, a pixel of the canvas, a row, a byte of the
/// file (of which each may be a code, or a block).
const FRAME_PIXEL_NS: u64 = 8;
const CANVAS_PIXEL_NS: u64 = 4;
const ROW_NS: u64 = 60;
const FILE_BYTE_NS: u64 = 30;

/// What decoding takes: indices of the frame, then beside them the canvas of indices, then RGB pixels.
pub(crate) fn examine(bytes: &[u8], limits: Limits) -> Result<Cost, ImageError> {
    let mut decoder = open(bytes)?;
    let (width, height) = (u32::from(decoder.width()), u32::from(decoder.height()));
    let frame = decoder
        .next_frame_info()
        .map_err(corrupt)?
        .ok_or_else(|| corrupt("no frame"))?;
    let width = width.max(u32::from(frame.left) + u32::from(frame.width));
    let height = height.max(u32::from(frame.top) + u32::from(frame.height));
    let inside = u64::from(frame.width) * u64::from(frame.height);
    let pixels = u64::from(width) * u64::from(height);
    let cost = Cost {
        width,
        height,
        // Comments and what applications put there, in a list that moves as it grows.
        bytes: FIXED_BYTES + inside + 4 * pixels + 3 * bytes.len() as u64,
        nanoseconds: inside * FRAME_PIXEL_NS
            + pixels * CANVAS_PIXEL_NS
            + u64::from(height) * ROW_NS
            + bytes.len() as u64 * FILE_BYTE_NS,
    };
    limits.admit(cost, || {
        format!("a frame of {inside} pixels on a canvas of {width} x {height}")
    })
}

/// The canvas is as large as the screen or the frame, whichever reaches farther. Where the frame leaves it bare it has
/// the frame's transparent index, or index 0: the background colour of the file is not used, as in Pillow.
pub(crate) fn decode(bytes: &[u8]) -> Result<Raster, ImageError> {
    let mut decoder = open(bytes)?;
    let screen = (u32::from(decoder.width()), u32::from(decoder.height()));
    let frame = decoder
        .next_frame_info()
        .map_err(corrupt)?
        .ok_or_else(|| corrupt("no frame"))?;
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let (frame_width, frame_height) = (usize::from(frame.width), usize::from(frame.height));
    let width = screen.0.max((left + frame_width) as u32);
    let height = screen.1.max((top + frame_height) as u32);
    let bare = frame.transparent.unwrap_or(0);
    let local = frame.palette.as_deref().map(Palette::from_rgb);

    let mut indices = zeros(decoder.buffer_size(), width, height)?;
    decoder.read_into_buffer(&mut indices).map_err(corrupt)?;
    let global = decoder.global_palette().map(Palette::from_rgb);
    let palette = local.or(global).unwrap_or_else(gray_ramp);

    let area = width as usize * height as usize;
    let mut canvas = reserve(area, width, height)?;
    canvas.resize(area, bare);
    let rows = canvas.chunks_exact_mut(width as usize).skip(top);
    for (target, row) in rows.zip(indices.chunks_exact(frame_width.max(1))) {
        if let Some(target) = target.get_mut(left..left + frame_width) {
            target.copy_from_slice(row);
        }
    }
    drop(indices);
    let mut rgb = reserve(area * 3, width, height)?;
    rgb.extend(canvas.iter().flat_map(|index| palette.color(*index)));
    Ok(Raster { width, height, rgb })
}

fn open(bytes: &[u8]) -> Result<Decoder<Cursor<&[u8]>>, ImageError> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    // The buffers are allocated here, after the limits were asked; what else the decoder keeps the file's length bounds.
    options.set_memory_limit(MemoryLimit::Unlimited);
    options.read_info(Cursor::new(bytes)).map_err(corrupt)
}

/// A frame without any palette is grey, as in Pillow.
fn gray_ramp() -> Palette {
    Palette::new((0..=255).map(|value| [value; 3]))
}

fn corrupt(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ImageError {
    ImageError::corrupt(ImageFormat::Gif, source)
}
