//! `fetch.verify_hash`: what a digest that a dataset states is good for.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// What is done with the digests (MD5, SHA-256) that a dataset states of its pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VerifyHash {
    /// Nothing. In a config also `false`.
    Off,
    /// The data say of every picture whether it has the digest that is stated of it.
    Record,
    /// A pair whose picture has not the digest that is stated of it fails, and so does one of which no digest is stated.
    /// In a config also `true`.
    Fail,
}

impl<'de> Deserialize<'de> for VerifyHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameOrBool)
    }
}

struct NameOrBool;

impl Visitor<'_> for NameOrBool {
    type Value = VerifyHash;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("off, record, fail, false or true")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<VerifyHash, E> {
        Ok(if value { VerifyHash::Fail } else { VerifyHash::Off })
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<VerifyHash, E> {
        match value {
            "off" => Ok(VerifyHash::Off),
            "record" => Ok(VerifyHash::Record),
            "fail" => Ok(VerifyHash::Fail),
            _ => Err(E::invalid_value(serde::de::Unexpected::Str(value), &self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<VerifyHash, String> {
        let table: toml::Table = format!("key = {value}").parse().unwrap();
        let read = table["key"].clone().try_into();
        read.map_err(|error: toml::de::Error| error.message().to_owned())
    }

    #[test]
    fn names_and_booleans_are_read_and_anything_else_is_refused_with_the_names() {
        for (value, expected) in [
            ("false", VerifyHash::Off),
            ("true", VerifyHash::Fail),
            ("\"off\"", VerifyHash::Off),
            ("\"record\"", VerifyHash::Record),
            ("\"fail\"", VerifyHash::Fail),
        ] {
            assert_eq!(read(value), Ok(expected));
        }
        for value in ["\"warn\"", "1"] {
            let error = read(value).unwrap_err();
            assert!(error.contains("off, record, fail"), "{error}");
        }
    }
}
