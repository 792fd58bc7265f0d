//! Pillow's arithmetic from other kinds of pixels to RGB.

/// `a * b / 255`, rounded as Pillow's `MULDIV255` rounds.
const fn multiply_255(a: u8, b: u8) -> u8 {
    let product = a as u32 * b as u32 + 128;
    (((product >> 8) + product) >> 8) as u8
}

/// Ink on white paper: each of C, M, Y takes its share of what black leaves.
pub(crate) const fn cmyk_to_rgb([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    let white = 255 - k;
    [
        white - multiply_255(c, white),
        white - multiply_255(m, white),
        white - multiply_255(y, white),
    ]
}

/// Pillow's mode `I;16` is clipped, not scaled, when it becomes 8 bits.
pub(crate) const fn clip_gray_16(value: u16) -> u8 {
    if value > 255 { 255 } else { value as u8 }
}

/// Appends a grey value as an RGB pixel.
pub(crate) fn push_gray(rgb: &mut Vec<u8>, value: u8) {
    rgb.extend_from_slice(&[value; 3]);
}

/// The `index`-th of `count` samples of `bits` bits each (1, 2, 4 or 8), packed from the most significant bit.
pub(crate) fn unpack(row: &[u8], bits: u8, count: usize) -> impl Iterator<Item = u8> {
    let bits = usize::from(bits.clamp(1, 8));
    let per_byte = 8 / bits;
    let mask = (0xff_u16 >> (8 - bits)) as u8;
    let samples = row
        .iter()
        .flat_map(move |byte| (1..=per_byte).map(move |place| (byte >> (8 - place * bits)) & mask));
    samples.take(count)
}

/// A colour table of up to 256 entries; those that the file leaves out are black, as in Pillow.
pub(crate) struct Palette([[u8; 3]; 256]);

impl Palette {
    /// Takes entries in order; more than 256 are ignored.
    pub(crate) fn new(entries: impl Iterator<Item = [u8; 3]>) -> Self {
        let mut table = [[0; 3]; 256];
        table
            .iter_mut()
            .zip(entries)
            .for_each(|(slot, entry)| *slot = entry);
        Self(table)
    }

    /// A palette of `R, G, B` bytes.
    pub(crate) fn from_rgb(bytes: &[u8]) -> Self {
        Self::new(bytes.as_chunks().0.iter().copied())
    }

    /// The colour of an index.
    pub(crate) fn color(&self, index: u8) -> [u8; 3] {
        self.0[usize::from(index)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inks_mix_to_the_values_pillow_gives() {
        // Image.new("CMYK", (1, 1), inks).convert("RGB").getpixel((0, 0))
        assert_eq!(cmyk_to_rgb([0, 0, 0, 0]), [255; 3]);
        assert_eq!(cmyk_to_rgb([255, 0, 0, 0]), [0, 255, 255]);
        assert_eq!(cmyk_to_rgb([10, 100, 200, 50]), [197, 125, 44]);
        assert_eq!(cmyk_to_rgb([1, 2, 3, 255]), [0; 3]);
    }

    #[test]
    fn samples_unpack_from_the_most_significant_bit() {
        assert_eq!(unpack(&[0b1010_0000], 1, 4).collect::<Vec<_>>(), [1, 0, 1, 0]);
        assert_eq!(unpack(&[0x1b, 0xff], 2, 5).collect::<Vec<_>>(), [0, 1, 2, 3, 3]);
        assert_eq!(unpack(&[0x4a, 0x70], 4, 3).collect::<Vec<_>>(), [4, 10, 7]);
    }
}
