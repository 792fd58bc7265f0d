//! WebP: lossy, lossless, and the first frame of an animation.

use std::io::Cursor;

use image_webp::{DecodingError, WebPDecoder};
use img2tokens_schemas::ImageFormat;

use super::webp_chunks::Streams;
use super::{Raster, vp8l};
use crate::ImageError;
use crate::limits::{Cost, Limits, MAX_DECODE_BYTES, reserve, zeros};

/// Bytes of what the decoder keeps whatever the picture.
const FIXED_BYTES: u64 = 1 << 20;
/// Bytes a macroblock of 16 x 16 pixels: its modes, in a list that moves as it grows, and its planes.
const MACROBLOCK_BYTES: u64 = 3 * 32 + 256 * 3 / 2;

/// Nanoseconds, measured on a core of an AMD EPYC: a lossy pixel, a lossless one, a transform's pass over one, a pixel
/// put on a canvas or out of one, a group of prefix codes, a byte of its tables, a byte of coded data, a chunk.
const LOSSY_PIXEL_NS: u64 = 14;
const LOSSLESS_PIXEL_NS: u64 = 22;
const TRANSFORM_PIXEL_NS: u64 = 5;
const CANVAS_PIXEL_NS: u64 = 3;
const GROUP_NS: u64 = 5_000;
const TABLE_BYTE_NS: u64 = 2;
const BYTE_NS: u64 = 12;
const CHUNK_NS: u64 = 200;

/// What decoding takes.
pub(crate) fn examine(bytes: &[u8], limits: Limits) -> Result<Cost, ImageError> {
    let decoder = open(bytes)?;
    let (width, height) = decoder.dimensions();
    limits.admit_sides(width, height)?;
    let streams = Streams::find(bytes).ok_or_else(|| corrupt("no picture in its chunks"))?;
    let canvas = u64::from(width) * u64::from(height);
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    let parts = Parts::of(&streams, (width, height)).map_err(corrupt)?;
    // The buffer given to the decoder stands beside its own; then the RGB pixels stand beside that buffer.
    let mut bytes = canvas * channels + parts.bytes;
    if streams.animated {
        bytes = bytes.max(canvas * (channels + 4) + parts.pixels * 4);
    }
    let cost = Cost {
        width,
        height,
        bytes: bytes.max(canvas * (channels + 3)) + FIXED_BYTES,
        nanoseconds: parts.nanoseconds + canvas * CANVAS_PIXEL_NS + streams.chunks * CHUNK_NS,
    };
    limits.admit(cost, || {
        let (pixels, groups) = (parts.pixels, parts.groups);
        format!("{pixels} pixels of {canvas} on the canvas and {groups} groups of prefix codes")
    })
}

/// What the streams of the first frame take.
#[derive(Default)]
struct Parts {
    bytes: u64,
    nanoseconds: u64,
    pixels: u64,
    groups: u64,
}

impl Parts {
    fn of(streams: &Streams<'_>, canvas: (u32, u32)) -> Result<Self, vp8l::Broken> {
        let mut parts = Self::default();
        if let Some(stream) = streams.lossless {
            // A signature and four bytes of sides and version.
            let (width, height) = streams.lossless_sides().unwrap_or(canvas);
            parts.add_lossless(stream.get(5..).unwrap_or_default(), width, height)?;
        }
        if let Some(stream) = streams.lossy {
            let (width, height) = streams.lossy_sides().unwrap_or(canvas);
            let macroblocks = u64::from(width.div_ceil(16)) * u64::from(height.div_ceil(16));
            parts.pixels += u64::from(width) * u64::from(height);
            // The data is copied twice on its way in, once to a list that grows.
            parts.bytes += macroblocks * MACROBLOCK_BYTES + 64 * u64::from(width) + 4 * stream.len() as u64;
            parts.nanoseconds += macroblocks * 256 * LOSSY_PIXEL_NS + stream.len() as u64 * BYTE_NS;
            if streams.animated {
                parts.bytes += u64::from(width) * u64::from(height) * 4;
            }
        }
        if let Some(stream) = streams.alpha {
            let (width, height) = streams.frame.unwrap_or(canvas);
            match stream.split_first() {
                Some((head, data)) if head & 3 == 1 => {
                    parts.add_lossless(data, width, height)?;
                    parts.bytes += u64::from(width) * u64::from(height);
                }
                _ => parts.bytes += u64::from(width) * u64::from(height),
            }
        }
        Ok(parts)
    }

    fn add_lossless(&mut self, stream: &[u8], width: u32, height: u32) -> Result<(), vp8l::Broken> {
        let pixels = u64::from(width) * u64::from(height);
        let demand = vp8l::demand(stream, width as usize, height as usize, MAX_DECODE_BYTES)?;
        self.pixels += pixels;
        self.groups += demand.groups;
        self.bytes += pixels * 4 + demand.bytes;
        self.nanoseconds += pixels * (LOSSLESS_PIXEL_NS + demand.transforms * TRANSFORM_PIXEL_NS);
        self.nanoseconds += demand.groups * GROUP_NS + demand.bytes * TABLE_BYTE_NS;
        Ok(())
    }
}

fn open(bytes: &[u8]) -> Result<WebPDecoder<Cursor<&[u8]>>, ImageError> {
    // The decoder makes do with a last chunk cut short; libwebp does not.
    let stated = bytes
        .get(4..)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |length| u32::from_le_bytes(*length));
    if u64::from(stated) + 8 > bytes.len() as u64 {
        return Err(corrupt("the file is shorter than it states"));
    }
    WebPDecoder::new(Cursor::new(bytes)).map_err(corrupt)
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Raster, ImageError> {
    let mut decoder = open(bytes)?;
    let (width, height) = decoder.dimensions();
    let length = decoder
        .output_buffer_size()
        .ok_or_else(|| corrupt(DecodingError::ImageTooLarge))?;
    let mut data = zeros(length, width, height)?;
    decoder.read_image(&mut data).map_err(corrupt)?;
    if !decoder.has_alpha() {
        return Ok(Raster {
            width,
            height,
            rgb: data,
        });
    }
    let (pixels, _) = data.as_chunks::<4>();
    let mut rgb = reserve(pixels.len() * 3, width, height)?;
    rgb.extend(pixels.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]));
    Ok(Raster { width, height, rgb })
}

fn corrupt(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ImageError {
    ImageError::corrupt(ImageFormat::WebP, source)
}
