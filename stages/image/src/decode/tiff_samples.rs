//! From a row of a TIFF's samples to RGB.

use super::color::{Palette, clip_gray_16, cmyk_to_rgb, push_gray, unpack};

/// What the samples of a pixel are. Samples beyond those named are passed over.
pub(crate) enum Kind {
    /// One: black is 0.
    Gray,
    /// One: an index.
    Indexed(Box<Palette>),
    /// Three.
    Rgb,
    /// Four: each colour was multiplied by the alpha that follows.
    PremultipliedRgb,
    /// Four.
    Cmyk,
    /// Three, of full range.
    YCbCr,
}

/// How a sample is stored, in the machine's byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Of 1, 2, 4 or 8 bits, packed from the most significant bit.
    Packed(u8),
    /// Of 16 bits without a sign.
    Words,
    /// Of 32 bits with a sign.
    Integers,
    /// IEEE 754 of 32 bits.
    Floats,
}

/// The samples of a row.
pub(crate) struct Samples {
    pub(crate) kind: Kind,
    pub(crate) form: Form,
    pub(crate) per_pixel: usize,
    pub(crate) width: usize,
}

impl Samples {
    /// Appends a row that comes in one plane, or in a plane a sample.
    pub(crate) fn append_row(&self, planes: &[&[u8]], rgb: &mut Vec<u8>) {
        let count = self.width * self.per_pixel / planes.len().max(1);
        let planes: Vec<Vec<u8>> = planes.iter().map(|row| self.to_bytes(row, count)).collect();
        self.append(&planes, rgb);
    }

    /// Samples as bytes. Grey of more than 8 bits is clipped, colour of 16 bits keeps its high byte, as in Pillow.
    fn to_bytes(&self, row: &[u8], count: usize) -> Vec<u8> {
        let words = || {
            row.as_chunks()
                .0
                .iter()
                .copied()
                .map(u16::from_ne_bytes)
                .take(count)
        };
        let quads = || row.as_chunks().0.iter().copied().take(count);
        match (self.form, &self.kind) {
            (Form::Packed(8), _) => row.iter().copied().take(count).collect(),
            (Form::Packed(bits), Kind::Indexed(_)) => unpack(row, bits, count).collect(),
            (Form::Packed(bits), _) => unpack(row, bits, count)
                .map(|value| spread(value, bits))
                .collect(),
            (Form::Words, Kind::Gray) => words().map(clip_gray_16).collect(),
            (Form::Words, _) => words().map(|word| (word >> 8) as u8).collect(),
            (Form::Integers, _) => quads()
                .map(|quad| i32::from_ne_bytes(quad).clamp(0, 255) as u8)
                .collect(),
            // The cast clips and drops the fraction.
            (Form::Floats, _) => quads().map(|quad| f32::from_ne_bytes(quad) as u8).collect(),
        }
    }

    fn append(&self, planes: &[Vec<u8>], rgb: &mut Vec<u8>) {
        if let [row] = planes {
            row.chunks_exact(self.per_pixel.max(1))
                .for_each(|pixel| self.push(pixel, rgb));
        } else {
            for x in 0..self.width {
                let pixel: Vec<u8> = planes.iter().filter_map(|plane| plane.get(x).copied()).collect();
                self.push(&pixel, rgb);
            }
        }
    }

    fn push(&self, pixel: &[u8], rgb: &mut Vec<u8>) {
        match (&self.kind, pixel) {
            (Kind::Gray, [value, ..]) => push_gray(rgb, *value),
            (Kind::Indexed(palette), [index, ..]) => rgb.extend(palette.color(*index)),
            (Kind::Rgb, [r, g, b, ..]) => rgb.extend([r, g, b]),
            (Kind::PremultipliedRgb, [r, g, b, alpha, ..]) => {
                rgb.extend([r, g, b].map(|value| unmultiply(*value, *alpha)));
            }
            (Kind::Cmyk, [c, m, y, k, ..]) => rgb.extend(cmyk_to_rgb([*c, *m, *y, *k])),
            (Kind::YCbCr, [y, cb, cr, ..]) => rgb.extend(ycbcr_to_rgb(*y, *cb, *cr)),
            // Fewer samples than the kind needs: the caller finds the row too short.
            _ => {}
        }
    }
}

/// A sample of `bits` bits, spread over 0 to 255.
fn spread(value: u8, bits: u8) -> u8 {
    let max = ((1_u16 << bits.min(8)) - 1).max(1);
    (u16::from(value) * 255 / max) as u8
}

fn unmultiply(value: u8, alpha: u8) -> u8 {
    match alpha {
        0 | 255 => value,
        alpha => (u16::from(value) * 255 / u16::from(alpha)).min(255) as u8,
    }
}

/// ITU-R BT.601 at full range, as JPEG has it.
fn ycbcr_to_rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let [y, cb, cr] = [f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0];
    [
        y + 1.402 * cr,
        y - 0.344_136 * cb - 0.714_136 * cr,
        y + 1.772 * cb,
    ]
    .map(|value| value.round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn premultiplied_colours_are_divided_by_their_alpha() {
        assert_eq!(unmultiply(50, 100), 127);
        assert_eq!(unmultiply(200, 100), 255);
        assert_eq!(unmultiply(9, 0), 9);
    }

    #[test]
    fn grey_and_the_primaries_come_back_from_ycbcr() {
        assert_eq!(ycbcr_to_rgb(77, 128, 128), [77; 3]);
        assert_eq!(ycbcr_to_rgb(76, 85, 255), [254, 0, 0]);
    }
}
