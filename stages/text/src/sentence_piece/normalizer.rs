//! What a model does to a text before it cuts it: replaced characters, white space.

use super::ModelError;
use super::charsmap::CharacterMap;
use super::model::{NormalizerSpec, TrainerSpec};
use super::trie::Trie;

/// What white space is written as.
pub(super) const SPACE: &str = "\u{2581}";

/// How many times its length a text may have when normalised; by NFKC it is eleven at most. A short one may have more.
pub(super) const MAX_GROWTH: usize = 16;
const FREE_BYTES: usize = 64 << 10;

/// A model's normaliser.
#[derive(Debug, Clone)]
pub(super) struct Normalizer {
    map: Option<CharacterMap>,
    space: &'static str,
    remove_extra_whitespaces: bool,
    dummy_prefix: bool,
    dummy_suffix: bool,
}

impl Normalizer {
    pub(super) fn new(spec: &NormalizerSpec, trainer: &TrainerSpec) -> Result<Self, ModelError> {
        let map = match spec.precompiled_charsmap.as_slice() {
            [] => None,
            blob => Some(CharacterMap::parse(blob)?),
        };
        Ok(Self {
            map,
            space: if spec.escape_whitespaces { SPACE } else { " " },
            remove_extra_whitespaces: spec.remove_extra_whitespaces,
            dummy_prefix: spec.add_dummy_prefix && !trainer.whitespace_as_suffix,
            dummy_suffix: spec.add_dummy_prefix && trainer.whitespace_as_suffix,
        })
    }

    /// The text that is cut into pieces, if it is not too long. User-defined symbols go through as they are.
    pub(super) fn normalize(&self, text: &str, user_defined: &Trie) -> Option<String> {
        let mut position = if self.remove_extra_whitespaces {
            self.leading(text, user_defined)
        } else {
            0
        };
        if position == text.len() {
            return Some(String::new());
        }
        let mut normalized = String::with_capacity(text.len() * 2);
        if self.dummy_prefix {
            normalized.push_str(self.space);
        }
        let mut after_space = self.remove_extra_whitespaces;
        while position < text.len() {
            let (mut step, len) = self.step(text, position, user_defined);
            if after_space {
                step = step.trim_start_matches(' ');
            }
            if !step.is_empty() {
                push_escaped(&mut normalized, step, self.space);
                after_space = self.remove_extra_whitespaces && step.ends_with(' ');
            }
            position += len;
            if normalized.len() > FREE_BYTES.max(text.len().saturating_mul(MAX_GROWTH)) {
                return None;
            }
        }
        if self.remove_extra_whitespaces {
            normalized.truncate(normalized.trim_end_matches(self.space).len());
        }
        if self.dummy_suffix {
            normalized.push_str(self.space);
        }
        Some(normalized)
    }

    /// How many bytes of white space the text begins with.
    fn leading(&self, text: &str, user_defined: &Trie) -> usize {
        let mut position = 0;
        while position < text.len() {
            match self.step(text, position, user_defined) {
                (" ", len) => position += len,
                _ => break,
            }
        }
        position
    }

    /// What stands for the next character or characters of the text, and how many bytes those are.
    fn step<'a>(&'a self, text: &'a str, position: usize, user_defined: &Trie) -> (&'a str, usize) {
        // A rule that ends amid a character leaves bytes that are none; the library replaces each of them likewise.
        let Some(rest) = text.get(position..) else {
            return ("\u{fffd}", 1);
        };
        if let Some(len) = user_defined.longest(rest.as_bytes()) {
            return (&rest[..len], len);
        }
        if let Some((len, replacement)) = self.map.as_ref().and_then(|map| map.longest(rest.as_bytes())) {
            return (replacement, len);
        }
        let len = rest.chars().next().map_or(1, char::len_utf8);
        (&rest[..len], len)
    }
}

fn push_escaped(normalized: &mut String, step: &str, space: &str) {
    for (index, part) in step.split(' ').enumerate() {
        if index > 0 {
            normalized.push_str(space);
        }
        normalized.push_str(part);
    }
}
