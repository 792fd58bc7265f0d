//! TIFFs, little-endian. Layout: TIFF 6.0; JPEG in TIFF: its Technical Note 2.

use super::jpeg;
use super::zeros::zlib_of_zeros;

const SHORT: u16 = 3;
const LONG: u16 = 4;
const UNDEFINED: u16 = 7;

/// A TIFF file that is being put together.
struct Tiff {
    file: Vec<u8>,
    entries: Vec<(u16, u16, u32, u32)>,
}

impl Tiff {
    fn new() -> Self {
        Self {
            file: b"II*\0\0\0\0\0".to_vec(),
            entries: Vec::new(),
        }
    }

    fn put(&mut self, bytes: &[u8]) -> u32 {
        let place = self.file.len() as u32;
        self.file.extend(bytes);
        place
    }

    fn short(&mut self, tag: u16, value: u16) {
        self.entries.push((tag, SHORT, 1, value.into()));
    }

    fn longs(&mut self, tag: u16, values: &[u32]) {
        let value = match values {
            [value] => *value,
            _ => self.put(
                &values
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect::<Vec<_>>(),
            ),
        };
        self.entries.push((tag, LONG, values.len() as u32, value));
    }

    /// Width, height, grey of 8 bits, the compression.
    fn grey(width: u32, height: u32, compression: u16) -> Self {
        let mut tiff = Self::new();
        tiff.longs(256, &[width]);
        tiff.longs(257, &[height]);
        tiff.short(258, 8);
        tiff.short(259, compression);
        tiff.short(262, 1);
        tiff.short(277, 1);
        tiff
    }

    fn finish(mut self) -> Vec<u8> {
        self.entries.sort_unstable();
        if self.file.len() % 2 == 1 {
            self.file.push(0);
        }
        let directory = self.file.len() as u32;
        self.file[4..8].copy_from_slice(&directory.to_le_bytes());
        self.file.extend((self.entries.len() as u16).to_le_bytes());
        for (tag, kind, count, value) in self.entries {
            self.file.extend(tag.to_le_bytes());
            self.file.extend(kind.to_le_bytes());
            self.file.extend(count.to_le_bytes());
            self.file.extend(value.to_le_bytes());
        }
        self.file.extend([0; 4]);
        self.file
    }
}

/// Black pixels in one deflated strip: a thousandth of their number in bytes.
pub fn black(width: u32, height: u32) -> Vec<u8> {
    let mut tiff = Tiff::grey(width, height, 8);
    let strip = zlib_of_zeros(u64::from(width) * u64::from(height));
    let place = tiff.put(&strip);
    tiff.longs(273, &[place]);
    tiff.longs(278, &[height]);
    tiff.longs(279, &[strip.len() as u32]);
    tiff.finish()
}

/// One tile much larger than the image in it.
pub fn one_large_tile(width: u32, height: u32, tile: u32) -> Vec<u8> {
    let mut tiff = Tiff::grey(width, height, 8);
    let data = zlib_of_zeros(u64::from(tile) * u64::from(tile));
    let place = tiff.put(&data);
    tiff.longs(322, &[tile]);
    tiff.longs(323, &[tile]);
    tiff.longs(324, &[place]);
    tiff.longs(325, &[data.len() as u32]);
    tiff.finish()
}

/// As many deflated tiles of 16 x 16 as the sides hold, all of them the same bytes.
pub fn many_tiles(side: u32) -> Vec<u8> {
    let mut tiff = Tiff::grey(side, side, 8);
    let data = zlib_of_zeros(256);
    let count = (side.div_ceil(16) as usize).pow(2);
    let places: Vec<u32> = (0..count).map(|_| tiff.put(&data)).collect();
    tiff.longs(322, &[16]);
    tiff.longs(323, &[16]);
    tiff.longs(324, &places);
    tiff.longs(325, &vec![data.len() as u32; count]);
    tiff.finish()
}

/// So many strips, each a tiny JPEG, that share tables of about so many bytes: a decoder that parses the tables anew for
/// every strip does strips x bytes of work.
pub fn shared_jpeg_tables(strips: u32, table_bytes: usize) -> Vec<u8> {
    let jpeg::Parts {
        tables,
        huffman,
        frame,
        scan,
    } = jpeg::tiny_grey();
    let repeated = huffman.repeat(table_bytes.div_ceil(huffman.len()));
    let shared = [&b"\xff\xd8"[..], &tables, &repeated, b"\xff\xd9"].concat();
    let strip = [&b"\xff\xd8"[..], &frame, &scan].concat();
    let mut tiff = Tiff::grey(8, 8 * strips, 7);
    let at = tiff.put(&shared);
    tiff.entries.push((347, UNDEFINED, shared.len() as u32, at));
    let places: Vec<u32> = (0..strips).map(|_| tiff.put(&strip)).collect();
    tiff.longs(273, &places);
    tiff.longs(278, &[8]);
    tiff.longs(279, &vec![strip.len() as u32; strips as usize]);
    tiff.finish()
}

/// A directory whose tag states 2^32 - 1 values: a reader that believes it asks for 16 GiB.
pub fn endless_tag(tag: u16) -> Vec<u8> {
    let mut tiff = Tiff::grey(8, 8, 1);
    let place = tiff.put(&[0; 64]);
    tiff.longs(273, &[place]);
    tiff.longs(278, &[8]);
    tiff.longs(279, &[64]);
    tiff.entries.retain(|entry| entry.0 != tag);
    tiff.entries.push((tag, LONG, u32::MAX, 8));
    tiff.finish()
}
