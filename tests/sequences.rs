//! What becomes of captions and sequences: which caption, in which order, with or without its text, packed to contexts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, RecordBatch};
use img2tokens_test_support::{Reply, StaticSite};
use program::{
    batches, code, complaint, data_rows, files, messages, run, shared, succeed, write_config, write_parquet,
};

const PICTURES: [&str; 3] = ["astronaut.jpg", "chelsea.png", "rocket.jpg"];
const PAIRS: usize = 40;

/// Forty pairs with keys of their own and two captions, over three pictures.
struct Case {
    folder: tempfile::TempDir,
    site: StaticSite,
}

impl Case {
    fn new() -> Self {
        let (folder, site) = (tempfile::tempdir().unwrap(), StaticSite::start());
        for name in PICTURES {
            let bytes = std::fs::read(shared("golden/images").join(name)).unwrap();
            site.put(format!("/{name}"), Reply::ok(bytes));
        }
        let case = Self { folder, site };
        case.write("pairs.parquet", 0..PAIRS);
        case
    }

    fn write(&self, name: &str, pairs: impl Iterator<Item = usize> + Clone) {
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
    fn run(&self, input: &str, name: &str, settings: &[&str]) -> PathBuf {
        let output = self.folder.path().join(name);
        let config = self.config(input, &output);
        let mut arguments = vec!["run", config.to_str().unwrap()];
        arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        succeed(&arguments);
        output
    }

    fn config(&self, input: &str, output: &Path) -> PathBuf {
        let config = output.with_extension("toml");
        let further = "[fetch]\nallow_private_addresses = true\n";
        write_config(&config, &self.folder.path().join(input), output, further);
        config
    }
}

fn texts(batch: &RecordBatch, column: &str) -> Vec<String> {
    let texts = batch[column].as_string::<i32>();
    texts.iter().map(|text| text.unwrap().to_owned()).collect()
}

fn ids(batch: &RecordBatch, column: &str, row: usize) -> Vec<i32> {
    let list = batch[column].as_list::<i32>().value(row);
    list.as_primitive::<Int32Type>().values().to_vec()
}

/// The ids of every sequence by key and order.
type Sequences = BTreeMap<(String, String), Vec<i32>>;

fn sequences(output: &Path) -> Sequences {
    let rows = data_rows(output).into_iter();
    rows.map(|row| ((row.key, row.order), row.input_ids)).collect()
}

/// The sequences that contexts are made of, put together again; each context has at most `length` ids.
fn unpacked(folder: &Path, length: usize) -> Sequences {
    let mut pieces: BTreeMap<(String, String), Vec<(i32, Vec<i32>)>> = BTreeMap::new();
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

fn stats(output: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(output.join("stats/part-00000.json")).unwrap()).unwrap()
}

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

/// What is drawn for a pair: its order, and whether its text was dropped.
fn drawn(output: &Path) -> BTreeMap<String, (String, bool)> {
    let batches = batches(&output.join("data"));
    let rows = batches.iter().flat_map(|batch| {
        let dropped = batch["text_dropped"].as_boolean().values().iter();
        let rows = std::iter::zip(texts(batch, "key"), texts(batch, "order"));
        rows.zip(dropped).collect::<Vec<_>>()
    });
    rows.map(|((key, order), dropped)| (key, (order, dropped)))
        .collect()
}

#[test]
fn what_is_drawn_for_a_pair_depends_on_its_key_alone() {
    let case = Case::new();
    let settings = [
        "sequence.text_dropout=0.5",
        "input.caption_columns=[\"TEXT\", \"synthetic\"]",
        "text.captions=[1, 1]",
    ];
    let output = case.run("pairs.parquet", "all", &settings);
    succeed(&["verify", output.to_str().unwrap()]);
    let all = drawn(&output);
    let dropped = all.values().filter(|(_, dropped)| *dropped).count();
    assert!((1..PAIRS / 2).contains(&dropped), "{dropped} of {PAIRS}");
    assert!(
        all.values()
            .all(|(order, dropped)| !dropped || order == "text_image")
    );
    assert_eq!(stats(&output)["texts_dropped"], dropped);
    case.write("some.parquet", (0..PAIRS).rev().step_by(3));
    let some = case.run(
        "some.parquet",
        "some",
        &[&settings[..], &["input.unit_rows=4"]].concat(),
    );
    let found = sequences(&some);
    assert_eq!(found.len(), PAIRS.div_ceil(3));
    let whole = sequences(&output);
    assert!(found.iter().all(|(name, ids)| whole.get(name) == Some(ids)));
    assert!(
        drawn(&some)
            .iter()
            .all(|(key, drawn)| all.get(key) == Some(drawn))
    );
}

#[test]
fn captions_of_several_columns_are_chosen_and_the_row_says_which() {
    let case = Case::new();
    let columns = "input.caption_columns=[\"synthetic\", \"TEXT\"]";
    let chosen = |output: &Path| {
        let mut counts = BTreeMap::<String, usize>::new();
        for batch in batches(&output.join("data")) {
            let rows = std::iter::zip(texts(&batch, "caption"), texts(&batch, "caption_column"));
            for (caption, column) in rows {
                assert_eq!(
                    caption.starts_with('s'),
                    column == "synthetic",
                    "{caption} of {column}"
                );
                *counts.entry(column).or_default() += 1;
            }
        }
        counts
    };
    let first = chosen(&case.run("pairs.parquet", "first", &[columns]));
    let expected = BTreeMap::from([("TEXT".to_owned(), 8), ("synthetic".to_owned(), 32)]);
    assert_eq!(first, expected, "every fifth pair has no synthetic caption");
    let mixed = chosen(&case.run("pairs.parquet", "mixed", &[columns, "text.captions=[1.0, 3.0]"]));
    assert!(
        mixed["TEXT"] > mixed["synthetic"] && mixed["synthetic"] > 0,
        "{mixed:?}"
    );
    let config = case.config("pairs.parquet", &case.folder.path().join("wrong"));
    let wrong = |settings: &[&str], said: &str| {
        let set = settings.iter().flat_map(|setting| ["--set", setting]);
        let arguments: Vec<&str> = ["run", config.to_str().unwrap()].into_iter().chain(set).collect();
        let message = complaint(&arguments, 2);
        assert!(message.contains(said), "{message}");
    };
    wrong(&[columns, "text.captions=[1]"], "text.captions");
    wrong(&[columns, "input.text_column=TEXT"], "input.caption_columns");
    wrong(&["input.caption_columns=[\"TEXT\", \"nothing\"]"], "nothing");
}

#[test]
fn a_caption_that_is_cut_off_is_marked_and_counted() {
    let case = Case::new();
    let output = case.run(
        "pairs.parquet",
        "out",
        &["text.max_tokens=9", "text.mark_truncated=true"],
    );
    succeed(&["verify", output.to_str().unwrap()]);
    let mut cut = 0;
    for batch in batches(&output.join("data")) {
        let marks = batch["caption_truncated"].as_boolean();
        for (row, caption) in texts(&batch, "caption").into_iter().enumerate() {
            assert_eq!(marks.value(row), caption.len() > 9);
            assert_eq!(ids(&batch, "text_ids", row).len(), caption.len().min(9));
            cut += u64::from(marks.value(row));
        }
    }
    assert!(cut > 0);
    assert_eq!(stats(&output)["captions_truncated"], cut);
}
