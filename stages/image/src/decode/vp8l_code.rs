//! Bits, prefix codes and distances of a lossless WebP.

/// The order in which lengths of the code of code lengths are stated.
const ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/// The longest code in bits.
const MAX_LENGTH: usize = 15;
/// Bits of a code that the decoder looks up at once; longer ones go on in a tree.
const TABLE_BITS: usize = 10;

/// Distances 1 to 120 are places near a pixel: columns to the left, rows up.
#[rustfmt::skip]
const NEAR: [(i8, i8); 120] = [
    (0, 1), (1, 0), (1, 1), (-1, 1), (0, 2), (2, 0), (1, 2), (-1, 2), (2, 1), (-2, 1),
    (2, 2), (-2, 2), (0, 3), (3, 0), (1, 3), (-1, 3), (3, 1), (-3, 1), (2, 3), (-2, 3),
    (3, 2), (-3, 2), (0, 4), (4, 0), (1, 4), (-1, 4), (4, 1), (-4, 1), (3, 3), (-3, 3),
    (2, 4), (-2, 4), (4, 2), (-4, 2), (0, 5), (3, 4), (-3, 4), (4, 3), (-4, 3), (5, 0),
    (1, 5), (-1, 5), (5, 1), (-5, 1), (2, 5), (-2, 5), (5, 2), (-5, 2), (4, 4), (-4, 4),
    (3, 5), (-3, 5), (5, 3), (-5, 3), (0, 6), (6, 0), (1, 6), (-1, 6), (6, 1), (-6, 1),
    (2, 6), (-2, 6), (6, 2), (-6, 2), (4, 5), (-4, 5), (5, 4), (-5, 4), (3, 6), (-3, 6),
    (6, 3), (-6, 3), (0, 7), (7, 0), (1, 7), (-1, 7), (5, 5), (-5, 5), (7, 1), (-7, 1),
    (4, 6), (-4, 6), (6, 4), (-6, 4), (2, 7), (-2, 7), (7, 2), (-7, 2), (3, 7), (-3, 7),
    (7, 3), (-7, 3), (5, 6), (-5, 6), (6, 5), (-6, 5), (8, 0), (4, 7), (-4, 7), (7, 4),
    (-7, 4), (8, 1), (8, 2), (6, 6), (-6, 6), (8, 3), (5, 7), (-5, 7), (7, 5), (-7, 5),
    (8, 4), (6, 7), (-6, 7), (7, 6), (-7, 6), (8, 5), (7, 7), (-7, 7), (8, 6), (8, 7),
];

/// How many pixels back the distance `code` of a picture of this width points.
pub(super) fn distance_of(code: usize, width: usize) -> usize {
    match code.checked_sub(1).and_then(|place| NEAR.get(place)) {
        Some((left, up)) => {
            let back = i64::from(*left) + i64::from(*up) * width as i64;
            usize::try_from(back).unwrap_or(1).max(1)
        }
        None => code.saturating_sub(NEAR.len()),
    }
}

/// Bits of a stream, the least significant of a byte first.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    place: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, place: 0 }
    }

    /// The next up to 32 bits, those behind the end being zero.
    fn peek(&self) -> u64 {
        let rest = self.data.get(self.place / 8..).unwrap_or_default();
        let word = match rest.first_chunk() {
            Some(word) => u64::from_le_bytes(*word),
            None => rest
                .iter()
                .rev()
                .fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        word >> (self.place % 8)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.place += count;
        (self.place <= self.data.len() * 8).then_some(())
    }

    /// The next `count` bits, at most 32, or nothing where the stream ends before.
    pub(super) fn take(&mut self, count: usize) -> Option<usize> {
        let value = self.peek() & ((1 << count) - 1);
        self.skip(count)?;
        Some(value as usize)
    }
}

/// A prefix code: the length of each symbol's code.
pub(super) struct Code {
    lengths: Vec<u8>,
}

/// What decides how large the decoder's tables of a code are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CodeSize {
    symbols: usize,
    longest: usize,
    beyond_table: usize,
}

impl CodeSize {
    /// Bytes of the tables: four an entry, and two nodes of 16 bytes for a symbol that is not in the table.
    pub(super) fn bytes(self) -> u64 {
        match self.symbols {
            0 | 1 => 0,
            _ => (4_u64 << self.longest.min(TABLE_BITS)) + 64 + 32 * self.beyond_table as u64,
        }
    }
}

