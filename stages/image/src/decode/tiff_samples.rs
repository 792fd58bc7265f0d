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
    /// Three: CIE L*a*b* with a and b offset by 128.
    Lab,
}

/// The samples of a row.
pub(crate) struct Samples {
    pub(crate) kind: Kind,
    pub(crate) bits: u8,
    pub(crate) per_pixel: usize,
    pub(crate) width: usize,
}

impl Samples {
    /// Appends a row of samples of at most 12 bits, packed, in one plane or in a plane a sample.
    pub(crate) fn append_packed(&self, planes: &[&[u8]], rgb: &mut Vec<u8>) {
        let count = self.width * self.per_pixel / planes.len().max(1);
        let planes: Vec<Vec<u8>> = planes
            .iter()
            .map(|row| match (&self.kind, self.bits) {
                (_, 8) => row.iter().copied().take(count).collect(),
                (_, 12) => unpack_12(row).take(count).map(clip_gray_16).collect(),
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
            (Kind::Lab, [l, a, b, ..]) => rgb.extend(lab_to_rgb(*l, *a, *b)),
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

/// Two samples in three bytes.
fn unpack_12(row: &[u8]) -> impl Iterator<Item = u16> {
    let samples = (0..).map_while(|index| {
        let byte = |place: usize| row.get(place).map(|byte| u16::from(*byte));
        let first = index / 2 * 3 + index % 2;
        let (high, low) = (byte(first)?, byte(first + 1)?);
        Some(if index % 2 == 0 {
            high << 4 | low >> 4
        } else {
            (high & 15) << 8 | low
        })
    });
    samples
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

/// CIE L*a*b* under D50 to sRGB: what a colour-managed conversion gives, within a level or two.
fn lab_to_rgb(l: u8, a: u8, b: u8) -> [u8; 3] {
    let fy = (f32::from(l) * 100.0 / 255.0 + 16.0) / 116.0;
    let fx = fy + (f32::from(a) - 128.0) / 500.0;
    let fz = fy - (f32::from(b) - 128.0) / 200.0;
    let cube = |f: f32| {
        if f > 6.0 / 29.0 {
            f * f * f
        } else {
            (f - 4.0 / 29.0) * 108.0 / 841.0
        }
    };
    let [x, y, z] = [0.964_2 * cube(fx), cube(fy), 0.824_9 * cube(fz)];
    // XYZ (D50, adapted by Bradford) to linear sRGB.
    let linear = [
        3.133_856 * x - 1.616_867 * y - 0.490_615 * z,
        -0.978_768 * x + 1.916_142 * y + 0.033_454 * z,
        0.071_945 * x - 0.228_991 * y + 1.405_243 * z,
    ];
    linear.map(|value| {
        let value = value.clamp(0.0, 1.0);
        let coded = if value <= 0.003_130_8 {
            12.92 * value
        } else {
            1.055 * value.powf(1.0 / 2.4) - 0.055
        };
        (coded * 255.0).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twelve_bit_samples_come_two_in_three_bytes() {
        assert_eq!(
            unpack_12(&[0xab, 0xcd, 0xef, 0x12, 0x30]).collect::<Vec<_>>(),
            [0xabc, 0xdef, 0x123]
        );
    }

    #[test]
    fn premultiplied_colours_are_divided_by_their_alpha() {
        assert_eq!(unmultiply(50, 100), 127);
        assert_eq!(unmultiply(200, 100), 255);
        assert_eq!(unmultiply(9, 0), 9);
    }

    #[test]
    fn lab_white_grey_and_black_have_no_hue() {
        assert_eq!(lab_to_rgb(255, 128, 128), [255; 3]);
        assert_eq!(lab_to_rgb(0, 128, 128), [0; 3]);
        let [r, g, b] = lab_to_rgb(128, 128, 128);
        assert!(r.abs_diff(g) <= 1 && g.abs_diff(b) <= 1, "{r} {g} {b}");
    }
}
