//! Lossless WebPs, bit by bit. Layout: RFC 9649.

use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder};

/// Bits, the least significant first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// Those that do not fill a byte yet.
    open: u64,
    count: u32,
}

impl Bits {
    fn put(&mut self, (value, count): Field) {
        self.open |= u64::from(value) << self.count;
        self.count += count;
        while self.count >= 8 {
            self.bytes.push(self.open as u8);
            self.open >>= 8;
            self.count -= 8;
        }
    }

    fn put_all(&mut self, fields: &[Field]) {
        fields.iter().for_each(|field| self.put(*field));
    }
}

/// A number and how many bits it has.
type Field = (u32, u32);

/// A Huffman code's word: its most significant bit comes first.
const fn word((word, length): Field) -> Field {
    (word.reverse_bits() >> (32 - length), length)
}

/// A prefix code of one symbol.
const fn one_symbol(symbol: u32) -> [Field; 4] {
    [(1, 1), (0, 1), (1, 1), (symbol, 8)]
}

/// A picture of one colour.
pub fn plain(width: u32, height: u32) -> Vec<u8> {
    let mut file = Vec::new();
    let pixels = vec![0; (width * height * 3) as usize];
    let encoder = WebPEncoder::new_lossless(&mut file);
    encoder
        .write_image(&pixels, width, height, ExtendedColorType::Rgb8)
        .unwrap();
    file
}

/// 4 x 4 pixels that declare so many groups (65,536 at most) of five prefix codes, each of which has a deep table: what a
/// decoder holds of them is thousands of times the picture.
pub fn code_groups(groups: u32) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put_all(&[
        (0x2f, 8),
        (3, 14), // width - 1
        (3, 14), // height - 1
        (0, 4),  // no alpha, version 0
        (0, 2),  // no transform, no colour cache
        (1, 1),  // several groups
        (7, 3),  // blocks of 512 pixels: their image has one
        (0, 1),  // no colour cache in it
    ]);
    let last = groups - 1;
    for symbol in [last & 255, last >> 8, 0, 0, 0] {
        bits.put_all(&one_symbol(symbol));
    }
    let mut group = Vec::new();
    for alphabet in [280, 256, 256, 256] {
        group.extend(deep_code(alphabet));
    }
    group.extend(one_symbol(0));
    (0..groups).for_each(|_| bits.put_all(&group));
    bits.put_all(&[(0, 32); 128]);
    riff(bits.bytes)
}

/// The lengths of a code with words of 13 bits: 1, 2, 3, 4, 5, five times 12, 246 times 13, and none for the rest.
fn deep_code(alphabet: u32) -> Vec<Field> {
    /// The order in which the lengths of the code of lengths stand.
    const ORDER: [u32; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    /// Symbols of the code of lengths, with the lengths of their words, in canonical order.
    const LENGTHS: [Field; 9] = [
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
    let (mut words, mut next, mut before) = ([(0, 0); 19], 0_u32, 0);
    for (symbol, length) in LENGTHS {
        next <<= length - before;
        words[symbol as usize] = (next, length);
        (next, before) = (next + 1, length);
    }
    let symbol = |symbol: u32| word(words[symbol as usize]);
    let mut fields = vec![(0, 1), (15, 4)];
    fields.extend(ORDER.map(|symbol| (words[symbol as usize].1, 3)));
    fields.push((0, 1)); // lengths of the whole alphabet follow
    fields.extend([1, 2, 3, 4, 5, 12, 12, 12, 12, 12, 13].map(symbol));
    // The length before it, 3 to 6 times: 245 in all.
    for times in [6].repeat(40).into_iter().chain([5]) {
        fields.extend([symbol(16), (times - 3, 2)]);
    }
    let mut left = alphabet - 256;
    while left > 0 {
        let times = left.min(138);
        fields.extend([symbol(18), (times - 11, 7)]);
        left -= times;
    }
    fields
}

fn riff(mut data: Vec<u8>) -> Vec<u8> {
    if data.len() % 2 == 1 {
        data.push(0);
    }
    let length = data.len() as u32;
    let mut file = b"RIFF".to_vec();
    file.extend((length + 12).to_le_bytes());
    file.extend(b"WEBPVP8L");
    file.extend(length.to_le_bytes());
    file.extend(data);
    file
}
