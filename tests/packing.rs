//! Sequences packed to contexts: by a run beside its data, and by an export.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod pair_scene;
mod program;

use std::path::Path;

use pair_scene::{Case, ids, sequences, stats, unpacked};
use program::{batches, code, complaint, files, messages, run, succeed};

#[test]
fn contexts_hold_every_sequence_once_and_are_the_same_in_every_run() {
    let case = Case::new();
    for method in ["best_fit", "concat"] {
        let method_setting = format!("sequence.packing={method}");
        let settings = [
            "sequence.order=both",
            "sequence.pack=300",
            "input.unit_rows=16",
            &method_setting,
        ];
        let output = case.run("pairs.parquet", method, &settings);
        assert_eq!(unpacked(&output.join("packed"), 300), sequences(&output));
        succeed(&["verify", output.to_str().unwrap()]);
        let packed = stats(&output)["packed"].clone();
        let of_ids = stats(&output)["input_ids"]["sum"].clone();
        assert_eq!(packed["tokens"], of_ids);
        assert_eq!(packed["capacity"], 300 * packed["contexts"].as_u64().unwrap());
        let again = [&settings[..], &["vision.batch_size=3", "fetch.concurrency=2"]].concat();
        let again = case.run("pairs.parquet", &format!("{method}-again"), &again);
        let tables = |output: &Path| {
            let mut tables = files(output);
            tables.retain(|name, _| name.ends_with(".parquet"));
            tables
        };
        assert_eq!(tables(&output).len(), 9, "three units of three files");
        assert!(tables(&output) == tables(&again));
    }
}

#[test]
fn concat_leaves_no_room_and_best_fit_splits_no_picture() {
    let case = Case::new();
    let concat = case.run(
        "pairs.parquet",
        "concat",
        &["sequence.pack=50", "sequence.packing=concat"],
    );
    let lengths: Vec<usize> = batches(&concat.join("packed"))
        .iter()
        .flat_map(|batch| (0..batch.num_rows()).map(|row| ids(batch, "input_ids", row).len()))
        .collect();
    let (last, full) = lengths.split_last().unwrap();
    assert!(
        full.iter().all(|length| *length == 50) && *last <= 50,
        "{lengths:?}"
    );
    let best_fit = case.run("pairs.parquet", "best-fit", &["sequence.pack=260"]);
    for batch in batches(&best_fit.join("packed")) {
        for row in 0..batch.num_rows() {
            let input_ids = ids(&batch, "input_ids", row);
            let marks: Vec<i32> = input_ids
                .into_iter()
                .filter(|id| (259..261).contains(id))
                .collect();
            assert!(marks.chunks(2).all(|pair| pair == [259, 260]), "{marks:?}");
        }
    }
}

#[test]
fn contexts_that_a_picture_does_not_fit_into_are_refused_before_the_run() {
    let case = Case::new();
    let config = case.config("pairs.parquet", &case.folder.path().join("out"));
    let arguments = ["run", config.to_str().unwrap(), "--set", "sequence.pack=20"];
    let message = complaint(&arguments, 2);
    assert!(
        message.contains("sequence.pack = 20") && message.contains("concat"),
        "{message}"
    );
}

#[test]
fn verify_finds_contexts_that_are_not_those_of_the_units_sequences() {
    let case = Case::new();
    let output = case.run(
        "pairs.parquet",
        "out",
        &["sequence.pack=300", "input.unit_rows=20"],
    );
    std::fs::copy(
        output.join("packed/part-00001.parquet"),
        output.join("packed/part-00000.parquet"),
    )
    .unwrap();
    let verified = run(&["verify", output.to_str().unwrap()]);
    assert_eq!(code(&verified), 1, "{}", messages(&verified));
    let found = String::from_utf8(verified.stdout).unwrap();
    assert!(
        found.contains("packed/part-00000.parquet: its ids are not those"),
        "{found}"
    );
}

#[test]
fn the_export_packs_all_units_into_one_stream_of_contexts() {
    let case = Case::new();
    let output = case.run("pairs.parquet", "out", &["input.unit_rows=7"]);
    for method in ["best_fit", "concat"] {
        let destination = case.folder.path().join(method);
        let length = ["--context-length", "400", "--packing", method];
        let paths = [
            "export",
            "packed",
            output.to_str().unwrap(),
            destination.to_str().unwrap(),
        ];
        let message = succeed(&[&paths[..], &length].concat());
        assert!(
            message.contains("contexts of 400 ids, ") && message.contains("% full"),
            "{message}"
        );
        assert_eq!(unpacked(&destination, 400), sequences(&output));
    }
}
