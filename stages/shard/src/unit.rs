//! A unit's name, and the names of its files under the output root.

use serde::{Deserialize, Serialize};

/// The folder of attempts under way: invisible to readers, who look into `data`, `failures` and `stats`.
pub(crate) const STAGING: &str = ".tmp";
/// The folder of the commit markers.
pub(crate) const STATS: &str = "stats";

/// A unit of the plan, from 0: a range of input rows that becomes one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnitId(pub u64);

impl UnitId {
    /// `data/part-00000.parquet`, relative to the output root.
    #[must_use]
    pub fn data_file(self) -> String {
        format!("data/{self}.parquet")
    }

    /// `failures/part-00000.parquet`, relative to the output root.
    #[must_use]
    pub fn failures_file(self) -> String {
        format!("failures/{self}.parquet")
    }

    /// `images/part-00000.tar.zst`, relative to the output root: there where pictures are kept.
    #[must_use]
    pub fn images_file(self) -> String {
        format!("images/{self}.tar.zst")
    }

    /// `packed/part-00000.parquet`, relative to the output root: there where sequences are packed.
    #[must_use]
    pub fn packed_file(self) -> String {
        format!("packed/{self}.parquet")
    }

    /// `stats/part-00000.json`, relative to the output root: the commit marker.
    #[must_use]
    pub fn stats_file(self) -> String {
        format!("{STATS}/{self}.json")
    }

    /// The name under which the writers of this unit elect one of them, in round `round`; of a committed unit those
    /// that write its revision of this number.
    pub(crate) fn election_file(self, revision: u64, round: u32) -> String {
        match revision {
            0 => format!("{STAGING}/{self}.elected-{round}.json"),
            _ => format!("{STAGING}/{self}.revised-{revision}-{round}.json"),
        }
    }

    /// Unit, revision and round of an election's file in the staging folder; none if the name is another.
    pub(crate) fn of_election(name: &str) -> Option<(Self, u64, u32)> {
        let unit = Self::of_staged(name)?;
        let rest = name.strip_prefix(&unit.to_string())?.strip_suffix(".json")?;
        let (revision, round) = match rest.strip_prefix(".elected-") {
            Some(round) => ("0", round),
            None => rest.strip_prefix(".revised-")?.split_once('-')?,
        };
        let (revision, round) = (revision.parse().ok()?, round.parse().ok()?);
        // Only the one spelling of a number counts.
        let file = unit.election_file(revision, round);
        (file.strip_prefix(STAGING)?.strip_prefix('/')? == name).then_some((unit, revision, round))
    }

    /// The unit of a file named `part-NNNNN.SUFFIX`; none if the name is another.
    #[must_use]
    pub fn of_file(name: &str, suffix: &str) -> Option<Self> {
        let unit = Self::of_staged(name)?;
        (name.strip_prefix(&unit.to_string())?.strip_prefix('.')? == suffix).then_some(unit)
    }

    /// The unit of an attempt's file, `part-NNNNN.` and anything.
    pub(crate) fn of_staged(name: &str) -> Option<Self> {
        let (stem, _) = name.split_once('.')?;
        let unit = Self(stem.strip_prefix("part-")?.parse().ok()?);
        (unit.to_string() == stem).then_some(unit)
    }
}

/// `part-00000`: the stem of the unit's files, five digits or more.
impl std::fmt::Display for UnitId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "part-{:05}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_those_of_the_contract() {
        assert_eq!(UnitId(7).data_file(), "data/part-00007.parquet");
        assert_eq!(UnitId(7).failures_file(), "failures/part-00007.parquet");
        assert_eq!(UnitId(7).images_file(), "images/part-00007.tar.zst");
        assert_eq!(UnitId(7).packed_file(), "packed/part-00007.parquet");
        assert_eq!(UnitId(1_234_567).stats_file(), "stats/part-1234567.json");
    }

    #[test]
    fn only_the_one_spelling_of_a_unit_counts() {
        for name in [
            "part-1.json",
            "part-000001.json",
            "part-+0001.json",
            "part-00001.json.tmp",
            "x.json",
            "part-00001",
        ] {
            assert_eq!(UnitId::of_file(name, "json"), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_name_leads_back_to_its_unit(unit: u64) {
            let name = UnitId(unit).stats_file();
            prop_assert_eq!(UnitId::of_file(name.trim_start_matches("stats/"), "json"), Some(UnitId(unit)));
        }

        #[test]
        fn an_election_is_known_by_its_name(unit: u64, revision in 0_u64..3, round: u32) {
            let name = UnitId(unit).election_file(revision, round);
            let name = name.trim_start_matches(".tmp/");
            prop_assert_eq!(UnitId::of_election(name), Some((UnitId(unit), revision, round)));
        }
    }
}
