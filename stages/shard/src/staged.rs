//! Names of files in the staging folder, as they stand in elections and listings.

use serde::{Deserialize, Serialize};

use crate::unit::STAGING;
use crate::{ShardError, UnitId};

/// What an attempt's file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StagedKind {
    Data,
    Failures,
    Images,
    Packed,
}

impl StagedKind {
    const ALL: [Self; 4] = [Self::Data, Self::Failures, Self::Images, Self::Packed];

    /// As it stands in names.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Failures => "failures",
            Self::Images => "images",
            Self::Packed => "packed",
        }
    }
}

/// The most letters and digits that tell one attempt from the next.
const ATTEMPT: usize = 16;

/// The name of a unit's file under way: `.tmp/part-NNNNN.KIND.ATTEMPT`. There is no other way to one than through the
/// check that it is such a name: an election's file is JSON that anybody may have written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct StagedName {
    unit: UnitId,
    kind: StagedKind,
    attempt: String,
}

impl StagedName {
    /// Of a name in the staging folder.
    pub(crate) fn of(name: &str) -> Result<Self, ShardError> {
        Self::parse(name).ok_or_else(|| ShardError::Name {
            name: name.escape_debug().to_string(),
        })
    }

    fn parse(name: &str) -> Option<Self> {
        let unit = UnitId::of_staged(name)?;
        let (_, rest) = name.split_once('.')?;
        let (kind, attempt) = rest.split_once('.')?;
        let is_attempt = (1..=ATTEMPT).contains(&attempt.len())
            && attempt.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let kind = StagedKind::ALL.into_iter().find(|known| known.name() == kind)?;
        is_attempt.then(|| Self {
            unit,
            kind,
            attempt: attempt.to_owned(),
        })
    }

    /// Whether it is a file of this unit that holds this.
    pub(crate) fn is(&self, unit: UnitId, kind: StagedKind) -> bool {
        self.unit == unit && self.kind == kind
    }

    /// Relative to the output root.
    pub(crate) fn path(&self) -> String {
        let Self { unit, kind, attempt } = self;
        format!("{STAGING}/{unit}.{}.{attempt}", kind.name())
    }
}

impl From<StagedName> for String {
    fn from(name: StagedName) -> Self {
        name.path()
    }
}

impl TryFrom<String> for StagedName {
    type Error = ShardError;

    fn try_from(path: String) -> Result<Self, ShardError> {
        let name = path.strip_prefix(STAGING).and_then(|name| name.strip_prefix('/'));
        Self::of(name.unwrap_or(&path))
            .ok()
            .filter(|name| name.path() == path)
            .ok_or_else(|| ShardError::Name {
                name: path.escape_debug().to_string(),
            })
    }
}

/// Whether a name in the staging folder is one that this program gives: to an attempt's file, an election, a small file
/// before it has its name (`file.ATTEMPT`), or one that was to have none (`.tmpATTEMPT`).
pub(crate) fn is_ours(name: &str) -> bool {
    let is_random = |rest: &str| rest.len() == 6 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    StagedName::parse(name).is_some()
        || UnitId::of_election(name).is_some()
        || ["file.", ".tmp"]
            .into_iter()
            .any(|prefix| name.strip_prefix(prefix).is_some_and(is_random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_we_would_not_have_written_is_none() {
        for path in [
            "",
            ".tmp/",
            "part-00000.data.f00",
            "/.tmp/part-00000.data.f00",
            ".tmp/../part-00000.data.f00",
            ".tmp/part-00000.data.",
            ".tmp/part-00000.data...",
            ".tmp/part-00000.data.f0/x",
            ".tmp/part-00000.data.../../../etc",
            ".tmp/part-0.data.f00",
            ".tmp/part-00000.stats.f00",
            ".tmp/part-00000.elected-0.json",
            ".tmp/part-00000.data.f\0",
            ".tmp/part-00000.data.0123456789abcdef0",
            "data/part-00000.parquet",
            "/etc/passwd",
        ] {
            assert!(StagedName::try_from(path.to_owned()).is_err(), "{path:?}");
        }
        let path = ".tmp/part-00007.packed.x9Z";
        let name = StagedName::try_from(path.to_owned()).unwrap();
        assert!(name.is(UnitId(7), StagedKind::Packed));
        assert!(!name.is(UnitId(7), StagedKind::Data) && !name.is(UnitId(0), StagedKind::Packed));
        assert_eq!(name.path(), path);
    }

    #[test]
    fn foreign_names_in_the_staging_folder_are_not_ours() {
        for name in [
            "part-00000.data.f00",
            "part-00000.elected-3.json",
            "file.aB3x9z",
            ".tmpaB3x9z",
        ] {
            assert!(is_ours(name), "{name}");
        }
        for name in [
            "thesis.tex",
            "part-00000.json",
            "file.txt",
            "file.aB3x9z.bak",
            ".tmp",
            "part-00000.data",
        ] {
            assert!(!is_ours(name), "{name}");
        }
    }
}
