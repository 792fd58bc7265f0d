//! Planes of luma and chroma to RGB (ITU-T H.273).

use rusty_av1d::pixel::YUVRange;
use rusty_av1d::{Picture, PixelLayout, PlanarImageComponent};

use super::{Raster, avif};
use crate::ImageError;
use crate::limits::reserve;

/// How colours were coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Coding {
    /// Matrix coefficients by their number in H.273.
    pub(crate) matrix: u16,
    /// Values use the whole of their range.
    pub(crate) full_range: bool,
}

impl Coding {
    /// What the frame's own header says.
    pub(crate) fn of_picture(picture: &Picture) -> Self {
        let full_range = picture.color_range() == YUVRange::Full;
        Self {
            matrix: picture.matrix_coefficients() as u16,
            full_range,
        }
    }
}

/// From `Y`, `U`, `V` (luma 0 to 1, chroma -0.5 to 0.5) to red, green, blue (0 to 1).
#[derive(Debug, Clone, Copy, PartialEq)]
enum Matrix {
    /// The planes are green, blue and red.
    Identity,
    /// The shares of red and blue in luma.
    Shares { red: f32, blue: f32 },
    /// Green and orange chroma.
    YCgCo,
}

impl Matrix {
    fn new(number: u16) -> Option<Self> {
        Some(match number {
            0 => Self::Identity,
            1 => Self::Shares {
                red: 0.2126,
                blue: 0.0722,
            },
            // Unspecified is taken for BT.601, as libavif does.
            2 | 5 | 6 => Self::Shares {
                red: 0.299,
                blue: 0.114,
            },
            4 => Self::Shares {
                red: 0.30,
                blue: 0.11,
            },
            7 => Self::Shares {
                red: 0.212,
                blue: 0.087,
            },
            8 => Self::YCgCo,
            9 => Self::Shares {
                red: 0.2627,
                blue: 0.0593,
            },
            _ => return None,
        })
    }

    fn apply(self, [y, u, v]: [f32; 3]) -> [f32; 3] {
        match self {
            Self::Identity => [v, y, u],
            Self::Shares { red, blue } => {
                let r = y + 2.0 * (1.0 - red) * v;
                let b = y + 2.0 * (1.0 - blue) * u;
                [r, (y - red * r - blue * b) / (1.0 - red - blue), b]
            }
            Self::YCgCo => [y - u + v, y + u, y - u - v],
        }
    }
}

/// A plane of 8-bit or 16-bit values.
struct Plane<'a> {
    bytes: &'a [u8],
    stride: usize,
    width: usize,
    height: usize,
    wide: bool,
}

impl Plane<'_> {
    fn value(&self, x: usize, y: usize) -> f32 {
        let (x, y) = (x.min(self.width - 1), y.min(self.height - 1));
        let value = if self.wide {
            let pair = self
                .bytes
                .get(y * self.stride + 2 * x..)
                .and_then(<[u8]>::first_chunk);
            pair.map(|pair| u16::from_ne_bytes(*pair))
        } else {
            self.bytes.get(y * self.stride + x).copied().map(u16::from)
        };
        f32::from(value.unwrap_or(0))
    }

    /// The value at a place of the full image, where the plane has half its width (and height): three quarters of the
    /// nearest value and one of the next, along each halved side.
    fn smooth(&self, x: usize, y: usize, half_width: bool, half_height: bool) -> f32 {
        let pair = |place: usize, halved: bool| {
            let near = place / 2;
            let far = if place % 2 == 1 {
                near + 1
            } else {
                near.saturating_sub(1)
            };
            if halved {
                [(near, 0.75), (far, 0.25)]
            } else {
                [(place, 1.0), (place, 0.0)]
            }
        };
        let columns = pair(x, half_width);
        let along = |y: usize| {
            columns
                .iter()
                .map(|(x, share)| self.value(*x, y) * share)
                .sum::<f32>()
        };
        pair(y, half_height)
            .iter()
            .map(|(y, share)| if *share == 0.0 { 0.0 } else { along(*y) * share })
            .sum()
    }
}

