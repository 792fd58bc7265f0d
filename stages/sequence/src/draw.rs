//! Draws from a sample's key.
//!
//! A draw is `SHA-256(purpose || 0x00 || seed as u64 little endian || key as UTF-8)`, of which the first eight bytes,
//! little endian, shifted right by 11 and divided by 2^53, are a number in `[0, 1)`. The hash is one that every
//! language's standard library has, so that a reader can redo any draw:
//!
//! ```python
//! digest = hashlib.sha256(purpose + b"\0" + struct.pack("<Q", seed) + key.encode()).digest()
//! fraction = (int.from_bytes(digest[:8], "little") >> 11) / 2**53
//! ```

use sha2::{Digest, Sha256};

/// What a draw is for: draws for different purposes are independent of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Which half of a pair stands on the left: `img2tokens.order`.
    Order,
    /// Whether the text is dropped: `img2tokens.text_dropout`.
    TextDropout,
    /// Which caption is taken: `img2tokens.caption`.
    Caption,
}

impl Purpose {
    /// The bytes that enter the hash.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Order => "img2tokens.order",
            Self::TextDropout => "img2tokens.text_dropout",
            Self::Caption => "img2tokens.caption",
        }
    }
}

/// A number in `[0, 1)`, uniform over keys, that depends on purpose, seed and key alone.
#[must_use]
pub fn fraction(purpose: Purpose, seed: u64, key: &str) -> f64 {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(purpose.name())
        .chain_update([0])
        .chain_update(seed.to_le_bytes())
        .chain_update(key)
        .finalize()
        .into();
    let [b0, b1, b2, b3, b4, b5, b6, b7, ..] = digest;
    let draw = u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]) >> 11;
    draw as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values are those of the Python lines in this module's documentation.
    #[test]
    fn a_draw_is_what_pythons_hashlib_gives() {
        assert_eq!(fraction(Purpose::Order, 0, "000000017"), 0.4089487243577644);
        assert_eq!(fraction(Purpose::TextDropout, 7, "schlüssel"), 0.8471076406761708);
    }

    #[test]
    fn purposes_and_seeds_draw_independently() {
        let agree = |a: &dyn Fn(&str) -> f64, b: &dyn Fn(&str) -> f64| {
            (0..4000)
                .filter(|i| (a(&i.to_string()) < 0.5) == (b(&i.to_string()) < 0.5))
                .count()
        };
        let order = |key: &str| fraction(Purpose::Order, 0, key);
        let dropout = |key: &str| fraction(Purpose::TextDropout, 0, key);
        let reseeded = |key: &str| fraction(Purpose::Order, 1, key);
        assert!((1800..2200).contains(&agree(&order, &dropout)));
        assert!((1800..2200).contains(&agree(&order, &reseeded)));
    }
}
