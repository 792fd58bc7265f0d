//! What becomes of captions and sequences: which caption, in which order, with or without its text, with texts among them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod pair_scene;
mod program;

use std::collections::BTreeMap;
use std::path::Path;

use arrow_array::cast::AsArray;
use pair_scene::{Case, PAIRS, ids, sequences, stats, texts, unpacked};
use program::{batches, complaint, data_rows, files, succeed};

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
    case.write("some.parquet", &(0..PAIRS).rev().step_by(3));
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

/// Twelve texts in JSONL, the third of them blank.
fn corpus(case: &Case) -> String {
    let file = case.folder.path().join("corpus.jsonl");
    let line = |number: usize| {
        let text = if number == 2 {
            " ".to_owned()
        } else {
            format!("text {number}")
        };
        format!("{}\n", serde_json::json!({ "text": text }))
    };
    std::fs::write(&file, (0..12).map(line).collect::<String>()).unwrap();
    format!("text_corpus.paths=[{:?}]", file.display().to_string())
}

#[test]
fn texts_of_a_corpus_are_mixed_in_by_their_share_each_once_and_accounted_for() {
    let case = Case::new();
    let corpus = corpus(&case);
    let settings = [
        "text_corpus.share=0.2",
        "input.unit_rows=13",
        "sequence.pack=300",
        &corpus,
    ];
    let output = case.run("pairs.parquet", "out", &settings);
    succeed(&["verify", output.to_str().unwrap()]);
    let rows = data_rows(&output);
    let places: Vec<usize> = (0..rows.len()).filter(|row| rows[*row].order == "text").collect();
    assert_eq!(
        places.len(),
        9,
        "one after every four pairs, but for the blank one"
    );
    assert!(
        places
            .windows(2)
            .all(|pair| (4..10).contains(&(pair[1] - pair[0]))),
        "{places:?}"
    );
    let texts: Vec<&str> = places.iter().map(|row| rows[*row].caption.as_str()).collect();
    let expected: Vec<String> = (0..10)
        .filter(|number| *number != 2)
        .map(|number| format!("text {number}"))
        .collect();
    assert_eq!(texts, expected);
    for row in places.iter().map(|row| &rows[*row]) {
        assert!(row.key.starts_with("text-") && row.image_codes.is_empty() && row.size == (0, 0));
        assert_eq!(row.input_ids, [&row.text_ids[..], &[2]].concat());
    }
    assert_eq!(
        program::failures(&output).into_values().collect::<Vec<_>>(),
        ["empty_caption"]
    );
    assert_eq!(unpacked(&output.join("packed"), 300), sequences(&output));
    let again = case.run(
        "pairs.parquet",
        "again",
        &[&settings[..], &["vision.batch_size=2"]].concat(),
    );
    for folder in ["data", "failures", "packed"] {
        assert!(
            files(&output.join(folder)) == files(&again.join(folder)),
            "{folder}"
        );
    }
    let destination = case.folder.path().join("megatron");
    succeed(&[
        "export",
        "megatron",
        output.to_str().unwrap(),
        destination.to_str().unwrap(),
    ]);
    assert!(destination.join("text.bin").exists());
}

#[test]
fn pairs_and_texts_that_are_taken_down_go_from_contexts_and_exports_too() {
    let case = Case::new();
    let corpus = corpus(&case);
    let settings = [
        "text_corpus.share=0.2",
        "sequence.text_dropout=0.5",
        "sequence.pack=300",
        "sequence.packing=concat",
        &corpus,
    ];
    let output = case.run("pairs.parquet", "out", &settings);
    let mut expected = sequences(&output);
    let is_text = |(_, order): &&(String, String)| order == "text";
    let text = expected.keys().find(is_text).unwrap().0.clone();
    let gone = ["pair-3".to_owned(), "pair-20".to_owned(), text];
    expected.retain(|(key, _), _| !gone.contains(key));
    let list = case.folder.path().join("list.txt");
    std::fs::write(&list, gone.each_ref().map(|key| format!("key:{key}\n")).concat()).unwrap();
    let (out, list) = (output.to_str().unwrap(), list.to_str().unwrap());
    let told = succeed(&["takedown", out, "--list", list]);
    assert!(told.starts_with("3 pairs taken down, 0 of them"), "{told}");
    assert_eq!(sequences(&output), expected);
    assert_eq!(unpacked(&output.join("packed"), 300), expected);
    assert!(
        gone.iter()
            .all(|key| program::failures(&output)[key] == "taken_down")
    );
    succeed(&["verify", out, "--deep", "100"]);
    let destination = case.folder.path().join("contexts");
    let method = ["--context-length", "300"];
    let paths = ["export", "packed", out, destination.to_str().unwrap()];
    succeed(&[&paths[..], &method].concat());
    assert_eq!(unpacked(&destination, 300), expected);
}

#[test]
fn a_corpus_that_is_another_than_was_planned_is_refused() {
    let case = Case::new();
    let corpus = corpus(&case);
    let settings = ["text_corpus.share=0.2", &corpus];
    let output = case.run("pairs.parquet", "out", &settings);
    let file = case.folder.path().join("corpus.jsonl");
    std::fs::write(&file, "{\"text\": \"another\"}\n").unwrap();
    let config = case.config("pairs.parquet", &output);
    let set = settings.iter().flat_map(|setting| ["--set", setting]);
    let arguments: Vec<&str> = ["run", config.to_str().unwrap()].into_iter().chain(set).collect();
    let message = complaint(&arguments, 2);
    assert!(
        message.contains("corpus.jsonl changed since it was planned"),
        "{message}"
    );
}

#[test]
fn a_corpus_without_a_share_and_one_without_texts_are_refused() {
    let case = Case::new();
    let corpus = corpus(&case);
    let config = case.config("pairs.parquet", &case.folder.path().join("out"));
    let wrong = |settings: &[&str], said: &str| {
        let set = settings.iter().flat_map(|setting| ["--set", setting]);
        let arguments: Vec<&str> = ["run", config.to_str().unwrap()].into_iter().chain(set).collect();
        let message = complaint(&arguments, 2);
        assert!(message.contains(said), "{message}");
    };
    wrong(&[&corpus], "text_corpus.share");
    let share = "text_corpus.share=0.1";
    wrong(&[&corpus, share, "text_corpus.column=body"], "body");
    wrong(&["text_corpus.share=1.5"], "text_corpus.share");
}
