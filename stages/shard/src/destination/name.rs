//! Names of files under an output root: none of them leads out of it.

use crate::ShardError;

/// A name relative to the output root, its parts joined by `/`: each part is the plain name of a file or folder. Only
/// such a name is ever joined to a root, so nothing that was read somewhere can lead out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OutputName(String);

impl OutputName {
    /// # Errors
    /// If a part is empty, `.` or `..`, or holds a control character or backslash; and so if the name is absolute.
    pub(super) fn of(name: &str) -> Result<Self, ShardError> {
        if name.split('/').all(is_plain) {
            Ok(Self(name.to_owned()))
        } else {
            Err(ShardError::Name {
                name: name.escape_debug().to_string(),
            })
        }
    }

    /// All of it.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The folders from the root on, and the last part.
    pub(super) fn split(&self) -> (impl Iterator<Item = &str>, &str) {
        let (folders, leaf) = self.0.rsplit_once('/').unwrap_or(("", &self.0));
        (folders.split('/').filter(|folder| !folder.is_empty()), leaf)
    }
}

fn is_plain(part: &str) -> bool {
    !matches!(part, "" | "." | "..") && !part.chars().any(|char| char.is_control() || char == '\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_elsewhere_is_none() {
        for name in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../x",
            "data/../../x",
            "data//x",
            "data/",
            "./data",
            "a/./b",
            "a\0b",
            "a\nb",
            "a\u{9b}b",
            "..\\x",
            "data\\x",
        ] {
            assert!(
                matches!(OutputName::of(name), Err(ShardError::Name { .. })),
                "{name:?}"
            );
        }
    }

    #[test]
    fn a_name_of_ours_falls_into_folders_and_a_file() {
        let name = OutputName::of("replaced/12ab/stats/part-00000.json").unwrap();
        let (folders, leaf) = name.split();
        assert_eq!(folders.collect::<Vec<_>>(), ["replaced", "12ab", "stats"]);
        assert_eq!(leaf, "part-00000.json");
        let name = OutputName::of("plan.json").unwrap();
        assert_eq!((name.split().0.count(), name.split().1), (0, "plan.json"));
    }
}
