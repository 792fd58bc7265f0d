//! What a run may write beside ids, and how many ids it may write.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;

use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Int32Type};
use arrow_array::{Array, RecordBatch};
use img2tokens_test_support::{Reply, StaticSite};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use program::{complaint, files, succeed, test_data, write_config, write_pairs};

const ALLOW_LOOPBACK: &str = "[fetch]\nallow_private_addresses = true\nports = []\n";
const NANO_WIDTH: usize = 64;

struct Case {
    folder: tempfile::TempDir,
    _site: StaticSite,
}

impl Case {
    fn new() -> Self {
        let (folder, site) = (tempfile::tempdir().unwrap(), StaticSite::start());
        let mut pairs = Vec::new();
        for name in ["astronaut.jpg", "chelsea.png", "rocket.jpg"] {
            let bytes = std::fs::read(test_data("golden/images").join(name)).unwrap();
            site.put(format!("/{name}"), Reply::ok(bytes));
            pairs.push((site.url(&format!("/{name}")), "a picture"));
        }
        write_pairs(&folder.path().join("pairs.parquet"), &pairs);
        Self { folder, _site: site }
    }

    /// Runs with these settings; gives the output.
    fn run(&self, name: &str, settings: &[&str]) -> PathBuf {
        let output = self.folder.path().join(name);
        let config = self.config(&output);
        let mut arguments = vec!["run", config.to_str().unwrap()];
        arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        succeed(&arguments);
        output
    }

    fn config(&self, output: &Path) -> PathBuf {
        let config = output.with_extension("toml");
        write_config(
            &config,
            &self.folder.path().join("pairs.parquet"),
            output,
            ALLOW_LOOPBACK,
        );
        config
    }
}

fn batch(output: &Path) -> RecordBatch {
    let file = std::fs::File::open(output.join("data/part-00000.parquet")).unwrap();
    let mut batches = ParquetRecordBatchReaderBuilder::try_new(file)
        .unwrap()
        .build()
        .unwrap();
    batches.next().unwrap().unwrap()
}

fn lengths(batch: &RecordBatch) -> Vec<i32> {
    batch["image_len"].as_primitive::<Int32Type>().values().to_vec()
}

#[test]
fn features_and_cosine_stand_beside_every_sequence_and_depend_on_no_batch() {
    let case = Case::new();
    let settings = [
        "output.features=merged_f16",
        "output.reconstruction=true",
        "sequence.order=both",
    ];
    let output = case.run("one", &settings);
    let rows = batch(&output);
    let features = rows["image_features"].as_list::<i32>();
    let cosines = rows["reconstruction_cosine"].as_primitive::<Float32Type>();
    assert_eq!(rows.num_rows(), 6);
    for (row, codes) in lengths(&rows).into_iter().enumerate() {
        let of_row = features.value(row);
        let of_row = of_row.as_fixed_size_list();
        assert_eq!(
            (of_row.len(), of_row.value_length()),
            (codes as usize, NANO_WIDTH as i32)
        );
        let numbers = of_row.values().as_primitive::<Float16Type>();
        assert!(numbers.values().iter().all(|number| number.is_finite()));
        assert!((-1.0..=1.0).contains(&cosines.value(row)));
    }
    let stats = std::fs::read(output.join("stats/part-00000.json")).unwrap();
    let stats: serde_json::Value = serde_json::from_slice(&stats).unwrap();
    assert_eq!(stats["reconstruction_cosine"]["count"], 3);
    let card = std::fs::read_to_string(output.join("README.md")).unwrap();
    assert!(
        card.contains("image_features") && card.contains("reconstruction_cosine"),
        "{card}"
    );
    succeed(&["verify", output.to_str().unwrap()]);
    let again = case.run("two", &[&settings[..], &["vision.batch_size=1"]].concat());
    let data = |output: &Path| files(output).remove("data/part-00000.parquet").unwrap();
    assert!(data(&output) == data(&again));
}

#[test]
fn features_of_the_language_models_merger_are_other_ones_beside_the_same_ids() {
    let case = Case::new();
    let own = batch(&case.run("own", &["output.features=merged_f16"]));
    let tuned = batch(&case.run("tuned", &["output.features=language_model_f16"]));
    let same = |column: &str| own[column].as_ref() == tuned[column].as_ref();
    assert!(same("input_ids"));
    assert!(!same("image_features"));
}

#[test]
fn bounds_on_tokens_hold_in_every_row() {
    let case = Case::new();
    let free = lengths(&batch(&case.run("free", &[])));
    let capped = lengths(&batch(&case.run("capped", &["vision.max_tokens=20"])));
    assert!(free.iter().any(|count| *count > 20), "{free:?}");
    assert_eq!(
        capped,
        free.iter().map(|count| 20.min(*count)).collect::<Vec<_>>()
    );
    let fixed = case.run("fixed", &["vision.max_tokens=64", "vision.min_tokens=64"]);
    assert_eq!(lengths(&batch(&fixed)), [64; 3]);
}

#[test]
fn settings_that_cannot_be_met_are_one_line() {
    let case = Case::new();
    let config = case.config(&case.folder.path().join("never"));
    let config = config.to_str().unwrap();
    let line = complaint(
        &[
            "run",
            config,
            "--set",
            "vision.max_tokens=3",
            "--set",
            "vision.min_tokens=4",
        ],
        2,
    );
    assert!(line.contains("vision.min_tokens"), "{line}");
    let picture = test_data("golden/images/rocket.jpg");
    let line = complaint(&["tokenize", "--min-tokens", "257", picture.to_str().unwrap()], 2);
    assert!(line.contains("257") && line.contains("256"), "{line}");
    let model = format!("vision.model={}", test_data("golden/small_a").display());
    let line = complaint(
        &[
            "run",
            config,
            "--set",
            &model,
            "--set",
            "output.reconstruction=true",
        ],
        2,
    );
    assert!(line.contains("decoder"), "{line}");
}
