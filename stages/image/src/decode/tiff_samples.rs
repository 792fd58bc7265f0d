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

/// The samples of a row.
pub(crate) struct Samples {
    pub(crate) kind: Kind,
    pub(crate) bits: u8,
    pub(crate) per_pixel: usize,
    pub(crate) width: usize,
}

impl Samples {
    /// Appends a row of samples of at most 8 bits, packed, in one plane or in a plane a sample.
    pub(crate) fn append_packed(&self, planes: &[&[u8]], rgb: &mut Vec<u8>) {
        let count = self.width * self.per_pixel / planes.len().max(1);
        let planes: Vec<Vec<u8>> = planes
            .iter()
            .map(|row| match (&self.kind, self.bits) {
                (_, 8) => row.iter().copied().take(count).collect(),
                (Kind::Indexed(_), bits) => unpack(row, bits, count).collect(),
                (_, bits) => unpack(row, bits, count)
                    .map(|value| spread(value, bits))
                    .collect(),
            })
            .collect();
        self.append(&planes, rgb);
    }

    /// Appends a row of 16-bit samples of the machine's byte order. Grey is clipped, colour keeps its high byte.
    pub(crate) fn append_words(&self, planes: &[&[u8]], rgb: &mut Vec<u8>) {
        let gray = matches!(self.kind, Kind::Gray);
        let narrow = |word: u16| {
            if gray {
                clip_gray_16(word)
            } else {
                (word >> 8) as u8
            }
        };
        let words = |row: &&[u8]| {
            row.as_chunks()
                .0
                .iter()
                .map(|pair| narrow(u16::from_ne_bytes(*pair)))
                .collect()
        };
        let planes: Vec<Vec<u8>> = planes.iter().map(words).collect();
        self.append(&planes, rgb);
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
