//! JPEGs. Layout: ITU-T T.81.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};

/// The segments of a JPEG file.
pub struct Parts {
    /// Quantisation.
    pub tables: Vec<u8>,
    /// Huffman codes.
    pub huffman: Vec<u8>,
    /// The frame's header.
    pub frame: Vec<u8>,
    /// The scan's header, its data, and the end mark.
    pub scan: Vec<u8>,
}

/// How a JPEG's coefficients are coded: its frame's marker.
#[derive(Clone, Copy)]
pub enum Coding {
    /// Progressive, Huffman.
    Progressive = 0xc2,
    /// Progressive, arithmetic.
    ProgressiveArithmetic = 0xca,
}

/// 8 x 8 grey pixels, in its parts.
pub fn tiny_grey() -> Parts {
    let mut file = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut file, 50);
    encoder
        .write_image(&[77; 64], 8, 8, ExtendedColorType::L8)
        .unwrap();
    let mut parts = Parts {
        tables: Vec::new(),
        huffman: Vec::new(),
        frame: Vec::new(),
        scan: Vec::new(),
    };
    let mut rest = &file[2..];
    loop {
        let length = 2 + usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        let (segment, after) = rest.split_at(length);
        match segment[1] {
            0xdb => parts.tables.extend(segment),
            0xc4 => parts.huffman.extend(segment),
            0xc0 => parts.frame.extend(segment),
            0xda => {
                parts.scan.extend(rest);
                return parts;
            }
            _ => {}
        }
        rest = after;
    }
}

/// A plain picture of long sides.
pub fn plain(width: u16, height: u16) -> Vec<u8> {
    let mut file = Vec::new();
    let pixels = vec![0; usize::from(width) * usize::from(height)];
    let encoder = JpegEncoder::new_with_quality(&mut file, 50);
    encoder
        .write_image(&pixels, width.into(), height.into(), ExtendedColorType::L8)
        .unwrap();
    file
}

/// So many scans over all coefficients of all blocks, each of a few bytes: a progressive decoder goes through the whole
/// picture for each, and holds all coefficients meanwhile (two bytes each, a component).
pub fn scans(coding: Coding, sides: (u16, u16), components: u8, scans: usize) -> Vec<u8> {
    let mut file = b"\xff\xd8".to_vec();
    file.extend(tiny_grey().tables);
    if matches!(coding, Coding::Progressive) {
        file.extend(run_codes());
    }
    let mut frame = vec![8];
    frame.extend(sides.1.to_be_bytes());
    frame.extend(sides.0.to_be_bytes());
    frame.push(components);
    frame.extend((1..=components).flat_map(|component| [component, 0x11, 0]));
    put_segment(&mut file, coding as u8, &frame);
    for component in 1..=components {
        put_scan(&mut file, component, [0, 0]);
    }
    for number in 0..scans.saturating_sub(components.into()) {
        let component = number % usize::from(components) + 1;
        put_scan(&mut file, component as u8, [1, 63]);
    }
    file.extend(b"\xff\xd9");
    file
}

/// A scan of one component over a band of coefficients, with data that soon end.
fn put_scan(file: &mut Vec<u8>, component: u8, [first, last]: [u8; 2]) {
    put_segment(file, 0xda, &[1, component, 0, first, last, 0]);
    file.extend([0x5a; 64]);
}

/// Huffman codes in which the bit 0 means: no change (DC), or 32,767 blocks without a coefficient (AC).
fn run_codes() -> Vec<u8> {
    let mut codes = Vec::new();
    let table = |class: u8, symbol: u8| {
        let mut counts = [0; 16];
        counts[0] = 1;
        [&[class << 4][..], &counts, &[symbol]].concat()
    };
    put_segment(&mut codes, 0xc4, &[table(0, 0), table(1, 0xe0)].concat());
    codes
}

fn put_segment(file: &mut Vec<u8>, marker: u8, bytes: &[u8]) {
    file.extend([0xff, marker]);
    file.extend((bytes.len() as u16 + 2).to_be_bytes());
    file.extend(bytes);
}
