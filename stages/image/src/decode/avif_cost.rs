//! What the boxes and the AV1 stream of an AVIF take.

use zenavif_parse::{AV1Metadata, ChromaSubsampling};

use super::avif_boxes::Boxes;

/// Bytes of what the decoder keeps whatever the picture.
const FIXED_BYTES: u64 = 8 << 20;
/// Bytes of the decoder's state of a tile, of which one covers at least a square of this many pixels a side.
const TILE_BYTES: u64 = 48 << 10;
const TILE_SIDE: u64 = 64;
const MAX_TILES: u64 = 4096;
/// Bytes a pixel of what is kept of a frame beside its planes: modes, levels of filters, motion.
const MODE_BYTES: u64 = 3;
/// Frames that later ones may refer to.
const REFERENCES: u64 = 8;
/// Sides of planes are filled up to this.
const PADDING: u64 = 128;

/// Nanoseconds, measured on a core of an AMD EPYC: a pixel decoded, a byte of its data, a pixel brought to RGB, a frame,
/// an OBU.
const PIXEL_NS: u64 = 70;
const BYTE_NS: u64 = 60;
const RGB_PIXEL_NS: u64 = 25;
const FRAME_NS: u64 = 1_000_000;
const UNIT_NS: u64 = 500;
/// Of boxes: a box, a byte of a list, a step of a search for an item in a list.
const BOX_NS: u64 = 200;
const LIST_BYTE_NS: u64 = 30;
const SEARCH_NS: u64 = 10;

/// Bytes and nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) bytes: u64,
    pub(crate) nanoseconds: u64,
}

/// What parsing these boxes takes. Called twice: once to learn what the file has, once to decode it.
pub(crate) fn boxes(boxes: &Boxes, length: u64) -> Part {
    let searches = (boxes.references + 16).saturating_mul(boxes.associations + boxes.list_bytes / 8);
    Part {
        bytes: boxes.property_bytes
            + boxes.associations * 256
            + boxes.list_bytes * 16
            + boxes.samples * 12
            + boxes.count * 64
            + 3 * boxes.extent_bytes
            + 3 * length,
        nanoseconds: 2 * searches.saturating_mul(SEARCH_NS)
            + 2 * (boxes.count * BOX_NS + boxes.list_bytes * LIST_BYTE_NS + boxes.samples * 10)
            + length,
    }
}

/// The units of an AV1 stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Units {
    pub(crate) count: u64,
    /// Frames, shown or not.
    pub(crate) frames: u64,
    /// There are sequence headers that differ: frames of other sides or depths than the first of them states.
    pub(crate) changes: bool,
}

impl Units {
    /// Counts them (AV1 specification, section 5.3).
    pub(crate) fn count(mut data: &[u8]) -> Self {
        let mut units = Self::default();
        let mut sequence = None;
        while let Some((head, rest)) = data.split_first() {
            units.count += 1;
            if matches!(head >> 3 & 15, 3 | 6) {
                units.frames += 1;
            }
            let (extended, sized) = (head >> 2 & 1 == 1, head >> 1 & 1 == 1);
            let Some(rest) = rest.get(usize::from(extended)..) else {
                break;
            };
            let Some((size, rest)) = (if sized { leb128(rest) } else { None }) else {
                break;
            };
            let unit = rest.get(..size).unwrap_or(rest);
            if head >> 3 & 15 == 1 {
                units.changes |= sequence.is_some_and(|first| first != unit);
                sequence = Some(unit);
            }
            data = rest.get(size..).unwrap_or_default();
        }
        units
    }
}

fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (place, byte) in bytes.iter().take(8).enumerate() {
        value |= usize::from(byte & 127) << (7 * place);
        if byte & 128 == 0 {
            return Some((value, bytes.get(place + 1..)?));
        }
    }
    None
}

/// What decoding a stream with this header takes, the RGB pixels made of it among it.
pub(crate) fn stream(header: &AV1Metadata, units: Units, length: u64) -> Part {
    let (width, height) = (
        u64::from(header.max_frame_width.get()),
        u64::from(header.max_frame_height.get()),
    );
    let frames = units.frames.max(1);
    let padded = width.next_multiple_of(PADDING) * height.next_multiple_of(PADDING);
    let depth = if header.bit_depth > 8 { 2 } else { 1 };
    // Planes of a frame, in halves of the pixels.
    let halves = match header.chroma_subsampling {
        _ if header.monochrome => 2,
        ChromaSubsampling {
            horizontal: true,
            vertical: true,
        } => 3,
        ChromaSubsampling {
            horizontal: false,
            vertical: false,
        } => 6,
        _ => 4,
    };
    let frame = padded * depth * halves / 2 + padded * MODE_BYTES;
    // The frame, one more with its grain, and those that frames refer to.
    let held = 1 + frames.min(REFERENCES + 1);
    let tiles = (width.div_ceil(TILE_SIDE) * height.div_ceil(TILE_SIDE)).min(MAX_TILES);
    let pixels = width * height;
    Part {
        bytes: held * frame + tiles * TILE_BYTES + 3 * pixels + 2 * length + FIXED_BYTES,
        nanoseconds: frames.saturating_mul(padded * PIXEL_NS + FRAME_NS)
            + length * BYTE_NS
            + units.count * UNIT_NS
            + pixels * RGB_PIXEL_NS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_counted_whether_shown_or_not() {
        // A temporal delimiter, a sequence header of two bytes, two frames of one, a frame header without a size.
        let data = [
            0x12, 0, 0x0a, 2, 9, 9, 0x32, 1, 7, 0x32, 0x81, 0, 7, 0x18, 1, 2, 3,
        ];
        let expected = Units {
            count: 5,
            frames: 3,
            changes: false,
        };
        assert_eq!(Units::count(&data), expected);
        let twice = |second: u8| Units::count(&[0x0a, 1, 7, 0x0a, 1, second]).changes;
        assert!(!twice(7) && twice(8));
    }
}
