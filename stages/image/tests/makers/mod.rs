//! Files that state much and hold little.

#![allow(dead_code, reason = "each test file makes some of them")]

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

/// A PNG of zeros, in this colour type and depth.
pub fn png(width: u32, height: u32, color: u8, depth: u8, interlaced: bool) -> Vec<u8> {
    let channels = [1, 0, 3, 1, 2, 0, 4][usize::from(color)];
    let row = |pixels: u32| (u64::from(pixels) * u64::from(depth) * channels).div_ceil(8);
    let passes: &[(u32, u32, u32, u32)] = if interlaced {
        &[
            (0, 0, 8, 8),
            (4, 0, 8, 8),
            (0, 4, 4, 8),
            (2, 0, 4, 4),
            (0, 2, 2, 4),
            (1, 0, 2, 2),
            (0, 1, 1, 2),
        ]
    } else {
        &[(0, 0, 1, 1)]
    };
    let mut idat = ZlibEncoder::new(Vec::new(), Compression::fast());
    for (x, y, across, down) in passes {
        let (columns, rows) = (
            width.saturating_sub(*x).div_ceil(*across),
            height.saturating_sub(*y).div_ceil(*down),
        );
        if columns > 0 {
            zeros(&mut idat, u64::from(rows) * (1 + row(columns)));
        }
    }
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([depth, color, 0, 0, u8::from(interlaced)]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut file, b"IHDR", &header);
    if color == 3 {
        chunk(&mut file, b"PLTE", &[7; 768]);
    }
    chunk(&mut file, b"IDAT", &idat.finish().unwrap());
    chunk(&mut file, b"IEND", &[]);
    file
}

/// Appends a chunk of a PNG.
pub fn chunk(file: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    file.extend((data.len() as u32).to_be_bytes());
    let start = file.len();
    file.extend(kind);
    file.extend(data);
    let mut sum = flate2::Crc::new();
    sum.update(&file[start..]);
    file.extend(sum.sum().to_be_bytes());
}

fn zeros(out: &mut impl Write, mut count: u64) {
    while count > 0 {
        let some = count.min(1 << 20);
        out.write_all(&vec![0; some as usize]).unwrap();
        count -= some;
    }
}

