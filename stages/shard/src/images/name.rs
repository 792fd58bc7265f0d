//! From a pair's key to the name of its members.

use std::fmt::Write;

/// Names are cut here: with an extension they still fit into what file systems allow, 255 bytes.
const MAX_BYTES: usize = 200;

/// The key, where everything but letters, digits, `-`, `_`, `+`, `=` and `~` of ASCII is `%XX`: a slash would be a folder,
/// and a WebDataset name ends at its first dot. A long name ends with the hash of its key.
pub(crate) fn sample_name(key: &str) -> String {
    let mut name = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_+=~".contains(&byte) {
            name.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(name, "%{byte:02X}");
        }
    }
    if name.is_empty() {
        // No encoded key is this one.
        name.push('%');
    }
    if name.len() > MAX_BYTES {
        let hash = blake3::hash(key.as_bytes()).to_hex();
        name.truncate(MAX_BYTES - hash.len() - 1);
        name.push('%');
        name.push_str(&hash);
    }
    name
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn usual_keys_are_names_as_they_are() {
        assert_eq!(sample_name("00000-000000012"), "00000-000000012");
        assert_eq!(sample_name("../a.b"), "%2E%2E%2Fa%2Eb");
    }

    proptest! {
        #[test]
        fn names_are_plain_and_as_different_as_their_keys(keys in proptest::collection::hash_set("(.{0,9}|.{90,300})", 0..20)) {
            let names: HashSet<String> = keys.iter().map(|key| sample_name(key)).collect();
            prop_assert_eq!(names.len(), keys.len());
            for name in names {
                prop_assert!(!name.is_empty() && name.len() <= MAX_BYTES);
                prop_assert!(name.is_ascii() && !name.contains(['.', '/', '\\', '\0', ' ']));
            }
        }
    }
}
