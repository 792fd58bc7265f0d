//! How many pictures a batch holds.

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most pictures of a batch.
const MOST: usize = 65_536;

/// `vision.batch_size`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchSize {
    /// As fits what computes.
    Auto,
    /// So many, from 1 to 65,536.
    Pictures(usize),
}

impl BatchSize {
    /// What it comes to on a CPU.
    #[must_use]
    pub const fn on_cpu(self) -> usize {
        match self {
            Self::Auto => 32,
            Self::Pictures(pictures) => pictures,
        }
    }
}

impl std::str::FromStr for BatchSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        match text.parse() {
            Ok(pictures) if (1..=MOST).contains(&pictures) => Ok(Self::Pictures(pictures)),
            _ => Err(format!("`{text}` is neither auto nor a number from 1 to {MOST}")),
        }
    }
}

impl std::fmt::Display for BatchSize {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Auto => formatter.write_str("auto"),
            Self::Pictures(pictures) => write!(formatter, "{pictures}"),
        }
    }
}

impl Serialize for BatchSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Pictures(pictures) => pictures.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for BatchSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl Visitor<'_> for Either {
            type Value = BatchSize;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, "\"auto\" or a number from 1 to {MOST}")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<BatchSize, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<BatchSize, E> {
                let pictures = usize::try_from(number).ok();
                pictures
                    .filter(|pictures| (1..=MOST).contains(pictures))
                    .map(BatchSize::Pictures)
                    .ok_or_else(|| E::invalid_value(Unexpected::Signed(number), &self))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<BatchSize, E> {
                self.visit_i64(i64::try_from(number).unwrap_or(i64::MAX))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_word_or_a_number_within_bounds() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Section {
            size: BatchSize,
        }
        for (text, size) in [("\"auto\"", BatchSize::Auto), ("64", BatchSize::Pictures(64))] {
            let read: Section = toml::from_str(&format!("size = {text}")).unwrap();
            assert_eq!(read, Section { size });
            assert_eq!(toml::to_string(&read).unwrap().trim(), format!("size = {text}"));
        }
        for text in ["0", "-1", "65537", "\"many\"", "1.5"] {
            let refused = toml::from_str::<Section>(&format!("size = {text}"));
            assert!(refused.is_err(), "{text}");
        }
        assert_eq!("7".parse(), Ok(BatchSize::Pictures(7)));
        assert!("0".parse::<BatchSize>().is_err());
    }
}
