//! PNG, and APNG's default image.

use std::io::Cursor;

use img2tokens_schemas::ImageFormat;
use png::{BitDepth, ColorType, Decoder, DecodingError, Info, Transformations};

use super::Raster;
use super::color::{Palette, clip_gray_16, push_gray, unpack};
use crate::ImageError;
use crate::limits::{Limits, MAX_DECODE_BYTES};

pub(crate) fn decode(bytes: &[u8], limits: Limits) -> Result<Raster, ImageError> {
    let budget = png::Limits {
        bytes: MAX_DECODE_BYTES as usize,
    };
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), budget);
    decoder.set_transformations(Transformations::IDENTITY);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let header = decoder.read_header_info().map_err(corrupt)?;
    let (width, height, interlaced) = (header.width, header.height, header.interlaced);
    let raw = u64::from(interlaced) * header.bytes_per_pixel() as u64;
    limits.admit(width, height, 3 + raw)?;

    let mut reader = decoder.read_info().map_err(corrupt)?;
    let samples = Samples::new(reader.info());
    let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
    if interlaced {
        let length = reader
            .output_buffer_size()
            .ok_or_else(|| corrupt(DecodingError::LimitsExceeded))?;
        let mut rows = vec![0; length];
        let frame = reader.next_frame(&mut rows).map_err(corrupt)?;
        rows.chunks_exact(frame.line_size.max(1))
            .take(height as usize)
            .for_each(|row| samples.append(row, &mut rgb));
    } else {
        for _ in 0..height {
            let row = reader
                .next_row()
                .map_err(corrupt)?
                .ok_or_else(|| corrupt("fewer rows than the header states"))?;
            samples.append(row.data(), &mut rgb);
        }
    }
    if rgb.len() as u64 != u64::from(width) * u64::from(height) * 3 {
        return Err(corrupt("the first frame has another size than the header states"));
    }
    Ok(Raster { width, height, rgb })
}

fn corrupt(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ImageError {
    ImageError::corrupt(ImageFormat::Png, source)
}

/// How the bytes of a row become RGB.
enum Samples {
    Gray {
        bits: u8,
        width: usize,
    },
    Indexed {
        bits: u8,
        width: usize,
        palette: Box<Palette>,
    },
    /// Mode `I;16` of Pillow.
    Gray16,
    /// Grey and alpha: bytes of a pixel, the first of which is the grey value (or its high byte).
    GrayAlpha {
        stride: usize,
    },
    /// Bytes of a pixel, and of a sample, of which the first is kept.
    Color {
        stride: usize,
        sample: usize,
    },
}

impl Samples {
    fn new(info: &Info<'_>) -> Self {
        let (bits, width) = (info.bit_depth as u8, info.width as usize);
        let bytes = if info.bit_depth == BitDepth::Sixteen { 2 } else { 1 };
        match info.color_type {
            ColorType::Grayscale if bytes == 2 => Self::Gray16,
            ColorType::Grayscale => Self::Gray { bits, width },
            ColorType::Indexed => {
                let palette = Box::new(Palette::from_rgb(info.palette.as_deref().unwrap_or_default()));
                Self::Indexed { bits, width, palette }
            }
            ColorType::GrayscaleAlpha => Self::GrayAlpha { stride: 2 * bytes },
            ColorType::Rgb => Self::Color {
                stride: 3 * bytes,
                sample: bytes,
            },
            ColorType::Rgba => Self::Color {
                stride: 4 * bytes,
                sample: bytes,
            },
        }
    }

    fn append(&self, row: &[u8], rgb: &mut Vec<u8>) {
        match self {
            Self::Color { stride: 3, .. } => rgb.extend_from_slice(row),
            Self::Color { stride, sample } => {
                let pixels = row.chunks_exact(*stride);
                rgb.extend(pixels.flat_map(|pixel| pixel.iter().step_by(*sample).take(3)));
            }
            Self::Gray { bits, width } => {
                let scale = 255 / ((1_u16 << bits) - 1) as u8;
                unpack(row, *bits, *width).for_each(|value| push_gray(rgb, value * scale));
            }
            Self::Indexed { bits, width, palette } => {
                rgb.extend(unpack(row, *bits, *width).flat_map(|index| palette.color(index)));
            }
            Self::Gray16 => {
                let values = row.as_chunks().0.iter().map(|pair| u16::from_be_bytes(*pair));
                values.for_each(|value| push_gray(rgb, clip_gray_16(value)));
            }
            Self::GrayAlpha { stride } => {
                row.chunks_exact(*stride)
                    .filter_map(<[u8]>::first)
                    .for_each(|value| push_gray(rgb, *value));
            }
        }
    }
}
