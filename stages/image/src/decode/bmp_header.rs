//! The headers of a bitmap.

use super::bmp::corrupt;
use super::color::Palette;
use crate::ImageError;

/// What a bitmap's headers say.
pub(crate) struct Header {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) from_top: bool,
    /// Bits a pixel: 1, 4, 8, 16, 24 or 32.
    pub(crate) bits: u16,
    pub(crate) compression: Compression,
    pub(crate) palette: Palette,
    /// Where the pixels begin, in bytes from the start of the file.
    pub(crate) data_offset: usize,
}

/// How pixels are stored.
pub(crate) enum Compression {
    /// Palette indices of `bits` bits.
    Indexed,
    /// Runs of palette indices, of 4 bits each if `nibbles`, else 8.
    Rle {
        /// 4 bits an index.
        nibbles: bool,
    },
    /// Little-endian words of which masks take red, green and blue.
    Masks([Mask; 3]),
}

/// The bits of one channel in a pixel's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mask {
    shift: u32,
    max: u32,
}

impl Mask {
    /// A mask of up to 8 contiguous bits.
    fn new(mask: u32) -> Option<Self> {
        let shift = mask.trailing_zeros().min(31);
        let max = mask >> shift;
        ((1..=255).contains(&max) && (max + 1).is_power_of_two()).then_some(Self { shift, max })
    }

    /// The channel of a pixel of up to four bytes, spread over 0 to 255 as Pillow's unpackers do.
    pub(crate) fn sample(self, pixel: &[u8]) -> u8 {
        let word = pixel
            .iter()
            .rev()
            .fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        ((word >> self.shift & self.max) * 255 / self.max) as u8
    }
}

const FILE_HEADER: usize = 14;
/// OS/2's first header: 16-bit sides, palette entries of three bytes.
const CORE_HEADER: usize = 12;

const RAW: u32 = 0;
const RLE8: u32 = 1;
const RLE4: u32 = 2;
const BITFIELDS: u32 = 3;

impl Header {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ImageError> {
        let short = || corrupt("the file ends in its headers");
        let stated_offset = u32_at(bytes, 10).ok_or_else(short)? as usize;
        let info = bytes.get(FILE_HEADER..).ok_or_else(short)?;
        let size = u32_at(info, 0).ok_or_else(short)? as usize;
        let sides = match size {
            CORE_HEADER => Sides::core(info),
            40 | 52 | 56 | 64 | 108 | 124 => Sides::windows(info),
            _ => {
                return Err(ImageError::Unsupported {
                    what: format!("BMP with a header of {size} bytes"),
                });
            }
        };
        let sides = sides.ok_or_else(short)?;
        let Sides {
            width,
            height,
            from_top,
            bits,
            compression,
            mut colors,
        } = sides;
        let mut table = FILE_HEADER + size;
        let compression = match (compression, bits) {
            (RAW, 1 | 4 | 8) => Compression::Indexed,
            (RLE8, 8) => Compression::Rle { nibbles: false },
            (RLE4, 4) => Compression::Rle { nibbles: true },
            (RAW, 16) => Compression::Masks(masks([0x7c00, 0x3e0, 0x1f])?),
            (RAW, 24 | 32) => Compression::Masks(masks([0xff_0000, 0xff00, 0xff])?),
            (BITFIELDS, 16 | 24 | 32) => {
                if size == 40 {
                    table += 12;
                }
                let stated = [40, 44, 48].map(|place| u32_at(info, place));
                let [Some(red), Some(green), Some(blue)] = stated else {
                    return Err(short());
                };
                Compression::Masks(bitfields([red, green, blue])?)
            }
            _ => {
                let what = format!("BMP of {bits} bits a pixel and compression {compression}");
                return Err(ImageError::Unsupported { what });
            }
        };
        if colors == 0 && bits <= 8 {
            colors = 1 << bits;
        }
        let entry = if size == CORE_HEADER { 3 } else { 4 };
        let table_length = if bits <= 8 {
            (colors as usize).saturating_mul(entry)
        } else {
            0
        };
        let entries = bytes
            .get(table..)
            .unwrap_or_default()
            .chunks_exact(entry)
            .take(colors as usize);
        let palette = Palette::new(entries.filter_map(|entry| {
            let [blue, green, red] = *entry.first_chunk()?;
            Some([red, green, blue])
        }));
        // Like Pillow: an offset that points at the palette, or nowhere, means the byte after it.
        let points_at_table = stated_offset <= FILE_HEADER + size && bits <= 8;
        let data_offset = if points_at_table || stated_offset == 0 {
            table.saturating_add(table_length)
        } else {
            stated_offset
        };
        Ok(Self {
            width,
            height,
            from_top,
            bits,
            compression,
            palette,
            data_offset,
        })
    }
}

/// The fields that both kinds of header have.
struct Sides {
    width: u32,
    height: u32,
    from_top: bool,
    bits: u16,
    compression: u32,
    colors: u32,
}

impl Sides {
    fn core(info: &[u8]) -> Option<Self> {
        let (width, height) = (u16_at(info, 4)?.into(), u16_at(info, 6)?.into());
        Some(Self {
            width,
            height,
            from_top: false,
            bits: u16_at(info, 10)?,
            compression: RAW,
            colors: 0,
        })
    }

    fn windows(info: &[u8]) -> Option<Self> {
        let height = u32_at(info, 8)?.cast_signed();
        Some(Self {
            width: u32_at(info, 4)?,
            height: height.unsigned_abs(),
            from_top: height < 0,
            bits: u16_at(info, 14)?,
            compression: u32_at(info, 16)?,
            colors: u32_at(info, 32)?,
        })
    }
}

/// Masks that are all zero are the usual order.
fn bitfields(stated: [u32; 3]) -> Result<[Mask; 3], ImageError> {
    masks(if stated == [0; 3] {
        [0xff_0000, 0xff00, 0xff]
    } else {
        stated
    })
}

fn masks(stated: [u32; 3]) -> Result<[Mask; 3], ImageError> {
    let [Some(red), Some(green), Some(blue)] = stated.map(Mask::new) else {
        return Err(ImageError::Unsupported {
            what: format!("BMP with channel masks {stated:x?}"),
        });
    };
    Ok([red, green, blue])
}

fn u16_at(bytes: &[u8], place: usize) -> Option<u16> {
    bytes
        .get(place..)?
        .first_chunk()
        .map(|pair| u16::from_le_bytes(*pair))
}

fn u32_at(bytes: &[u8], place: usize) -> Option<u32> {
    bytes
        .get(place..)?
        .first_chunk()
        .map(|word| u32::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_of_five_and_six_bits_reach_255() {
        let [red, green, blue] = masks([0xf800, 0x7e0, 0x1f]).unwrap();
        assert_eq!(
            [red, green, blue].map(|mask| mask.sample(&[0xff, 0xff])),
            [255; 3]
        );
        assert_eq!(green.sample(&[0x20, 0x00]), 4);
        assert_eq!(blue.sample(&[0x01, 0x00]), 8);
    }

    #[test]
    fn masks_with_holes_or_more_than_eight_bits_are_refused() {
        assert_eq!(Mask::new(0b101), None);
        assert_eq!(Mask::new(0x1ff), None);
        assert_eq!(Mask::new(0), None);
        assert!(Mask::new(0xff00_0000).is_some());
    }
}
