//! `img2tokens verify`: each kind of damage, done to a finished output, is told by file and row, and ends with 1.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{Int32Builder, ListBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, StringArray};
use img2tokens_test_support::{Reply, StaticSite};
use program::{code, messages, rewrite_column, run, succeed, test_data, write_config, write_pairs};

/// A finished output of two units of four pairs, one of which fails.
struct Case {
    folder: tempfile::TempDir,
    _site: StaticSite,
}

impl Case {
    fn new() -> Self {
        let site = StaticSite::start();
        let picture = std::fs::read(test_data("golden/images/rocket.jpg")).unwrap();
        site.put("/rocket.jpg", Reply::ok(picture));
        let pair = |number| if number == 1 { "/gone.jpg" } else { "/rocket.jpg" };
        let pairs: Vec<_> = (0..8)
            .map(|number| (site.url(pair(number)), "a rocket"))
            .collect();
        let folder = tempfile::tempdir().unwrap();
        write_pairs(&folder.path().join("pairs.parquet"), &pairs);
        let case = Self { folder, _site: site };
        case.make("out", &[]);
        case
    }

    /// Runs with these settings into a folder of this name.
    fn make(&self, name: &str, settings: &[&str]) -> PathBuf {
        let output = self.folder.path().join(name);
        let config = self.folder.path().join("run.toml");
        write_config(
            &config,
            &self.folder.path().join("pairs.parquet"),
            &output,
            "unit_rows = 4\n[fetch]\nallow_private_addresses = true\nports = []",
        );
        let mut arguments = vec!["run", config.to_str().unwrap()];
        arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        succeed(&arguments);
        output
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("out").join(name)
    }

    /// What `verify` finds, a line each; it must find something.
    fn findings(&self) -> Vec<String> {
        let output = run(&["verify", self.folder.path().join("out").to_str().unwrap()]);
        assert_eq!(code(&output), 1, "{}", messages(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let sum = lines.pop().unwrap();
        assert!(sum.ends_with(&format!("; {} found wrong", lines.len())), "{text}");
        lines
    }

    /// One line begins with `file` and says `what`.
    fn expect(&self, file: &str, what: &str) {
        let lines = self.findings();
        let found = lines
            .iter()
            .any(|line| line.starts_with(&format!("{file}: ")) && line.contains(what));
        assert!(found, "{file}: {what}: {lines:#?}");
    }

    /// The only line says just this.
    fn expect_only(&self, line: &str) {
        assert_eq!(self.findings(), [line]);
    }

    /// Rewrites a unit's data file with one column changed, and lets its stats vouch for the new bytes.
    fn rewrite(&self, unit: usize, column: &str, change: impl Fn(&ArrayRef) -> ArrayRef) {
        rewrite_column(&self.folder.path().join("out"), unit, column, change);
    }
}

fn exchange(one: &Path, other: &Path) {
    let aside = one.with_extension("aside");
    std::fs::rename(one, &aside).unwrap();
    std::fs::rename(other, one).unwrap();
    std::fs::rename(&aside, other).unwrap();
}

#[test]
fn a_flipped_byte() {
    let case = Case::new();
    for name in ["data/part-00001.parquet", "failures/part-00000.parquet"] {
        let whole = std::fs::read(case.file(name)).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        std::fs::write(case.file(name), flipped).unwrap();
        case.expect(name, "bytes with BLAKE3");
        std::fs::write(case.file(name), whole).unwrap();
    }
}

#[test]
fn a_missing_file() {
    for name in [
        "data/part-00000.parquet",
        "failures/part-00001.parquet",
        "stats/part-00001.json",
    ] {
        let case = Case::new();
        std::fs::remove_file(case.file(name)).unwrap();
        case.expect(name, "it is missing");
    }
}

#[test]
fn a_swapped_pair_of_shards() {
    let case = Case::new();
    let kinds = [("data", "parquet"), ("failures", "parquet"), ("stats", "json")];
    let file = |(kind, suffix), unit| case.file(&format!("{kind}/part-0000{unit}.{suffix}"));
    for kind in kinds {
        exchange(&file(kind, 0), &file(kind, 1));
    }
    case.expect("stats/part-00000.json", "it is of part-00001");
    case.expect("data/part-00001.parquet", "its rows are those of part-00000");
    exchange(&file(kinds[2], 0), &file(kinds[2], 1));
    case.expect("data/part-00000.parquet", "bytes with BLAKE3");
    case.expect("failures/part-00001.parquet", "its rows are those of part-00000");
}

#[test]
fn a_truncated_table() {
    let case = Case::new();
    let name = "data/part-00000.parquet";
    let whole = std::fs::read(case.file(name)).unwrap();
    for length in [0, 3, whole.len() / 2, whole.len() - 1] {
        std::fs::write(case.file(name), &whole[..length]).unwrap();
        case.expect(name, "it cannot be decoded");
    }
}

#[test]
fn a_doubled_key() {
    let case = Case::new();
    let doubled = |keys: &ArrayRef| -> ArrayRef {
        let keys = keys.as_string::<i32>().iter().map(Option::unwrap);
        let changed = keys.map(|key| {
            if key == "00000-000000006" {
                "00000-000000002"
            } else {
                key
            }
        });
        Arc::new(StringArray::from_iter_values(changed))
    };
    case.rewrite(1, "key", doubled);
    case.expect_only("data/part-00001.parquet: row 2: its key stands in data/part-00000.parquet, row 1, too");
}

#[test]
fn an_id_out_of_range() {
    let case = Case::new();
    let beyond = |ids: &ArrayRef| -> ArrayRef {
        let rows = ids.as_list::<i32>();
        let mut changed = ListBuilder::new(Int32Builder::new()).with_field(match rows.data_type() {
            arrow_schema::DataType::List(field) => field.clone(),
            other => panic!("{other}"),
        });
        for (row, ids) in rows.iter().enumerate() {
            let mut ids = ids.unwrap().as_primitive::<Int32Type>().values().to_vec();
            if row == 1 {
                ids[0] = 1_000_000;
            }
            changed.append_value(ids.into_iter().map(Some));
        }
        Arc::new(changed.finish())
    };
    case.rewrite(0, "input_ids", beyond);
    case.expect(
        "data/part-00000.parquet: row 1",
        "id 1000000 is not in the vocabulary of ",
    );
}

#[test]
fn a_stats_file_from_another_plan() {
    let case = Case::new();
    let other = case.make("other", &["sequence.bos=true"]);
    let name = "stats/part-00000.json";
    std::fs::copy(other.join(name), case.file(name)).unwrap();
    case.expect(name, "it is of plan ");
}