/// Converts a decoded frame.
pub(crate) fn to_rgb(picture: &Picture, coding: Coding) -> Result<Raster, ImageError> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let layout = picture.pixel_layout();
    let half_width = matches!(layout, PixelLayout::I420 | PixelLayout::I422);
    let half_height = matches!(layout, PixelLayout::I420);
    let plane = |component: PlanarImageComponent, halves: (bool, bool)| Plane {
        bytes: picture.plane(component),
        stride: picture.stride(component) as usize,
        width: width.div_ceil(1 + usize::from(halves.0)),
        height: height.div_ceil(1 + usize::from(halves.1)),
        wide: picture.bit_depth() > 8,
    };
    let matrix = Matrix::new(coding.matrix);
    let matrix = matrix.ok_or_else(|| ImageError::Unsupported {
        what: format!("AVIF with colour matrix {}", coding.matrix),
    })?;
    let bits = picture
        .bits_per_component()
        .ok_or_else(|| avif::corrupt("no bit depth"))?
        .0;
    let scale = Scale::new(bits, coding.full_range);

    let luma = plane(PlanarImageComponent::Y, (false, false));
    let chroma = (layout != PixelLayout::I400).then(|| {
        [PlanarImageComponent::U, PlanarImageComponent::V]
            .map(|component| plane(component, (half_width, half_height)))
    });
    let mut rgb = reserve(width * height * 3, picture.width(), picture.height())?;
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        let level = scale.luma(luma.value(x, y));
        let color = match &chroma {
            None => [level; 3],
            Some(chroma) => {
                let [u, v] = chroma
                    .each_ref()
                    .map(|plane| plane.smooth(x, y, half_width, half_height));
                // Green, blue and red have no sign.
                let ends = if matrix == Matrix::Identity {
                    Scale::luma
                } else {
                    Scale::chroma
                };
                matrix.apply([level, ends(&scale, u), ends(&scale, v)])
            }
        };
        rgb.extend(color.map(|value| (value * 255.0).round() as u8));
    }
    Ok(Raster {
        width: picture.width(),
        height: picture.height(),
        rgb,
    })
}

/// From coded values to 0..1 and -0.5..0.5.
struct Scale {
    black: f32,
    luma_span: f32,
    neutral: f32,
    chroma_span: f32,
}

impl Scale {
    fn new(bits: u8, full_range: bool) -> Self {
        let unit = f32::from(1_u16 << (bits.clamp(8, 15) - 8));
        let max = 256.0 * unit - 1.0;
        let neutral = 128.0 * unit;
        if full_range {
            Self {
                black: 0.0,
                luma_span: max,
                neutral,
                chroma_span: max,
            }
        } else {
            Self {
                black: 16.0 * unit,
                luma_span: 219.0 * unit,
                neutral,
                chroma_span: 224.0 * unit,
            }
        }
    }

    fn luma(&self, value: f32) -> f32 {
        (value - self.black) / self.luma_span
    }

    fn chroma(&self, value: f32) -> f32 {
        (value - self.neutral) / self.chroma_span
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_black_and_red_come_back_through_every_matrix_of_shares() {
        for number in [1, 2, 4, 5, 6, 7, 9] {
            let Some(matrix @ Matrix::Shares { red, blue }) = Matrix::new(number) else {
                panic!("{number}")
            };
            assert_eq!(
                matrix.apply([1.0, 0.0, 0.0]).map(|value| (value * 255.0).round()),
                [255.0; 3]
            );
            assert_eq!(matrix.apply([0.0, 0.0, 0.0]), [0.0; 3]);
            let coded = [red, -red / (2.0 * (1.0 - blue)), 0.5];
            assert_eq!(
                matrix.apply(coded).map(|value| (value * 255.0).round()),
                [255.0, 0.0, 0.0]
            );
        }
    }

    #[test]
    fn limited_range_has_black_at_16_and_white_at_235_whatever_the_depth() {
        for (bits, unit) in [(8, 1.0), (10, 4.0), (12, 16.0)] {
            let scale = Scale::new(bits, false);
            assert_eq!((scale.luma(16.0 * unit), scale.luma(235.0 * unit)), (0.0, 1.0));
            assert_eq!(
                (scale.chroma(128.0 * unit), scale.chroma(240.0 * unit)),
                (0.0, 0.5)
            );
        }
    }
}
