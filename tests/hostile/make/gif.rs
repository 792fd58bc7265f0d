//! GIFs. Layout: GIF89a.

/// One frame of one colour. The screen's sides are the frame's; codes are all literal, so a pixel takes 3 bits.
pub fn plain(width: u16, height: u16) -> Vec<u8> {
    frames(width, height, 1)
}

/// So many frames of one colour, one after the other: only the first is wanted.
pub fn frames(width: u16, height: u16, count: usize) -> Vec<u8> {
    let mut file = b"GIF89a".to_vec();
    let sides = [width.to_le_bytes(), height.to_le_bytes()].concat();
    file.extend(&sides);
    file.extend([0x80, 0, 0]); // a palette of two colours
    file.extend([0, 0, 0, 0xff, 0xff, 0xff]);
    let mut frame = vec![0x2c, 0, 0, 0, 0];
    frame.extend(&sides);
    frame.push(0);
    frame.extend(literal_codes(usize::from(width) * usize::from(height)));
    for _ in 0..count {
        file.extend(&frame);
    }
    file.push(0x3b);
    file
}

/// LZW with 2-bit symbols in which the table is cleared before codes grow past 3 bits.
fn literal_codes(pixels: usize) -> Vec<u8> {
    const CLEAR: u8 = 4;
    const END: u8 = 5;
    // Two codes after a clear one: the table then has entry 6, and codes still have 3 bits.
    let codes = (0..pixels.div_ceil(2)).flat_map(|_| [CLEAR, 0, 0]);
    let mut packed = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for code in codes.chain([END, 0, 0, 0]) {
        bits |= u32::from(code) << count;
        count += 3;
        if count >= 8 {
            packed.push(bits as u8);
            bits >>= 8;
            count -= 8;
        }
    }
    let mut blocks = vec![2];
    for block in packed.chunks(255) {
        blocks.push(block.len() as u8);
        blocks.extend(block);
    }
    blocks.push(0);
    blocks
}
