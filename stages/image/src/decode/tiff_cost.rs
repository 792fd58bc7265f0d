//! What the strips or tiles of a TIFF take.

use std::ops::Range;

use super::jpeg_markers::{self, MarkerError, Walked};
use super::tiff_directory::Directory;
use super::tiff_tables;
use crate::limits::Cost;

/// The tags of which the decoder makes lists, whatever the file says their types are.
const READ: [u16; 24] = [
    254, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 330, 338,
    339, 347, 530,
];
/// Tag 347: JPEG tables that all strips or tiles share.
pub(crate) const JPEG_TABLES: u16 = 347;
/// Bytes that two decoders and what is read beside them keep of a tag's value.
const VALUE_BYTES: u64 = 160;
/// Bytes of what the decoder keeps whatever the picture.
const FIXED_BYTES: u64 = 2 << 20;

const JPEG: u16 = 7;
const FAX: [u16; 3] = [2, 3, 4];

/// Nanoseconds, measured on a core of an AMD EPYC: a byte of samples unpacked, a byte of coded data, a strip or tile, a
/// row of one, a value of a tag, a pixel brought to RGB, one of samples in planes, one turned.
const SAMPLE_BYTE_NS: u64 = 8;
const CODED_BYTE_NS: u64 = 40;
const CHUNK_NS: u64 = 20_000;
const ROW_NS: u64 = 300;
const VALUE_NS: u64 = 60;
const PIXEL_NS: u64 = 15;
const PLANAR_PIXEL_NS: u64 = 60;
const TURNED_PIXEL_NS: u64 = 20;
/// The same for JPEGs in strips and tiles: a byte of them (of which a table takes few), a block passed over by a scan, a
/// byte of shared tables, read for every strip.
const JPEG_BYTE_NS: u64 = 80;
const JPEG_BLOCK_NS: u64 = 250;
const TABLE_BYTE_NS: u64 = 40;

/// Whether every tag that is read has its values in the file, so that room is made for no more than is there.
pub(crate) fn values_are_there(directory: &Directory, length: u64) -> bool {
    let mut read = directory.entries.iter().filter(|entry| READ.contains(&entry.tag));
    read.all(|entry| entry.values.end <= length)
}

/// What the tags state.
pub(crate) struct Layout {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) bits: u64,
    pub(crate) samples: u64,
    pub(crate) planar: bool,
    pub(crate) compression: u16,
    pub(crate) turned: bool,
    /// The file is changed in a copy before it is decoded.
    pub(crate) copied: bool,
    pub(crate) chunk_width: u32,
    pub(crate) chunk_height: u32,
}

/// What decoding strips or tiles at these places takes, and how many passes over blocks their JPEGs state.
///
/// # Errors
/// If a JPEG in one is broken before its pixels.
pub(crate) fn cost(
    layout: &Layout,
    directory: &Directory,
    file: &[u8],
    chunks: &[Range<usize>],
) -> Result<(Cost, u64), MarkerError> {
    let (width, height) = (u64::from(layout.width), u64::from(layout.height));
    let pixels = width * height;
    let row = |pixels: u64| pixels.saturating_mul(layout.bits * layout.samples).div_ceil(8);
    let data = (row(width) + layout.samples) * height;
    let chunk_row = row(layout.chunk_width.into());
    let rows = u64::from(layout.chunk_height.min(layout.height)) * chunks.len() as u64;
    let read = directory.entries.iter().filter(|entry| READ.contains(&entry.tag));
    let values: u64 = read.map(|entry| entry.count).sum();
    let coded: u64 = chunks.iter().map(|chunk| chunk.len() as u64).sum();

    let mut inside = 3 * chunk_row;
    let mut nanoseconds = chunks.len() as u64 * CHUNK_NS
        + rows * ROW_NS
        + rows.saturating_mul(chunk_row).saturating_mul(SAMPLE_BYTE_NS)
        + values * VALUE_NS
        + coded * CODED_BYTE_NS
        + pixels * if layout.planar { PLANAR_PIXEL_NS } else { PIXEL_NS }
        + height * ROW_NS
        + u64::from(layout.turned) * pixels * TURNED_PIXEL_NS;
    if FAX.contains(&layout.compression) {
        nanoseconds += coded * 8 * CODED_BYTE_NS;
        inside += 64 * u64::from(layout.chunk_width.min(1 << 16));
    }
    let mut visits = 0;
    if layout.compression == JPEG {
        let tables = directory.get(JPEG_TABLES).map_or(0, |entry| entry.count);
        // Longer ones are shortened before they are read.
        let tables = tables.min(tiff_tables::FEW as u64);
        for chunk in chunks {
            let walked = jpeg_markers::survey(file.get(chunk.clone()).unwrap_or_default())?;
            let length = chunk.len() as u64 + tables;
            inside = inside.max(3 * chunk_row + jpeg_bytes(&walked) + 4 * length);
            visits += walked.visits;
            nanoseconds += chunk.len() as u64 * JPEG_BYTE_NS + tables * TABLE_BYTE_NS;
            let blocks = walked.frame.map_or(0, |frame| frame.all_blocks());
            nanoseconds += (walked.visits + blocks) * JPEG_BLOCK_NS;
        }
    }
    let length = file.len() as u64;
    let copy = u64::from(layout.copied) * length;
    // All samples beside a strip as it is unpacked, then beside the RGB pixels, then those beside the turned ones.
    let turned = u64::from(layout.turned) * 6 * pixels;
    let peak = (data + inside)
        .max(data + 3 * pixels + 4 * row(width))
        .max(turned);
    let cost = Cost {
        width: layout.width,
        height: layout.height,
        bytes: peak + copy + values * VALUE_BYTES + directory.entries.len() as u64 * 256 + FIXED_BYTES,
        nanoseconds,
    };
    Ok((cost, visits))
}

/// Coefficients and samples of a JPEG in a strip or tile, and the pixels made of them.
fn jpeg_bytes(walked: &Walked) -> u64 {
    walked.frame.map_or(0, |frame| {
        let kept = if frame.is_progressive() || walked.scans > 1 {
            2
        } else {
            0
        };
        let rows = 64 * 16 * 64 * (u64::from(frame.width) / 8 + 4);
        frame.all_blocks() * 64 * (kept + 1) + frame.padded_pixels() * u64::from(frame.components) + rows
    })
}