/// A bitmap of run lengths that ends at once: all pixels are index 0.
pub fn bmp(width: u32, height: u32) -> Vec<u8> {
    let mut file = b"BM\0\0\0\0\0\0\0\0".to_vec();
    for word in [54 + 1024, 40, width, height, 1 | 8 << 16, 1, 0, 0, 0, 0, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend([9; 1024]);
    file.extend([0, 1]);
    file
}

/// A GIF whose frame is of these sides and whose codes end at once.
pub fn gif(width: u16, height: u16, blocks_before: usize) -> Vec<u8> {
    let mut file = b"GIF89a".to_vec();
    file.extend(width.to_le_bytes());
    file.extend(height.to_le_bytes());
    file.extend([0xf7, 0, 0]);
    file.extend([5; 768]);
    for _ in 0..blocks_before {
        file.extend([0x21, 0xfe, 1, b'x', 0]);
    }
    file.push(0x2c);
    file.extend([0; 4]);
    file.extend(width.to_le_bytes());
    file.extend(height.to_le_bytes());
    file.extend([0, 8]);
    // Strings of zeros that grow by one with each code, then the same again after a clear code.
    let area = usize::from(width) * usize::from(height);
    let mut bits = Bits::default();
    let (mut made, mut next, mut size) = (0, 258, 9);
    bits.put(256, 9);
    let mut length = 1;
    while made < area {
        let code = if length == 1 { 0 } else { next - 1 };
        bits.put(code, size);
        made += length;
        length += 1;
        if length > 2 {
            next += 1;
        }
        if next == 1 << size && size < 12 {
            size += 1;
        }
        if next >= 4095 {
            bits.put(256, size);
            (next, size, length) = (258, 9, 1);
        }
    }
    bits.put(257, size);
    for block in bits.bytes().chunks(255) {
        file.push(block.len() as u8);
        file.extend(block);
    }
    file.extend([0, 0x3b]);
    file
}

/// Bits, the least significant of a byte first.
#[derive(Default)]
pub struct Bits {
    bits: Vec<bool>,
}

impl Bits {
    pub fn put(&mut self, value: usize, count: usize) {
        self.bits.extend((0..count).map(|place| value >> place & 1 == 1));
    }

    pub fn append(&mut self, other: &Self) {
        self.bits.extend(&other.bits);
    }

    pub fn bytes(&self) -> Vec<u8> {
        let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
        self.bits.chunks(8).map(byte).collect()
    }
}

/// A little-endian TIFF with these tags (each of 32-bit values) and these bytes after its header, at [`TIFF_DATA`].
pub fn tiff(tags: &[(u16, Vec<u32>)], data: &[u8]) -> Vec<u8> {
    let mut tags = tags.to_vec();
    tags.sort();
    let mut file = b"II*\0\0\0\0\0".to_vec();
    file.extend(data);
    let mut entries = Vec::new();
    for (tag, values) in &tags {
        let kind: u16 = if *tag == 347 { 7 } else { 4 };
        entries.extend(tag.to_le_bytes());
        entries.extend(kind.to_le_bytes());
        if let (347, [place, length]) = (*tag, &values[..]) {
            entries.extend(length.to_le_bytes());
            entries.extend(place.to_le_bytes());
            continue;
        }
        entries.extend((values.len() as u32).to_le_bytes());
        if let [value] = values[..] {
            entries.extend(value.to_le_bytes());
        } else {
            entries.extend((file.len() as u32).to_le_bytes());
            file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        }
    }
    let directory = file.len() as u32;
    file[4..8].copy_from_slice(&directory.to_le_bytes());
    file.extend((tags.len() as u16).to_le_bytes());
    file.extend(entries);
    file.extend([0; 4]);
    file
}

/// Where the bytes given to [`tiff`] begin.
pub const TIFF_DATA: u32 = 8;

/// A grey TIFF of zeros, deflated in one strip.
pub fn deflated_tiff(width: u32, height: u32) -> Vec<u8> {
    let mut strip = ZlibEncoder::new(Vec::new(), Compression::fast());
    zeros(&mut strip, u64::from(width) * u64::from(height));
    let strip = strip.finish().unwrap();
    let tags = [
        (256, vec![width]),
        (257, vec![height]),
        (258, vec![8]),
        (259, vec![8]),
        (262, vec![1]),
        (273, vec![TIFF_DATA]),
        (278, vec![height]),
        (279, vec![strip.len() as u32]),
    ];
    tiff(&tags, &strip)
}

/// A JPEG of this process with these sides and components, and a scan over one component for each band given.
pub fn jpeg(
    process: u8,
    width: u16,
    height: u16,
    components: u8,
    bands: &[(u8, u8)],
    data: &[u8],
) -> Vec<u8> {
    let mut file = b"\xff\xd8\xff\xdb\0\x43\0".to_vec();
    file.extend([1; 64]);
    file.extend([0xff, process, 0, 8 + 3 * components, 8]);
    file.extend(height.to_be_bytes());
    file.extend(width.to_be_bytes());
    file.push(components);
    for id in 1..=components {
        file.extend([id, 0x11, 0]);
    }
    if process < 0xc8 {
        // Codes of one bit each: 0 for an empty block (or a difference of none), 1 for a run of 32,767 empty blocks.
        for class in [0, 0x10] {
            file.extend([
                0xff, 0xc4, 0, 21, class, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            ]);
            file.extend([0, if class == 0 { 1 } else { 0xe0 }]);
        }
    }
    for (first, last) in bands {
        file.extend([0xff, 0xda, 0, 8, 1, 1, 0, *first, *last, 0]);
        file.extend(data);
    }
    file.extend([0xff, 0xd9]);
    file
}

/// A lossless WebP stream of 4 x 4 pixels with this many groups of prefix codes, behind its header.
pub fn vp8l_groups(groups: usize) -> Vec<u8> {
    let mut bits = Bits::default();
    // No transform, no colour cache, an entropy image of one pixel without a colour cache.
    for (value, count) in [(0, 1), (0, 1), (1, 1), (7, 3), (0, 1)] {
        bits.put(value, count);
    }
    let last = groups - 1;
    for symbol in [last & 255, last >> 8, 0, 0, 0] {
        simple(&mut bits, symbol);
    }
    let mut group = Bits::default();
    for alphabet in [280, 256, 256, 256] {
        deep(&mut group, alphabet);
    }
    simple(&mut group, 0);
    for _ in 0..groups {
        bits.append(&group);
    }
    bits.put(0, 4096);
    bits.bytes()
}

/// A code of one symbol.
fn simple(bits: &mut Bits, symbol: usize) {
    bits.put(0b101, 3);
    bits.put(symbol, 8);
}

/// A code of 256 symbols: lengths 1 to 5, five of 12 bits, 246 of 13 bits.
fn deep(bits: &mut Bits, alphabet: usize) {
    const ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    const LENGTHS: [(usize, usize); 9] = [
        (16, 1),
        (12, 3),
        (13, 3),
        (1, 4),
        (2, 4),
        (3, 5),
        (4, 5),
        (5, 5),
        (18, 5),
    ];
    let length = |symbol: usize| {
        LENGTHS
            .iter()
            .find(|(other, _)| *other == symbol)
            .map_or(0, |(_, n)| *n)
    };
    bits.put(0, 1);
    bits.put(15, 4);
    for symbol in ORDER {
        bits.put(length(symbol), 3);
    }
    bits.put(0, 1);
    let symbol = |bits: &mut Bits, wanted: usize| {
        let (mut code, mut last) = (0_usize, 0);
        for (symbol, length) in LENGTHS {
            code <<= length - last;
            last = length;
            if symbol == wanted {
                (0..length).rev().for_each(|place| bits.put(code >> place & 1, 1));
            }
            code += 1;
        }
    };
    for length in [1, 2, 3, 4, 5, 12, 12, 12, 12, 12, 13] {
        symbol(bits, length);
    }
    let mut left = 245;
    while left > 2 {
        let run = left.min(6);
        symbol(bits, 16);
        bits.put(run - 3, 2);
        left -= run;
    }
    (0..left).for_each(|_| symbol(bits, 13));
    if alphabet > 256 {
        symbol(bits, 18);
        bits.put(alphabet - 256 - 11, 7);
    }
}

/// A WebP of these chunks.
pub fn webp(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (kind, data) in chunks {
        body.extend(*kind);
        body.extend((data.len() as u32).to_le_bytes());
        body.extend(data);
        body.resize(body.len().next_multiple_of(2), 0);
    }
    [b"RIFF", &(body.len() as u32).to_le_bytes()[..], &body].concat()
}

/// The header of a lossless stream of 4 x 4 pixels.
pub const VP8L_HEADER: [u8; 5] = [0x2f, 3, 0xc0, 0, 0];
