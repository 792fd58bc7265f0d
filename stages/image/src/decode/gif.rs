//! GIF: its first frame on the canvas.

use std::io::Cursor;

use gif::{ColorOutput, DecodeOptions, MemoryLimit};
use img2tokens_schemas::ImageFormat;

use super::Raster;
use super::color::Palette;
use crate::ImageError;
use crate::limits::Limits;

/// The canvas is as large as the screen or the frame, whichever reaches farther. Where the frame leaves it bare it has
/// the frame's transparent index, or index 0: the background colour of the file is not used, as in Pillow.
pub(crate) fn decode(bytes: &[u8], limits: Limits) -> Result<Raster, ImageError> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    // The buffers are allocated here, after the limits were asked; what else the decoder keeps the file's length bounds.
    options.set_memory_limit(MemoryLimit::Unlimited);
    let mut decoder = options.read_info(Cursor::new(bytes)).map_err(corrupt)?;
    let screen = (u32::from(decoder.width()), u32::from(decoder.height()));
    let frame = decoder
        .next_frame_info()
        .map_err(corrupt)?
        .ok_or_else(|| corrupt("no frame"))?;
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let (frame_width, frame_height) = (usize::from(frame.width), usize::from(frame.height));
    let width = screen.0.max((left + frame_width) as u32);
    let height = screen.1.max((top + frame_height) as u32);
    // Canvas of indices, indices of the frame, RGB pixels.
    limits.admit(width, height, 5)?;
    let bare = frame.transparent.unwrap_or(0);
    let local = frame.palette.as_deref().map(Palette::from_rgb);

    let mut indices = vec![0; decoder.buffer_size()];
    decoder.read_into_buffer(&mut indices).map_err(corrupt)?;
    let global = decoder.global_palette().map(Palette::from_rgb);
    let palette = local.or(global).unwrap_or_else(gray_ramp);

    let mut canvas = vec![bare; width as usize * height as usize];
    let rows = canvas.chunks_exact_mut(width as usize).skip(top);
    for (target, row) in rows.zip(indices.chunks_exact(frame_width.max(1))) {
        if let Some(target) = target.get_mut(left..left + frame_width) {
            target.copy_from_slice(row);
        }
    }
    let rgb = canvas.iter().flat_map(|index| palette.color(*index)).collect();
    Ok(Raster { width, height, rgb })
}

/// A frame without any palette is grey, as in Pillow.
fn gray_ramp() -> Palette {
    Palette::new((0..=255).map(|value| [value; 3]))
}

fn corrupt(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ImageError {
    ImageError::corrupt(ImageFormat::Gif, source)
}
