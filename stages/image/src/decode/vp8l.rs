//! A walk over a lossless WebP's bit stream, up to its pixels: what its prefix codes will take.
//!
//! A picture of any size may state 65,536 groups of five prefix codes, each of which the decoder keeps as tables; their
//! number is known only when the entropy image is decoded, which comes behind the transforms' own small images. All of
//! these are read here (WebP Lossless Bitstream Specification, sections 4 to 6), nothing of the picture itself.

use super::vp8l_code::{Bits, Code, CodeSize, distance_of};

/// Alphabets of the codes of a group: green and lengths (the colour cache comes on top), red, blue, alpha, distances.
const ALPHABETS: [usize; 5] = [280, 256, 256, 256, 40];
/// Bytes of a group, its tables not counted, with the room that a growing list of groups keeps free and moves from.
const GROUP_BYTES: u64 = 3 * 5 * 64;

/// What decoding a lossless picture takes beside its pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Demand {
    /// Bytes of the prefix codes' tables, of the transforms' and the entropy image, of the colour cache.
    pub(crate) bytes: u64,
    /// Groups of prefix codes.
    pub(crate) groups: u64,
    /// Transforms, each of which passes over all pixels.
    pub(crate) transforms: u64,
}

/// Why the walk ends before the pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the prefix codes or transforms are broken")]
pub(crate) struct Broken;

/// Walks `data`, a VP8L chunk behind its header or the stream in an ALPH chunk, of a picture of these sides. It ends
/// early where the tables take more than `most` bytes.
pub(crate) fn demand(data: &[u8], width: usize, height: usize, most: u64) -> Result<Demand, Broken> {
    let mut walk = Walk {
        bits: Bits::new(data),
        demand: Demand::default(),
    };
    walk.picture(width, height, most).ok_or(Broken)?;
    Ok(walk.demand)
}

struct Walk<'a> {
    bits: Bits<'a>,
    demand: Demand,
}

impl Walk<'_> {
    fn picture(&mut self, width: usize, height: usize, most: u64) -> Option<()> {
        let mut columns = width;
        let mut seen = [false; 4];
        while self.bits.take(1)? == 1 {
            let kind = self.bits.take(2)?;
            let seen = seen.get_mut(kind)?;
            if std::mem::replace(seen, true) {
                return None;
            }
            self.demand.transforms += 1;
            match kind {
                // Predictors or colour: one pixel for a block.
                0 | 1 => {
                    let (across, down) = self.blocks(columns, height)?;
                    self.small_image(across, down)?;
                }
                2 => {}
                _ => {
                    let colors = self.bits.take(8)? + 1;
                    self.small_image(colors, 1)?;
                    let packed = match colors {
                        0..=2 => 3,
                        3..=4 => 2,
                        5..=16 => 1,
                        _ => 0,
                    };
                    columns = columns.div_ceil(1 << packed);
                }
            }
        }
        let cache = self.cache()?;
        self.demand.groups = 1;
        if self.bits.take(1)? == 1 {
            let (across, down) = self.blocks(columns, height)?;
            // The decoder keeps two bytes a block of it, in a list that may have grown to twice its length.
            self.demand.bytes += 4 * (across * down) as u64;
            let last = self.small_image(across, down)?;
            self.demand.groups = u64::from(last) + 1;
        }
        self.demand.bytes += self.demand.groups * GROUP_BYTES;
        for _ in 0..self.demand.groups {
            for size in self.sizes(cache)? {
                self.demand.bytes += size.bytes();
            }
            if self.demand.bytes > most {
                break;
            }
        }
        Some(())
    }

    /// Blocks across and down of an image that has a pixel for each.
    fn blocks(&mut self, width: usize, height: usize) -> Option<(usize, usize)> {
        let side = 1 << (self.bits.take(3)? + 2);
        Some((width.div_ceil(side), height.div_ceil(side)))
    }

    /// Bits of the colour cache, 0 for none.
    fn cache(&mut self) -> Option<usize> {
        if self.bits.take(1)? == 0 {
            return Some(0);
        }
        let bits = self.bits.take(4)?;
        self.demand.bytes += 4 << bits;
        (1..=11).contains(&bits).then_some(bits)
    }

    fn sizes(&mut self, cache: usize) -> Option<[CodeSize; 5]> {
        let mut sizes = [CodeSize::default(); 5];
        for (size, alphabet) in sizes.iter_mut().zip(alphabets(cache)) {
            *size = Code::read(&mut self.bits, alphabet)?.size();
        }
        Some(sizes)
    }

    /// Decodes an image of one group of codes and gives the largest number that red and green of a pixel make.
    fn small_image(&mut self, width: usize, height: usize) -> Option<u16> {
        let count = width * height;
        self.demand.bytes += 4 * count as u64;
        let cache_bits = self.cache()?;
        let mut codes = Vec::with_capacity(ALPHABETS.len());
        for alphabet in alphabets(cache_bits) {
            let code = Code::read(&mut self.bits, alphabet)?;
            self.demand.bytes += code.size().bytes();
            codes.push(code.table());
        }
        let [green, red, blue, alpha, distance] = codes.try_into().ok()?;
        let mut cache = vec![0_u32; 1 << cache_bits];
        let mut pixels: Vec<u32> = Vec::new();
        while pixels.len() < count {
            let symbol = green.symbol(&mut self.bits)?;
            match symbol {
                0..=255 => {
                    let red = red.symbol(&mut self.bits)?;
                    let blue = blue.symbol(&mut self.bits)?;
                    let alpha = alpha.symbol(&mut self.bits)?;
                    let pixel = alpha << 24 | red << 16 | symbol << 8 | blue;
                    pixels.push(remember(&mut cache, pixel as u32));
                }
                256..=279 => {
                    let length = self.prefixed(symbol - 256)?;
                    let code = distance.symbol(&mut self.bits)?;
                    let back = distance_of(self.prefixed(code)?, width);
                    let from = pixels.len().checked_sub(back)?;
                    if length > count - pixels.len() {
                        return None;
                    }
                    for place in from..from + length {
                        let pixel = *pixels.get(place)?;
                        pixels.push(remember(&mut cache, pixel));
                    }
                }
                _ if cache_bits == 0 => return None,
                _ => {
                    let pixel = *cache.get(symbol - 280)?;
                    pixels.push(pixel);
                }
            }
        }
        let number = |pixel: &u32| (pixel >> 8) as u16;
        pixels.iter().map(number).max()
    }

    /// A length or distance: a prefix and the bits behind it.
    fn prefixed(&mut self, prefix: usize) -> Option<usize> {
        if prefix < 4 {
            return Some(prefix + 1);
        }
        let extra = (prefix - 2) >> 1;
        let offset = (2 + (prefix & 1)) << extra;
        Some(offset + self.bits.take(extra)? + 1)
    }
}

/// Puts a pixel in its place of the colour cache, and gives it back.
fn remember(cache: &mut [u32], pixel: u32) -> u32 {
    if cache.len() > 1 {
        let place = 0x1e35_a7bd_u32.wrapping_mul(pixel) >> (32 - cache.len().ilog2());
        if let Some(slot) = cache.get_mut(place as usize) {
            *slot = pixel;
        }
    }
    pixel
}

fn alphabets(cache: usize) -> impl Iterator<Item = usize> {
    let cached = if cache == 0 { 0 } else { 1 << cache };
    ALPHABETS
        .into_iter()
        .enumerate()
        .map(move |(place, size)| if place == 0 { size + cached } else { size })
}
