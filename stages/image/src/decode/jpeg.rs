//! JPEG, by libjpeg-turbo's arithmetic: the accurate integer IDCT and "fancy" upsampling of chroma, as Pillow has them.

use img2tokens_schemas::ImageFormat;
use libjpeg_turbo_rs::{DecodeLimits, Decoder, Image, JpegError, PixelFormat, ScalingFactor};

use super::jpeg_markers::{Component, Frame, Walked, walk};
use super::{Raster, color};
use crate::ImageError;
use crate::limits::{Cost, Limits, MAX_DECODE_BYTES, reserve, too_much_memory};

/// Real progressive files have about ten scans. A hostile one can make each pass over all blocks cost a few bytes.
const MAX_SCANS: usize = 100;

/// Bytes of what the decoder keeps whatever the picture: tables, rows, a list of scans.
const FIXED_BYTES: u64 = 2 << 20;

/// Nanoseconds, measured on a core of an AMD EPYC: a block passed over by a scan, a byte of the file, a block brought
/// to samples, a pixel, a segment or restart marker.
const BLOCK_NS: u64 = 20;
const BYTE_NS: u64 = 12;
const TRANSFORM_NS: u64 = 110;
const PIXEL_NS: u64 = 3;
const SEGMENT_NS: u64 = 300;
/// The same for arithmetic coding, of which a coefficient costs whether bytes are there for it or not.
const ARITHMETIC_BLOCK_NS: u64 = 60;
const ARITHMETIC_COEFFICIENT_NS: u64 = 8;
const ARITHMETIC_BYTE_NS: u64 = 80;

/// What decoding takes.
pub(crate) fn examine(bytes: &[u8], limits: Limits) -> Result<Cost, ImageError> {
    Ok(admit(bytes, limits)?.1)
}

/// Decodes at full size.
pub(crate) fn decode(bytes: &[u8], limits: Limits) -> Result<Raster, ImageError> {
    let (frame, _) = admit(bytes, limits)?;
    decode_at(bytes, frame, 1)
}

/// Decodes at the least of 1/1, 1/2, 1/4, 1/8 that leaves both sides at least `2 * size` pixels long: Pillow's `draft`.
/// Gives the sides of the original too.
pub(crate) fn decode_scaled(
    bytes: &[u8],
    limits: Limits,
    size: u32,
) -> Result<(u32, u32, Raster), ImageError> {
    let (frame, _) = admit(bytes, limits)?;
    let (width, height) = (u32::from(frame.width), u32::from(frame.height));
    let enough = |denominator: &u32| width.min(height) / denominator >= size.saturating_mul(2);
    let denominator = [8, 4, 2].into_iter().find(enough).unwrap_or(1);
    Ok((width, height, decode_at(bytes, frame, denominator)?))
}

fn admit(bytes: &[u8], limits: Limits) -> Result<(Frame, Cost), ImageError> {
    let (frame, walked) = walk(bytes).map_err(corrupt)?;
    let (width, height) = (frame.width.into(), frame.height.into());
    limits.admit_sides(width, height)?;
    let cost = Cost {
        width,
        height,
        bytes: memory(&frame, &walked),
        nanoseconds: work(&frame, &walked, bytes.len() as u64),
    };
    let cost = limits.admit(cost, || {
        let (scans, blocks) = (walked.scans, frame.all_blocks());
        format!("{scans} scans of {blocks} blocks, {} passed over", walked.visits)
    })?;
    match frame {
        Frame {
            process: 0xc0..=0xc2 | 0xc9 | 0xca,
            precision: 8,
            components: 1 | 3 | 4,
            ..
        } => Ok((frame, cost)),
        Frame {
            process: 0xc0..=0xc2 | 0xc9 | 0xca,
            precision,
            components: 1 | 3 | 4,
            ..
        } => Err(ImageError::Unsupported {
            what: format!("JPEG of {precision} bits a sample"),
        }),
        Frame {
            process, components, ..
        } => Err(ImageError::Unsupported {
            what: format!("JPEG of {components} components by process {}", process & 15),
        }),
    }
}

