//! `img2tokens verify --deep`: tokens are what the pictures give, wherever those can still be had.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Int32Type, UInt16Type};
use arrow_array::{Array, ArrayRef, ListArray, PrimitiveArray, RecordBatch};
use img2tokens_test_support::{Reply, StaticSite};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use program::{code, messages, run, succeed, test_data, write_config, write_pairs};

const PICTURES: [&str; 4] = ["astronaut.jpg", "chelsea.png", "rocket.jpg", "coffee_exif6.jpg"];

/// Four pairs in two units.
struct Case {
    folder: tempfile::TempDir,
    site: StaticSite,
}

impl Case {
    fn new() -> Self {
        let site = StaticSite::start();
        let folder = tempfile::tempdir().unwrap();
        let pairs = PICTURES.map(|name| {
            let bytes = std::fs::read(test_data("golden/images").join(name)).unwrap();
            site.put(format!("/{name}"), Reply::ok(bytes));
            (site.url(&format!("/{name}")), "a picture")
        });
        write_pairs(&folder.path().join("pairs.parquet"), &pairs);
        Self { folder, site }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs over `input` with these settings, and leaves no config: the plan must do.
    fn run(&self, input: &Path, output: &str, settings: &[&str]) -> PathBuf {
        let (config, output) = (self.path("run.toml"), self.path(output));
        let further = "unit_rows = 2\n[fetch]\nallow_private_addresses = true\nports = []\nretries = 0";
        write_config(&config, input, &output, further);
        let settings = settings.iter().flat_map(|setting| ["--set", setting]);
        let arguments: Vec<_> = ["run", config.to_str().unwrap()]
            .into_iter()
            .chain(settings)
            .collect();
        succeed(&arguments);
        std::fs::remove_file(config).unwrap();
        output
    }

    fn pairs(&self) -> PathBuf {
        self.path("pairs.parquet")
    }
}

/// Exit code and report of `verify --deep`.
fn deep(output: &Path, pairs: &str) -> (i32, String) {
    let output = run(&["verify", output.to_str().unwrap(), "--deep", pairs]);
    let report = String::from_utf8(output.stdout.clone()).unwrap();
    (code(&output), report + &messages(&output))
}

/// Adds one to the first number of a list, or takes it away: another code, in the codebook still.
fn altered<T: ArrowPrimitiveType>(
    column: &ArrayRef,
    at: usize,
    other: impl Fn(T::Native) -> T::Native,
) -> ArrayRef {
    let list = column.as_list::<i32>();
    let mut values = list.values().as_primitive::<T>().values().to_vec();
    values[at] = other(values[at]);
    let item = match list.data_type() {
        arrow_schema::DataType::List(item) => item.clone(),
        other => panic!("{other}"),
    };
    let values = PrimitiveArray::<T>::new(values.into(), None);
    Arc::new(ListArray::new(
        item,
        list.offsets().clone(),
        Arc::new(values),
        None,
    ))
}

/// Writes another first code into the first row of a shard, so that everything else about it is right.
fn alter_a_code(output: &Path) {
    let file = output.join("data/part-00000.parquet");
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&file).unwrap()).unwrap();
    let schema = reader.schema().clone();
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    let batch = &batches[0];
    let number = |name: &str| {
        batch
            .column_by_name(name)
            .unwrap()
            .as_primitive::<Int32Type>()
            .value(0) as usize
    };
    let code = batch
        .column_by_name("image_codes")
        .unwrap()
        .as_list::<i32>()
        .values()
        .as_primitive::<UInt16Type>()
        .value(0);
    let step: i32 = if code.is_multiple_of(2) { 1 } else { -1 };
    let columns = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| match field.name().as_str() {
            "image_codes" => altered::<UInt16Type>(column, 0, |code| code.wrapping_add_signed(step as i16)),
            "input_ids" => altered::<Int32Type>(column, number("image_start"), |id| id + step),
            _ => column.clone(),
        });
    let batch = RecordBatch::try_new(schema.clone(), columns.collect()).unwrap();
    let metadata = schema.metadata().iter();
    let metadata =
        metadata.map(|(key, value)| parquet::file::metadata::KeyValue::new(key.clone(), value.clone()));
    let properties = parquet::file::properties::WriterProperties::builder()
        .set_key_value_metadata(Some(metadata.collect()))
        .build();
    let mut writer = ArrowWriter::try_new(File::create(&file).unwrap(), schema, Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();

    let stats = output.join("stats/part-00000.json");
    let mut told: serde_json::Value = serde_json::from_slice(&std::fs::read(&stats).unwrap()).unwrap();
    let bytes = std::fs::read(&file).unwrap();
    told["data_file"] = serde_json::json!({
        "size": bytes.len(),
        "blake3": blake3::hash(&bytes).to_hex().to_string(),
    });
    std::fs::write(stats, told.to_string()).unwrap();
}

