//! Windows and OS/2 bitmaps: the variants that Pillow reads, read as Pillow reads them.
//!
//! Rows are padded to four bytes and stored from the bottom unless the height is negative.

use img2tokens_schemas::ImageFormat;

use super::Raster;
use super::bmp_header::{Compression, Header};
use super::bmp_rle;
use super::color::unpack;
use crate::ImageError;
use crate::limits::{Cost, Limits, reserve};

/// Nanoseconds, measured on a core of an AMD EPYC: a pixel, a byte of run lengths, a row.
const PIXEL_NS: u64 = 8;
const RUN_BYTE_NS: u64 = 8;
const ROW_NS: u64 = 50;

/// What decoding takes: RGB pixels, and the indices that run lengths are expanded to.
pub(crate) fn examine(bytes: &[u8], limits: Limits) -> Result<Cost, ImageError> {
    let header = Header::parse(bytes)?;
    let Header { width, height, .. } = header;
    limits.admit_sides(width, height)?;
    let runs = matches!(header.compression, Compression::Rle { .. });
    let pixels = u64::from(width) * u64::from(height);
    let cost = Cost {
        width,
        height,
        bytes: pixels * (3 + u64::from(runs)) + 4096,
        nanoseconds: pixels * PIXEL_NS
            + u64::from(height) * ROW_NS
            + u64::from(runs) * bytes.len() as u64 * RUN_BYTE_NS,
    };
    let cost = limits.admit(cost, || format!("{width} x {height} pixels"))?;
    if !runs {
        // Before anything is allocated: a header alone makes no picture.
        let _rows = stored_rows(bytes.get(header.data_offset..).unwrap_or_default(), &header)?;
    }
    Ok(cost)
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Raster, ImageError> {
    let header = Header::parse(bytes)?;
    let Header {
        width, height, bits, ..
    } = header;
    let data = bytes.get(header.data_offset..).unwrap_or_default();
    let columns = width as usize;
    let mut rgb = reserve(columns * height as usize * 3, width, height)?;
    match &header.compression {
        Compression::Rle { nibbles } => {
            let room = reserve(columns * height as usize, width, height)?;
            let indices = bmp_rle::expand(data, columns, height as usize, *nibbles, room);
            for row in in_order(&indices, columns, height, header.from_top) {
                rgb.extend(row.iter().flat_map(|index| header.palette.color(*index)));
            }
        }
        Compression::Indexed => {
            for row in stored_rows(data, &header)? {
                rgb.extend(unpack(row, bits as u8, columns).flat_map(|index| header.palette.color(index)));
            }
        }
        Compression::Masks(masks) => {
            for row in stored_rows(data, &header)? {
                let pixels = row.chunks_exact(usize::from(bits / 8)).take(columns);
                rgb.extend(pixels.flat_map(|pixel| masks.each_ref().map(|mask| mask.sample(pixel))));
            }
        }
    }
    Ok(Raster { width, height, rgb })
}

/// The rows as stored, put in order from the top.
fn stored_rows<'a>(data: &'a [u8], header: &Header) -> Result<impl Iterator<Item = &'a [u8]>, ImageError> {
    let stride = (header.width as usize * usize::from(header.bits)).div_ceil(32) * 4;
    // Pillow does not miss the padding of the last row.
    let last_row = (header.width as usize * usize::from(header.bits)).div_ceil(8);
    if data.len() < stride * (header.height as usize - 1) + last_row {
        return Err(corrupt("the file ends before its last row"));
    }
    Ok(in_order(data, stride, header.height, header.from_top))
}

fn in_order(data: &[u8], stride: usize, height: u32, from_top: bool) -> impl Iterator<Item = &[u8]> {
    let height = height as usize;
    (0..height).map(move |y| {
        let row = if from_top { y } else { height - 1 - y };
        let end = ((row + 1) * stride).min(data.len());
        data.get(row * stride..end).unwrap_or_default()
    })
}

pub(crate) fn corrupt(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ImageError {
    ImageError::corrupt(ImageFormat::Bmp, source)
}
