//! JPEG, by libjpeg-turbo's arithmetic: the accurate integer IDCT and "fancy" upsampling of chroma, as Pillow has them.

use img2tokens_schemas::ImageFormat;
use libjpeg_turbo_rs::{DecodeLimits, Decoder, Image, JpegError, PixelFormat, ScalingFactor};

use super::jpeg_markers::{Frame, walk};
use super::{Raster, color};
use crate::ImageError;
use crate::limits::{Limits, MAX_DECODE_BYTES};

/// Real progressive files have about ten scans. A hostile one can make each pass over all blocks cost a few bytes.
const MAX_SCANS: usize = 100;

/// Decodes at full size.
pub(crate) fn decode(bytes: &[u8], limits: Limits) -> Result<Raster, ImageError> {
    let frame = admit(bytes, limits)?;
    decode_at(bytes, frame, limits, 1)
}

/// Decodes at the least of 1/1, 1/2, 1/4, 1/8 that leaves both sides at least `2 * size` pixels long: Pillow's `draft`.
/// Gives the sides of the original too.
pub(crate) fn decode_scaled(
    bytes: &[u8],
    limits: Limits,
    size: u32,
) -> Result<(u32, u32, Raster), ImageError> {
    let frame = admit(bytes, limits)?;
    let (width, height) = (u32::from(frame.width), u32::from(frame.height));
    let enough = |denominator: &u32| width.min(height) / denominator >= size.saturating_mul(2);
    let denominator = [8, 4, 2].into_iter().find(enough).unwrap_or(1);
    Ok((width, height, decode_at(bytes, frame, limits, denominator)?))
}

fn admit(bytes: &[u8], limits: Limits) -> Result<Frame, ImageError> {
    let frame = walk(bytes).map_err(corrupt)?;
    // RGB pixels and one plane a component; the coefficients that progressive files need are in the decoder's own limit.
    let bytes_per_pixel = 3 + u64::from(frame.components);
    limits.admit(frame.width.into(), frame.height.into(), bytes_per_pixel)?;
    match frame {
        Frame {
            process: 0xc0..=0xc2 | 0xc9 | 0xca,
            precision: 8,
            components: 1 | 3 | 4,
            ..
        } => Ok(frame),
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

fn decode_at(bytes: &[u8], frame: Frame, limits: Limits, denominator: u32) -> Result<Raster, ImageError> {
    let ink = frame.components == 4;
    let image = run(bytes, ink, denominator).map_err(|error| match error {
        JpegError::LimitExceeded { .. } | JpegError::AllocationFailed { .. } => ImageError::TooMuchMemory {
            width: frame.width.into(),
            height: frame.height.into(),
            limit: MAX_DECODE_BYTES,
        },
        error => corrupt(error),
    })?;
    let (width, height) = (image.width as u32, image.height as u32);
    limits.admit(width, height, 3)?;
    let rgb = if ink {
        inverted_inks(&image.data)
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
fn inverted_inks(data: &[u8]) -> Vec<u8> {
    let (pixels, _) = data.as_chunks::<4>();
    pixels
        .iter()
        .flat_map(|inks| color::cmyk_to_rgb(inks.map(|ink| 255 - ink)))
        .collect()
}

fn corrupt(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ImageError {
    ImageError::corrupt(ImageFormat::Jpeg, source)
}