#[test]
fn honest_tokens_are_found_again_by_the_settings_of_their_plan() {
    let case = Case::new();
    let settings: [&[&str]; 2] = [
        &[],
        &[
            "vision.selection=gumbel",
            "vision.seed=7",
            "sequence.order=both",
            "vision.max_tokens=20",
        ],
    ];
    for (number, settings) in settings.into_iter().enumerate() {
        let output = case.run(&case.pairs(), &format!("out-{number}"), settings);
        let before = program::files(&output);
        let (code, report) = deep(&output, "100");
        assert_eq!(code, 0, "{report}");
        assert!(
            report.starts_with("4 pairs tokenized again: 0 differ"),
            "{report}"
        );
        assert!(deep(&output, "3").1.starts_with("3 pairs tokenized again"));
        assert!(program::files(&output) == before);
    }
}

#[test]
fn a_code_that_the_picture_does_not_give_is_found() {
    let case = Case::new();
    let output = case.run(&case.pairs(), "out", &[]);
    alter_a_code(&output);
    succeed(&["verify", output.to_str().unwrap()]);
    let (code, report) = deep(&output, "4");
    assert_eq!(code, 1, "{report}");
    assert!(
        report.starts_with("data/part-00000.parquet: row 0: code 0 of its picture is "),
        "{report}"
    );
    assert!(report.contains("4 pairs tokenized again: 1 differ"), "{report}");
}

#[test]
fn pictures_that_are_gone_or_have_changed_prove_nothing() {
    let case = Case::new();
    let output = case.run(&case.pairs(), "out", &[]);
    let other = std::fs::read(test_data("golden/images").join(PICTURES[1])).unwrap();
    case.site.put(format!("/{}", PICTURES[0]), Reply::ok(other));
    case.site.put(format!("/{}", PICTURES[2]), Reply::status(410));
    let (code, report) = deep(&output, "4");
    assert_eq!(code, 0, "{report}");
    assert!(
        report.starts_with(
            "2 pairs tokenized again: 0 differ; 1 more whose picture is gone, 1 whose picture has changed"
        ),
        "{report}"
    );
}

#[test]
fn kept_pictures_and_inputs_that_bring_their_own_need_no_download() {
    let case = Case::new();
    let mut outputs = Vec::new();
    for images in ["original", "resized"] {
        let kept = case.run(&case.pairs(), images, &[&format!("output.images={images}")]);
        outputs.push(case.run(&kept.join("images"), &format!("from-{images}"), &[]));
        outputs.push(kept);
    }
    let asked = case.site.total_requests();
    for output in &outputs {
        let (code, report) = deep(output, "4");
        assert_eq!(code, 0, "{report}");
        assert!(
            report.starts_with("4 pairs tokenized again: 0 differ"),
            "{report}"
        );
    }
    assert_eq!(case.site.total_requests(), asked);
}

#[test]
fn another_model_is_refused() {
    let case = Case::new();
    let output = case.run(&case.pairs(), "out", &[]);
    let plan = output.join("plan.json");
    let text = std::fs::read_to_string(&plan).unwrap();
    let mut told: serde_json::Value = serde_json::from_str(&text).unwrap();
    told["identity"]["model"]["digest"] = "5ba1".into();
    std::fs::write(&plan, told.to_string()).unwrap();
    let (code, report) = deep(&output, "1");
    assert_eq!(code, 1, "{report}");
    assert!(
        report.contains("the model of digest 5ba1") && report.contains("--model"),
        "{report}"
    );
}
