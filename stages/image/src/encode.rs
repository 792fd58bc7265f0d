//! Pixels as a file again.

use img2tokens_schemas::Pixels;

/// Pixels that could not be written as PNG.
#[derive(Debug, thiserror::Error)]
#[error("{size} x {size} pixels cannot be written as PNG")]
pub struct EncodeError {
    /// The side in pixels.
    pub size: u32,
    source: png::EncodingError,
}

/// The pixels as PNG: decoded again they are the same, so that a run over what was kept gives the same ids. The same
/// pixels give the same bytes; speed counts for more than size.
///
/// # Errors
/// If there are no pixels.
pub fn encode_png(pixels: &Pixels) -> Result<Vec<u8>, EncodeError> {
    let size = pixels.size();
    let write = || {
        let mut bytes = Vec::with_capacity(pixels.rgb().len() / 2);
        let mut encoder = png::Encoder::new(&mut bytes, size, size);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_compression(png::Compression::Fast);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(pixels.rgb())?;
        writer.finish()?;
        Ok(bytes)
    };
    write().map_err(|source| EncodeError { size, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ImageConfig, ImageStage};

    #[test]
    fn pixels_written_as_png_and_prepared_again_at_their_size_are_the_same() {
        let mut state = 1_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        for size in [1, 2, 56, 224] {
            let rgb = (0..size as usize * size as usize * 3).map(|_| noise()).collect();
            let pixels = Pixels::new(size, rgb).unwrap();
            let png = encode_png(&pixels).unwrap();
            let stage = ImageStage::new(ImageConfig {
                size,
                ..ImageConfig::default()
            });
            assert_eq!(stage.prepare(&png).unwrap().pixels, pixels);
        }
    }

    #[test]
    fn no_pixels_are_no_png() {
        assert!(encode_png(&Pixels::new(0, Vec::new()).unwrap()).is_err());
    }
}