impl Code {
    /// Reads a code of `alphabet` symbols.
    pub(super) fn read(bits: &mut Bits<'_>, alphabet: usize) -> Option<Self> {
        let mut lengths = vec![0; alphabet];
        if bits.take(1)? == 1 {
            let two = bits.take(1)? == 1;
            let wide = bits.take(1)? == 1;
            *lengths.get_mut(bits.take(if wide { 8 } else { 1 })?)? = 1;
            if two {
                // Twice the same symbol takes a bit each time, which a length cannot say: no encoder writes it.
                let slot = lengths.get_mut(bits.take(8)?)?;
                if std::mem::replace(slot, 1) == 1 {
                    return None;
                }
            }
            return Some(Self { lengths });
        }
        let mut of_lengths = vec![0; ORDER.len()];
        let stated = bits.take(4)? + 4;
        for symbol in ORDER.iter().take(stated) {
            *of_lengths.get_mut(*symbol)? = bits.take(3)? as u8;
        }
        let of_lengths = Self { lengths: of_lengths }.whole()?.table();
        let mut left = alphabet;
        if bits.take(1)? == 1 {
            let width = 2 + 2 * bits.take(3)?;
            left = 2 + bits.take(width)?;
            if left > alphabet {
                return None;
            }
        }
        let (mut symbol, mut last) = (0, 8);
        while symbol < alphabet && left > 0 {
            left -= 1;
            let (length, count) = match of_lengths.symbol(bits)? {
                length @ 0..=15 => (length as u8, 1),
                16 => (last, bits.take(2)? + 3),
                17 => (0, bits.take(3)? + 3),
                _ => (0, bits.take(7)? + 11),
            };
            if length != 0 {
                last = length;
            }
            lengths.get_mut(symbol..symbol + count)?.fill(length);
            symbol += count;
        }
        Self { lengths }.whole()
    }

    /// The code if it is one: a single symbol, or lengths that leave no bit pattern over.
    fn whole(self) -> Option<Self> {
        let units = |length: &u8| {
            if *length == 0 {
                0
            } else {
                1_u32 << (MAX_LENGTH - usize::from(*length))
            }
        };
        let sum: u32 = self.lengths.iter().map(units).sum();
        let symbols = self.size().symbols;
        (symbols == 1 || symbols > 1 && sum == 1 << MAX_LENGTH).then_some(self)
    }

    pub(super) fn size(&self) -> CodeSize {
        let lengths = || {
            self.lengths
                .iter()
                .map(|length| usize::from(*length))
                .filter(|length| *length > 0)
        };
        CodeSize {
            symbols: lengths().count(),
            longest: lengths().max().unwrap_or(0),
            beyond_table: lengths().filter(|length| *length > TABLE_BITS).count(),
        }
    }

    /// The code in the form that decodes.
    pub(super) fn table(&self) -> Table {
        let CodeSize { symbols, longest, .. } = self.size();
        if symbols <= 1 {
            let symbol = self.lengths.iter().position(|length| *length > 0).unwrap_or(0);
            return Table {
                entries: vec![(symbol as u16, 0)],
            };
        }
        let mut entries = vec![(0, 0); 1 << longest];
        let mut next = 0_usize;
        for length in 1..=longest {
            for (symbol, _) in self
                .lengths
                .iter()
                .enumerate()
                .filter(|(_, own)| usize::from(**own) == length)
            {
                let place = next.reverse_bits() >> (usize::BITS as usize - length);
                for slot in entries.iter_mut().skip(place).step_by(1 << length) {
                    *slot = (symbol as u16, length as u8);
                }
                next += 1;
            }
            next <<= 1;
        }
        Table { entries }
    }
}

/// For each run of the longest code's bits the symbol they begin with and its length.
pub(super) struct Table {
    entries: Vec<(u16, u8)>,
}

impl Table {
    /// The next symbol.
    pub(super) fn symbol(&self, bits: &mut Bits<'_>) -> Option<usize> {
        let place = bits.peek() as usize & (self.entries.len() - 1);
        let (symbol, length) = self.entries.get(place)?;
        bits.skip(usize::from(*length))?;
        Some(usize::from(*symbol))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_decodes_what_its_lengths_say() {
        let code = Code {
            lengths: vec![2, 0, 1, 3, 3],
        };
        let table = code.whole().unwrap().table();
        // Codes 10, 0, 110, 111, the first bit of each at the lowest place.
        let mut bits = Bits::new(&[0b1011_0010, 0b1101]);
        let symbols: Vec<_> = std::iter::from_fn(|| table.symbol(&mut bits)).take(5).collect();
        assert_eq!(symbols, [2, 0, 2, 3, 3]);
    }

    #[test]
    fn lengths_that_make_no_code_are_none() {
        for lengths in [vec![], vec![0, 0], vec![1, 2], vec![1, 1, 1]] {
            assert!(Code { lengths }.whole().is_none());
        }
        assert!(Code { lengths: vec![0, 3] }.whole().is_some());
    }

    #[test]
    fn near_distances_are_places_and_far_ones_are_counts() {
        assert_eq!([1, 2, 3, 4].map(|code| distance_of(code, 100)), [100, 1, 101, 99]);
        assert_eq!(distance_of(121, 100), 1);
        assert_eq!(distance_of(4, 1), 1);
    }
}
