//! PNGs that are small as files and large in memory or work. Layout: the PNG specification, third edition.

use flate2::Crc;

use super::zeros::{zlib, zlib_of_zeros};

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// How a PNG's pixels stand in it.
#[derive(Clone, Copy)]
pub struct Layout {
    /// Bits of a sample.
    pub depth: u8,
    /// 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA.
    pub colour: u8,
    /// In seven passes (Adam7).
    pub interlaced: bool,
}

/// One bit a pixel: the smallest file for its sides.
pub const BILEVEL: Layout = Layout {
    depth: 1,
    colour: 0,
    interlaced: false,
};

/// Black pixels of any sides: a file a thousand times smaller than its rows. What grows with rows or columns grows here.
pub fn black(width: u32, height: u32, layout: Layout) -> Vec<u8> {
    let length = passes(width, height, layout.interlaced)
        .into_iter()
        .filter(|(width, height)| *width > 0 && *height > 0)
        .map(|(width, height)| (1 + (width * bits(layout)).div_ceil(8)) * height)
        .sum();
    file(width, height, layout, &[], &zlib_of_zeros(length))
}

/// A tiny picture with these chunks before its pixels.
pub fn with_chunks(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    file(8, 8, BILEVEL, chunks, &zlib(&[0; 16]))
}

/// A colour profile that unpacks to so many zeros: a decoder that unpacks it whole holds them all.
pub fn profile_bomb(unpacked: u64) -> Vec<u8> {
    let profile = [b"p\0\0".to_vec(), zlib_of_zeros(unpacked)].concat();
    with_chunks(&[(b"iCCP", profile)])
}

/// Texts that unpack to so many zeros each.
pub fn text_bombs(count: usize, unpacked: u64) -> Vec<u8> {
    let text = [b"t\0\0".to_vec(), zlib_of_zeros(unpacked)].concat();
    with_chunks(&vec![(b"zTXt", text); count])
}

fn bits(layout: Layout) -> u64 {
    let channels = match layout.colour {
        2 => 3,
        4 => 2,
        6 => 4,
        _ => 1,
    };
    u64::from(layout.depth) * channels
}

/// The sides of the passes over an image.
fn passes(width: u32, height: u32, interlaced: bool) -> Vec<(u64, u64)> {
    /// First column, first row, step of columns, step of rows.
    const ADAM7: [[u32; 4]; 7] = [
        [0, 0, 8, 8],
        [4, 0, 8, 8],
        [0, 4, 4, 8],
        [2, 0, 4, 4],
        [0, 2, 2, 4],
        [1, 0, 2, 2],
        [0, 1, 1, 2],
    ];
    if !interlaced {
        return vec![(width.into(), height.into())];
    }
    let side = |length: u32, first: u32, step: u32| u64::from(length.saturating_sub(first).div_ceil(step));
    ADAM7
        .map(|[x, y, dx, dy]| (side(width, x, dx), side(height, y, dy)))
        .to_vec()
}

fn file(width: u32, height: u32, layout: Layout, chunks: &[(&[u8; 4], Vec<u8>)], data: &[u8]) -> Vec<u8> {
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([layout.depth, layout.colour, 0, 0, layout.interlaced.into()]);
    let mut file = SIGNATURE.to_vec();
    put_chunk(&mut file, b"IHDR", &header);
    for (name, bytes) in chunks {
        put_chunk(&mut file, name, bytes);
    }
    put_chunk(&mut file, b"IDAT", data);
    put_chunk(&mut file, b"IEND", &[]);
    file
}

fn put_chunk(file: &mut Vec<u8>, name: &[u8; 4], bytes: &[u8]) {
    file.extend((bytes.len() as u32).to_be_bytes());
    let start = file.len();
    file.extend(name);
    file.extend(bytes);
    let mut checksum = Crc::new();
    checksum.update(&file[start..]);
    file.extend(checksum.sum().to_be_bytes());
}