/// The most bytes that decoding holds at once.
fn memory(frame: &Frame, walked: &Walked) -> u64 {
    let blocks = frame.all_blocks();
    let planes = 64 * blocks;
    // Progressive files keep two bytes a coefficient and one a block; smoothing takes four a block.
    let coefficients = if frame.is_progressive() { 133 * blocks } else { 0 };
    let padded = frame.padded_pixels();
    let (across, down) = frame.most();
    let whole = |part: &Component| (u64::from(part.across), u64::from(part.down)) == (across, down);
    // What is neither 4:4:4 nor 4:2:0 nor 4:2:2 is brought to full size first, from a copy without its padding.
    let usual = frame.components == 3 && across <= 2 && down <= across;
    let full = if usual && !frame.parts().iter().skip(1).any(whole) || frame.parts().iter().all(whole) {
        0
    } else {
        frame.parts().iter().filter(|part| !whole(part)).count() as u64 * 2 * padded
    };
    let pixels = u64::from(frame.width) * u64::from(frame.height);
    let (output, rgb) = if frame.components == 4 { (4, 3) } else { (3, 0) };
    let before = planes + coefficients;
    let during = planes + full + output * padded;
    let after = (output + rgb) * pixels;
    before.max(during).max(after) + 4 * walked.metadata + FIXED_BYTES
}

fn work(frame: &Frame, walked: &Walked, length: u64) -> u64 {
    let entropy = if frame.is_arithmetic() {
        walked.visits * ARITHMETIC_BLOCK_NS
            + walked.coefficients * ARITHMETIC_COEFFICIENT_NS
            + length * ARITHMETIC_BYTE_NS
    } else {
        walked.visits * BLOCK_NS + length * BYTE_NS
    };
    let pixels = u64::from(frame.width) * u64::from(frame.height) * PIXEL_NS;
    entropy + frame.all_blocks() * TRANSFORM_NS + pixels + walked.segments * SEGMENT_NS
}

fn decode_at(bytes: &[u8], frame: Frame, denominator: u32) -> Result<Raster, ImageError> {
    let ink = frame.components == 4;
    let image = run(bytes, ink, denominator).map_err(|error| match error {
        JpegError::LimitExceeded { .. } | JpegError::AllocationFailed { .. } => {
            too_much_memory(frame.width.into(), frame.height.into())
        }
        error => corrupt(error),
    })?;
    let (width, height) = (image.width as u32, image.height as u32);
    let rgb = if ink {
        inverted_inks(&image.data, width, height)?
    } else {
        image.data
    };
    if rgb.len() as u64 != u64::from(width) * u64::from(height) * 3 {
        return Err(corrupt(
            "the decoder gave another number of pixels than it states",
        ));
    }
    Ok(Raster { width, height, rgb })
}

fn run(bytes: &[u8], ink: bool, denominator: u32) -> Result<Image, JpegError> {
    let limits = DecodeLimits {
        max_scans: MAX_SCANS,
        max_memory: Some(MAX_DECODE_BYTES),
        ..DecodeLimits::default()
    };
    let mut decoder = Decoder::new_with_limits(bytes, limits)?;
    decoder.set_output_format(if ink { PixelFormat::Cmyk } else { PixelFormat::Rgb });
    decoder.set_scale(ScalingFactor::try_new(1, denominator)?);
    // As libjpeg: damage inside a scan is passed over, and blocks that scans leave coarse are smoothed.
    decoder.set_lenient(true);
    decoder.set_block_smoothing(true);
    decoder.decode_image()
}

/// Four components are taken for Adobe's inverted inks, with or without Adobe's marker, as Pillow does.
fn inverted_inks(data: &[u8], width: u32, height: u32) -> Result<Vec<u8>, ImageError> {
    let (pixels, _) = data.as_chunks::<4>();
    let mut rgb = reserve(pixels.len() * 3, width, height)?;
    rgb.extend(
        pixels
            .iter()
            .flat_map(|inks| color::cmyk_to_rgb(inks.map(|ink| 255 - ink))),
    );
    Ok(rgb)
}

fn corrupt(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ImageError {
    ImageError::corrupt(ImageFormat::Jpeg, source)
}
