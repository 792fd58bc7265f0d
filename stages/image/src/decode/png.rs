//! PNG, and APNG's default image.

use std::io::Cursor;

use img2tokens_schemas::ImageFormat;
use png::{BitDepth, ColorType, Decoder, DecodingError, Info, Transformations};

use super::Raster;
use super::color::{Palette, clip_gray_16, push_gray, unpack};
use crate::ImageError;
use crate::limits::{Cost, Limits, MAX_DECODE_BYTES, reserve, zeros};

/// Bytes of what the decoder keeps whatever the picture.
const FIXED_BYTES: u64 = 1 << 20;
/// Rows of raw bytes among which the decoder undoes filters, before it moves them to the front of its buffer.
const BUFFERED_ROWS: u64 = 7;

/// Nanoseconds, measured on a core of an AMD EPYC: a raw byte inflated and unfiltered, a pixel brought to RGB, a row, a
/// chunk, a byte of the file.
const RAW_BYTE_NS: u64 = 4;
const PIXEL_NS: u64 = 4;
const ROW_NS: u64 = 150;
const CHUNK_NS: u64 = 300;
const FILE_BYTE_NS: u64 = 2;

/// What decoding takes.
pub(crate) fn examine(bytes: &[u8], limits: Limits) -> Result<Cost, ImageError> {
    let mut decoder = open(bytes);
    let header = decoder.read_header_info().map_err(corrupt)?;
    let (width, height) = (header.width, header.height);
    limits.admit_sides(width, height)?;
    let row = header.raw_row_length() as u64;
    let raw = match header.interlaced {
        // Rows of each pass end in a byte that is not full.
        true => row * u64::from(height) + 7 * (u64::from(width) + u64::from(height)) * 8,
        false => row * u64::from(height),
    };
    let pixels = u64::from(width) * u64::from(height);
    let chunks = Chunks::count(bytes);
    // The buffer of rows moves as it grows. A row before and a row in the form asked for stand beside it.
    let buffered = 3 * raw.min(BUFFERED_ROWS * row + (256 << 10)) + 3 * row;
    let whole = u64::from(header.interlaced) * raw;
    let cost = Cost {
        width,
        height,
        bytes: FIXED_BYTES + pixels * 3 + whole + buffered + 4 * chunks.longest,
        nanoseconds: raw * RAW_BYTE_NS
            + pixels * PIXEL_NS
            + u64::from(height) * ROW_NS * (1 + u64::from(header.interlaced))
            + chunks.count * CHUNK_NS
            + bytes.len() as u64 * FILE_BYTE_NS,
    };
    limits.admit(cost, || {
        format!(
            "{raw} bytes of {width} x {height} pixels in {} chunks",
            chunks.count
        )
    })
}

/// The chunks of a file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Chunks {
    count: u64,
    /// Bytes of the longest that the decoder keeps whole, which it copies once.
    longest: u64,
}

impl Chunks {
    fn count(bytes: &[u8]) -> Self {
        let mut chunks = Self::default();
        let mut rest = bytes.get(8..).unwrap_or_default();
        while let Some((length, behind)) = rest.split_first_chunk() {
            let length = u32::from_be_bytes(*length) as usize;
            let Some((kind, data)) = behind.split_first_chunk::<4>() else {
                break;
            };
            chunks.count += 1;
            if kind != b"IDAT" && kind != b"fdAT" {
                let there = length.min(data.len()) as u64;
                chunks.longest = chunks.longest.max(there);
            }
            // A checksum follows the data.
            rest = data.get(length.saturating_add(4)..).unwrap_or_default();
        }
        chunks
    }
}

fn open(bytes: &[u8]) -> Decoder<Cursor<&[u8]>> {
    let budget = png::Limits {
        bytes: MAX_DECODE_BYTES as usize,
    };
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), budget);
    decoder.set_transformations(Transformations::IDENTITY);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Raster, ImageError> {
    let mut decoder = open(bytes);
    let header = decoder.read_header_info().map_err(corrupt)?;
    let (width, height, interlaced) = (header.width, header.height, header.interlaced);
    let mut reader = decoder.read_info().map_err(corrupt)?;
    let samples = Samples::new(reader.info());
    let mut rgb = reserve(width as usize * height as usize * 3, width, height)?;
    if interlaced {
        let length = reader
            .output_buffer_size()
            .ok_or_else(|| corrupt(DecodingError::LimitsExceeded))?;
        let mut rows = zeros(length, width, height)?;
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
