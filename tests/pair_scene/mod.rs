//! Forty pairs over three pictures, runs over them, and what they leave.
#![allow(dead_code, reason = "every test file uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use img2tokens_test_support::{Reply, StaticSite};

use crate::program::{batches, data_rows, succeed, test_data, write_config, write_parquet};

const PICTURES: [&str; 3] = ["astronaut.jpg", "chelsea.png", "rocket.jpg"];
/// How many pairs there are.
pub const PAIRS: usize = 40;

/// Forty pairs with keys of their own and two captions, over three pictures.
pub struct Case {
    pub folder: tempfile::TempDir,
    site: StaticSite,
}

impl Case {
    /// The whole scene, with `pairs.parquet`.
    pub fn new() -> Self {
        let (folder, site) = (tempfile::tempdir().unwrap(), StaticSite::start());
        for name in PICTURES {
            let bytes = std::fs::read(test_data("golden/images").join(name)).unwrap();
            site.put(format!("/{name}"), Reply::ok(bytes));
        }
        let case = Self { folder, site };
        case.write("pairs.parquet", &(0..PAIRS));
        case
    }

    /// Writes a table of these of the pairs.
    pub fn write(&self, name: &str, pairs: &(impl Iterator<Item = usize> + Clone)) {
        let column = |value: &dyn Fn(usize) -> Option<String>| pairs.clone().map(value).collect();
        let url = |pair: usize| self.site.url(&format!("/{}", PICTURES[pair % PICTURES.len()]));
        write_parquet(
            &self.folder.path().join(name),
            &[
                ("key", column(&|pair| Some(format!("pair-{pair}")))),
                ("URL", column(&|pair| Some(url(pair)))),
                ("TEXT", column(&|pair| Some("x".repeat(1 + pair % 17)))),
                (
                    "synthetic",
                    column(&|pair| (pair % 5 != 0).then(|| format!("s{}", "y".repeat(pair)))),
                ),
            ],
        );
    }

    /// Runs over an input with these settings; gives the output.
    pub fn run(&self, input: &str, name: &str, settings: &[&str]) -> PathBuf {
        let output = self.folder.path().join(name);
        let config = self.config(input, &output);
        let mut arguments = vec!["run", config.to_str().unwrap()];
        arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        succeed(&arguments);
        output
    }

    /// Writes a config for an output.
    pub fn config(&self, input: &str, output: &Path) -> PathBuf {
        let config = output.with_extension("toml");
        let further = "[fetch]\nallow_private_addresses = true\nports = []\n";
        write_config(&config, &self.folder.path().join(input), output, further);
        config
    }
}

/// A column of text.
pub fn texts(batch: &RecordBatch, column: &str) -> Vec<String> {
    let texts = batch[column].as_string::<i32>();
    texts.iter().map(|text| text.unwrap().to_owned()).collect()
}

/// A row of a column of lists of numbers.
pub fn ids(batch: &RecordBatch, column: &str, row: usize) -> Vec<i32> {
    let list = batch[column].as_list::<i32>().value(row);
    list.as_primitive::<Int32Type>().values().to_vec()
}

/// The ids of every sequence by key and order.
pub type Sequences = BTreeMap<(String, String), Vec<i32>>;

/// The sequences of an output.
pub fn sequences(output: &Path) -> Sequences {
    let rows = data_rows(output).into_iter();
    rows.map(|row| ((row.key, row.order), row.input_ids)).collect()
}

/// The sequences that contexts are made of, put together again; each context has at most `length` ids.
pub fn unpacked(folder: &Path, length: usize) -> Sequences {
    /// Offsets and ids.
    type Pieces = Vec<(i32, Vec<i32>)>;
    let mut pieces: BTreeMap<(String, String), Pieces> = BTreeMap::new();
    for batch in batches(folder) {
        for row in 0..batch.num_rows() {
            let input_ids = ids(&batch, "input_ids", row);
            assert!((1..=length).contains(&input_ids.len()));
            let starts = ids(&batch, "segment_starts", row);
            let offsets = ids(&batch, "segment_offsets", row);
            let of_list = |column: &str| {
                let list = batch[column].as_list::<i32>().value(row);
                let texts = list.as_string::<i32>();
                texts
                    .iter()
                    .map(|text| text.unwrap().to_owned())
                    .collect::<Vec<_>>()
            };
            let names = std::iter::zip(of_list("keys"), of_list("orders"));
            let ends = starts.iter().skip(1).copied().chain([input_ids.len() as i32]);
            for (((start, end), offset), name) in starts.iter().zip(ends).zip(offsets).zip(names) {
                let ids = input_ids[*start as usize..end as usize].to_vec();
                pieces.entry(name).or_default().push((offset, ids));
            }
        }
    }
    let joined = pieces.into_iter().map(|(name, mut pieces)| {
        pieces.sort();
        let mut whole = Vec::new();
        for (offset, ids) in pieces {
            assert_eq!(whole.len(), offset as usize, "a piece follows the one before it");
            whole.extend(ids);
        }
        (name, whole)
    });
    joined.collect()
}

/// What the first unit's stats say.
pub fn stats(output: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(output.join("stats/part-00000.json")).unwrap()).unwrap()
}
