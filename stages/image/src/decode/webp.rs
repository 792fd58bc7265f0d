//! WebP: lossy, lossless, and the first frame of an animation.

use std::io::Cursor;

use image_webp::{DecodingError, WebPDecoder};
use img2tokens_schemas::ImageFormat;

use super::Raster;
use crate::ImageError;
use crate::limits::{Limits, MAX_DECODE_BYTES};

pub(crate) fn decode(bytes: &[u8], limits: Limits) -> Result<Raster, ImageError> {
    // The decoder makes do with a last chunk cut short; libwebp does not.
    let stated = bytes
        .get(4..)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |length| u32::from_le_bytes(*length));
    if u64::from(stated) + 8 > bytes.len() as u64 {
        return Err(corrupt("the file is shorter than it states"));
    }
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(corrupt)?;
    decoder.set_memory_limit(MAX_DECODE_BYTES as usize);
    let (width, height) = decoder.dimensions();
    // The buffer given to the decoder, its own planes or RGBA pixels, and the RGB pixels.
    limits.admit(width, height, 11)?;
    let length = decoder
        .output_buffer_size()
        .ok_or_else(|| corrupt(DecodingError::ImageTooLarge))?;
    let mut data = vec![0; length];
    decoder.read_image(&mut data).map_err(corrupt)?;
    let rgb = if decoder.has_alpha() {
        data.as_chunks::<4>()
            .0
            .iter()
            .flat_map(|[r, g, b, _]| [*r, *g, *b])
            .collect()
    } else {
        data
    };
    Ok(Raster { width, height, rgb })
}

fn corrupt(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ImageError {
    ImageError::corrupt(ImageFormat::WebP, source)
}
