//! The kinds of files that pictures are sent as.

use std::io::Cursor;

use image::codecs::bmp::BmpEncoder;
use image::codecs::gif::GifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::tiff::TiffEncoder;
use image::codecs::webp::WebPEncoder;
use image::{DynamicImage, ExtendedColorType, ImageFormat, ImageResult, RgbImage, Rgba, RgbaImage};

/// A file format and the pixels in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// JPEG, colour, at this quality (1 to 100).
    Jpeg(u8),
    /// JPEG, grey.
    JpegGrey,
    /// PNG, RGB.
    Png,
    /// PNG, RGBA: the corners fade out.
    PngAlpha,
    /// PNG, grey.
    PngGrey,
    /// PNG, RGB of 16 bits a channel.
    PngDeep,
    /// WebP, lossless, RGB.
    WebP,
    /// WebP, lossless, RGBA: the corners fade out.
    WebPAlpha,
    /// GIF: a palette of up to 256 colours.
    Gif,
    /// BMP, RGB.
    Bmp,
    /// BMP with a palette of 256 tones.
    BmpPalette,
    /// TIFF, RGB.
    Tiff,
    /// TIFF, grey.
    TiffGrey,
}

impl Encoding {
    /// As the web has them: mostly JPEG. The encodings of samples 0, 1, 2 ..; each stands at least once.
    const TURNS: [Self; 17] = [
        Self::Jpeg(90),
        Self::Png,
        Self::Jpeg(75),
        Self::WebP,
        Self::Jpeg(60),
        Self::Gif,
        Self::JpegGrey,
        Self::PngAlpha,
        Self::Jpeg(95),
        Self::Bmp,
        Self::Tiff,
        Self::PngGrey,
        Self::Jpeg(85),
        Self::WebPAlpha,
        Self::BmpPalette,
        Self::PngDeep,
        Self::TiffGrey,
    ];

    /// The encoding of sample `index`. The turn's length shares no factor with the scenes': all combinations come.
    #[must_use]
    pub const fn of(index: usize) -> Self {
        Self::TURNS[index % Self::TURNS.len()]
    }

    /// The file format.
    #[must_use]
    pub const fn format(self) -> ImageFormat {
        match self {
            Self::Jpeg(_) | Self::JpegGrey => ImageFormat::Jpeg,
            Self::Png | Self::PngAlpha | Self::PngGrey | Self::PngDeep => ImageFormat::Png,
            Self::WebP | Self::WebPAlpha => ImageFormat::WebP,
            Self::Gif => ImageFormat::Gif,
            Self::Bmp | Self::BmpPalette => ImageFormat::Bmp,
            Self::Tiff | Self::TiffGrey => ImageFormat::Tiff,
        }
    }

    /// The ending of a file's name.
    #[must_use]
    pub fn extension(self) -> &'static str {
        self.format()
            .extensions_str()
            .first()
            .copied()
            .unwrap_or_default()
    }

    /// What a caption calls a picture whose colours this encoding does not keep.
    pub(super) const fn print(self) -> Option<&'static str> {
        match self {
            Self::JpegGrey | Self::PngGrey | Self::TiffGrey => Some("black and white print"),
            Self::BmpPalette => Some("sepia print"),
            _ => None,
        }
    }

    /// The picture as a file.
    pub(super) fn encode(self, picture: RgbImage) -> ImageResult<Vec<u8>> {
        let mut file = Cursor::new(Vec::new());
        let picture = self.pixels(picture);
        match self {
            Self::Jpeg(quality) => {
                picture.write_with_encoder(JpegEncoder::new_with_quality(&mut file, quality))?;
            }
            Self::JpegGrey => picture.write_with_encoder(JpegEncoder::new(&mut file))?,
            Self::Png | Self::PngAlpha | Self::PngGrey | Self::PngDeep => {
                picture.write_with_encoder(PngEncoder::new(&mut file))?;
            }
            Self::WebP | Self::WebPAlpha => {
                picture.write_with_encoder(WebPEncoder::new_lossless(&mut file))?;
            }
            // The fastest of the quantiser's 30 speeds: the default takes a second for a large picture.
            Self::Gif => picture.write_with_encoder(GifEncoder::new_with_speed(&mut file, 30))?,
            Self::Bmp => picture.write_with_encoder(BmpEncoder::new(&mut file))?,
            Self::BmpPalette => {
                let (width, height, tones) = (picture.width(), picture.height(), picture.as_bytes());
                let palette = Some(DUOTONE.as_slice());
                BmpEncoder::new(&mut file).encode_with_palette(
                    tones,
                    width,
                    height,
                    ExtendedColorType::L8,
                    palette,
                )?;
            }
            Self::Tiff | Self::TiffGrey => picture.write_with_encoder(TiffEncoder::new(&mut file))?,
        }
        Ok(file.into_inner())
    }

    fn pixels(self, picture: RgbImage) -> DynamicImage {
        match self {
            Self::PngAlpha | Self::WebPAlpha => fade_corners(&picture).into(),
            Self::PngDeep => DynamicImage::from(picture).into_rgb16().into(),
            Self::JpegGrey | Self::PngGrey | Self::TiffGrey | Self::BmpPalette => {
                DynamicImage::from(picture).into_luma8().into()
            }
            _ => picture.into(),
        }
    }
}

/// Greys as an old print shows them: from a warm black to cream.
const DUOTONE: [[u8; 3]; 256] = {
    let mut tones = [[0; 3]; 256];
    let mut level = 0;
    while level < 256 {
        tones[level] = [
            (30 + level * 220 / 255) as u8,
            (20 + level * 220 / 255) as u8,
            (15 + level * 195 / 255) as u8,
        ];
        level += 1;
    }
    tones
};

/// Adds an alpha channel: opaque in the middle, clear in the corners.
fn fade_corners(picture: &RgbImage) -> RgbaImage {
    let from_middle = |pixel: u32, side: u32| (2.0 * pixel as f32 - side as f32).abs() / side as f32;
    RgbaImage::from_fn(picture.width(), picture.height(), |column, row| {
        let image::Rgb([red, green, blue]) = *picture.get_pixel(column, row);
        let (across, down) = (
            from_middle(column, picture.width()),
            from_middle(row, picture.height()),
        );
        let alpha = (1.75 - across - down).clamp(0.0, 1.0) * 255.0;
        Rgba([red, green, blue, alpha as u8])
    })
}
