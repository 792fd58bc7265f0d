//! The precompiled character map: which characters are replaced by what, as a Darts-clone double array.
//!
//! `u32 size || size bytes of units || replacements, each ended by a NUL`, little endian. A unit holds a label (bits
//! 0-7), whether a leaf hangs below it (bit 8) and the offset to its children (bits 10-30, times 256 if bit 9 is set);
//! a unit with bit 31 set is a leaf, whose other bits are its value: where its replacement begins.

use super::ModelError;

/// The rules of a model.
#[derive(Debug, Clone)]
pub(super) struct CharacterMap {
    units: Vec<u32>,
    replacements: String,
}

/// The longest text that a rule replaces; NFKC's longest have a dozen bytes. A broken map may lead in a circle, which
/// would otherwise be walked to the text's end from each of its characters.
const MAX_RULE_BYTES: usize = 256;

/// The longest text that a rule gives; NFKC's longest has 33 bytes.
const MAX_REPLACEMENT_BYTES: usize = 256;

const LEAF: u32 = 1 << 31;

impl CharacterMap {
    pub(super) fn parse(blob: &[u8]) -> Result<Self, ModelError> {
        let broken = ModelError::CharacterMap;
        let (size, rest) = blob.split_first_chunk::<4>().ok_or(broken("it has no size"))?;
        let size = u32::from_le_bytes(*size) as usize;
        let (units, replacements) = rest
            .split_at_checked(size)
            .ok_or(broken("it is shorter than its size"))?;
        let (units, []) = units.as_chunks::<4>() else {
            return Err(broken("its size is not whole units"));
        };
        let map = Self {
            units: units.iter().map(|unit| u32::from_le_bytes(*unit)).collect(),
            replacements: std::str::from_utf8(replacements)
                .map_err(|_| broken("a replacement is not UTF-8"))?
                .to_owned(),
        };
        if map
            .replacements
            .split('\0')
            .any(|one| one.len() > MAX_REPLACEMENT_BYTES)
        {
            return Err(broken("a replacement is longer than 256 bytes"));
        }
        if map.units.is_empty() {
            return Err(broken("it has no units"));
        }
        Ok(map)
    }

    /// The longest rule that `text` begins with: its length in bytes, and what replaces it.
    pub(super) fn longest(&self, text: &[u8]) -> Option<(usize, &str)> {
        let mut position = child_offset(*self.units.first()?);
        let mut longest = None;
        for (index, byte) in text.iter().take(MAX_RULE_BYTES).enumerate() {
            position ^= usize::from(*byte);
            let Some(unit) = self
                .units
                .get(position)
                .filter(|unit| **unit & (LEAF | 0xff) == u32::from(*byte))
            else {
                break;
            };
            position ^= child_offset(*unit);
            if unit & 0x100 != 0
                && let Some(replacement) = self.replacement(position)
            {
                longest = Some((index + 1, replacement));
            }
        }
        longest
    }

    fn replacement(&self, leaf: usize) -> Option<&str> {
        let value = self.units.get(leaf)? & !LEAF;
        self.replacements.get(value as usize..)?.split('\0').next()
    }
}

const fn child_offset(unit: u32) -> usize {
    ((unit >> 10) << ((unit & (1 << 9)) >> 6)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_map_that_is_cut_short_is_refused() {
        for blob in [
            &[][..],
            &[1, 0],
            &[8, 0, 0, 0, 1, 2, 3, 4],
            &[2, 0, 0, 0, 1, 2],
            &[0, 0, 0, 0, b'a'],
        ] {
            assert!(CharacterMap::parse(blob).is_err(), "{blob:?}");
        }
    }

    #[test]
    fn a_map_that_leads_in_a_circle_or_gives_long_texts_is_bounded() {
        let blob = |units: &[u32], replacements: &[u8]| {
            let mut blob = (units.len() as u32 * 4).to_le_bytes().to_vec();
            blob.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
            blob.extend(replacements);
            blob
        };
        // From the root at offset 0, `a` leads to unit 0x61, whose children begin at 0x61 ^ 0: again at `a`.
        let mut units = vec![0; 0x62];
        units[0x61] = u32::from(b'a') | 0x61 << 10;
        let map = CharacterMap::parse(&blob(&units, b"x\0")).unwrap();
        assert_eq!(map.longest(&[b'a'; 1 << 20]), None);
        assert!(CharacterMap::parse(&blob(&units, &[b'x'; 256])).is_ok());
        let long = CharacterMap::parse(&blob(&units, &[b'x'; 257]));
        assert!(matches!(long, Err(ModelError::CharacterMap(problem)) if problem.contains("256 bytes")));
    }

    proptest! {
        #[test]
        fn a_map_of_arbitrary_units_never_crashes(
            units in proptest::collection::vec(any::<u32>(), 1..300), replacements in ".{0,20}", text in ".{0,20}",
        ) {
            let mut blob = (units.len() as u32 * 4).to_le_bytes().to_vec();
            blob.extend(units.iter().flat_map(|unit| unit.to_le_bytes()));
            blob.extend(replacements.as_bytes());
            let map = CharacterMap::parse(&blob).unwrap();
            if let Some((len, _)) = map.longest(text.as_bytes()) {
                prop_assert!(len <= text.len());
            }
        }
    }
}
