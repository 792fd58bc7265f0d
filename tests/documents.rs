//! Documents of many texts and images: from lists of URLs and texts to one sequence each.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod document_scene;
mod pair_scene;
mod program;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use document_scene::{Case, DOCUMENTS, Document, PICTURES, Part, documents, with_settings, write_lists};
use pair_scene::stats;
use program::{complaint, data_rows, failures, files, program, succeed, test_data, write_pairs};
use serde_json::Value;

/// V of the built-in tokenizer of bytes: `[IMG]`, then `[/IMG]`, then the first code. A byte has the id 3 above it.
const IMAGE_START: i32 = 259;

/// What `tokenize` says of each picture: its codes, and its mask in hexadecimal.
fn tokenized() -> BTreeMap<&'static str, (Vec<i32>, String)> {
    let paths = PICTURES.map(|name| test_data("golden/images").join(name).display().to_string());
    let paths = paths.each_ref().map(String::as_str);
    let lines = succeed(&[&["tokenize"], &paths[..]].concat());
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let facts = lines.map(|line| {
        let codes = line["codes"].as_array().unwrap().iter();
        let codes = codes.map(|code| code.as_i64().unwrap() as i32).collect();
        (codes, line["kept"].as_str().unwrap().to_owned())
    });
    PICTURES.into_iter().zip(facts).collect()
}

/// The sequence of these parts without the images that are missing, put together here.
fn expected_ids(parts: &[Part], tokenized: &BTreeMap<&'static str, (Vec<i32>, String)>) -> Vec<i32> {
    let ids = parts.iter().flat_map(|part| match part {
        Part::Text(text) => text.bytes().map(|byte| i32::from(byte) + 3).collect(),
        Part::Image(name) => match tokenized.get(name) {
            Some((codes, _)) => {
                let codes = codes.iter().map(|code| IMAGE_START + 2 + code);
                [IMAGE_START]
                    .into_iter()
                    .chain(codes)
                    .chain([IMAGE_START + 1])
                    .collect()
            }
            None => Vec::new(),
        },
    });
    ids.chain([2]).collect()
}

/// The documents among those of the scene that have an image.
const WITH_IMAGES: [usize; 5] = [0, 1, 2, 4, 5];

fn check_against_tokenize(found: &[Document]) {
    let tokenized = tokenized();
    assert_eq!(found.len(), WITH_IMAGES.len());
    for (document, number) in found.iter().zip(WITH_IMAGES) {
        let parts = DOCUMENTS[number];
        assert_eq!(document.input_ids, expected_ids(parts, &tokenized), "{number}");
        let texts: Vec<&str> = parts
            .iter()
            .filter_map(|part| match part {
                Part::Text(text) => Some(*text),
                Part::Image(_) => None,
            })
            .collect();
        let found: Vec<&str> = document.texts.iter().map(|(.., text)| text.as_str()).collect();
        assert_eq!(found, texts);
        for (start, len, text) in &document.texts {
            let ids: Vec<i32> = text.bytes().map(|byte| i32::from(byte) + 3).collect();
            assert_eq!(document.ids(*start, *len), ids);
        }
        for image in &document.images {
            let name = image.url.rsplit('/').next().unwrap();
            let (codes, kept) = &tokenized[name];
            let ids: Vec<i32> = codes.iter().map(|code| IMAGE_START + 2 + code).collect();
            assert_eq!(document.ids(image.start, image.len), ids, "{name}");
            assert_eq!(image.kept, *kept, "{name}");
            assert!(image.size.0 > 100 && image.size.1 > 100);
        }
    }
}

#[test]
fn both_shapes_give_the_texts_and_the_codes_of_each_image_in_the_order_of_the_document() {
    let case = Case::new();
    let output = case.run("obelics.parquet", "obelics", &[]);
    let of_obelics = documents(&output);
    check_against_tokenize(&of_obelics);
    let report = succeed(&["verify", output.to_str().unwrap()]);
    assert!(report.contains("0 found wrong"), "{report}");
    let rows = data_rows(&output);
    assert!(
        rows.iter()
            .all(|row| row.order == "document" && row.sha256.is_empty())
    );

    let of_mmc4 = documents(&case.run("mmc4.jsonl", "mmc4", &[]));
    check_against_tokenize(&of_mmc4);
    let ids = |documents: &[Document]| {
        documents
            .iter()
            .map(|one| one.input_ids.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&of_obelics), ids(&of_mmc4));
    let places = |document: &Document| {
        document
            .images
            .iter()
            .map(|image| image.place)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (places(&of_obelics[0]), places(&of_mmc4[0])),
        (vec![1, 3], vec![0, 1])
    );

    // The other pairings of shape and format, and compression.
    let lines = std::fs::read(case.path("mmc4.jsonl")).unwrap();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, &lines).unwrap();
    std::fs::write(case.path("mmc4.jsonl.gz"), gz.finish().unwrap()).unwrap();
    let of_gz = documents(&case.run("mmc4.jsonl.gz", "gz", &["input.images_column=image_info"]));
    assert_eq!(of_gz, of_mmc4);
    let lists = serde_json::json!({ "pictures": [null, case.url("rocket.jpg")], "words": ["x", null] });
    case.write_lines("lists.jsonl", &[lists]);
    let columns = ["input.images_column=pictures", "input.texts_column=words"];
    assert_eq!(documents(&case.run("lists.jsonl", "lists", &columns)).len(), 1);
}

#[test]
fn an_image_that_fails_is_dropped_and_recorded_or_fails_its_document() {
    let case = Case::new();
    let output = case.run("obelics.parquet", "dropping", &[]);
    let dropped: Vec<_> = documents(&output)
        .into_iter()
        .map(|document| document.dropped)
        .collect();
    let gone = (1, "http_status".to_owned());
    let broken = (3, "not_an_image".to_owned());
    assert_eq!(dropped, [vec![], vec![], vec![gone, broken], vec![], vec![]]);
    let expected = BTreeMap::from([("00000-000000003".to_owned(), "http_status".to_owned())]);
    assert_eq!(
        failures(&output),
        expected,
        "no image is left of it: it fails as its first"
    );
    let counts = stats(&output);
    assert_eq!(
        (&counts["pairs"], &counts["document_images"]),
        (&5.into(), &8.into())
    );
    assert_eq!(
        counts["dropped_images"],
        serde_json::json!({ "http_status": 1, "not_an_image": 1 })
    );
    let card = std::fs::read_to_string(output.join("README.md")).unwrap();
    assert!(card.contains("8 images in documents"), "{card}");

    let output = case.run("obelics.parquet", "failing", &["sequence.failed_images=fail"]);
    assert_eq!(documents(&output).len(), 4);
    let expected =
        ["00000-000000002", "00000-000000003"].map(|key| (key.to_owned(), "http_status".to_owned()));
    assert_eq!(failures(&output), BTreeMap::from(expected));
    let urls = program::failure_urls(&output);
    assert_eq!(urls["00000-000000002"], Some(case.url("gone.jpg")));
    succeed(&["verify", output.to_str().unwrap()]);
}

#[test]
fn rows_that_are_no_documents_fail_one_by_one_for_a_reason() {
    let case = Case::new();
    let some = |items: &[Option<&str>]| -> document_scene::Texts {
        Some(items.iter().map(|item| item.map(str::to_owned)).collect())
    };
    let url = case.url("rocket.jpg");
    let url = Some(url.as_str());
    let rows = [
        (some(&[url, None]), some(&[None, Some("whole")]), None),
        (some(&[]), some(&[]), Some("empty_caption")),
        (some(&[None]), some(&[Some("no image")]), Some("missing_url")),
        (some(&[url]), some(&[None]), Some("empty_caption")),
        (
            some(&[url, None]),
            some(&[None, Some(" ")]),
            Some("empty_caption"),
        ),
        (some(&[url]), some(&[None, Some("longer")]), Some("corrupt_row")),
        (some(&[url]), some(&[Some("both")]), Some("corrupt_row")),
        (None, some(&[Some("no list")]), Some("corrupt_row")),
        (
            some(&[Some(" "), None]),
            some(&[None, Some("no url")]),
            Some("missing_url"),
        ),
        (some(&[url; 4]), some(&[None; 4]), Some("too_large")),
        (
            some(&vec![url; 1_000_000]),
            some(&vec![None; 1_000_000]),
            Some("too_large"),
        ),
    ];
    let (images, texts) = rows
        .iter()
        .map(|(images, texts, _)| (images.clone(), texts.clone()))
        .unzip();
    write_lists(&case.path("rows.parquet"), images, texts);
    let output = case.run("rows.parquet", "out", &["input.max_images=3"]);
    assert_eq!(documents(&output).len(), 1);
    let expected: BTreeMap<String, String> = (0..)
        .zip(&rows)
        .filter_map(|(row, (.., reason))| Some((format!("00000-{row:09}"), (*reason)?.to_owned())))
        .collect();
    assert_eq!(failures(&output), expected);
    assert_eq!(
        case.site.requests("/rocket.jpg"),
        1,
        "only the whole one is asked for"
    );
    succeed(&["verify", output.to_str().unwrap()]);
}

/// The tables of an output.
fn tables(output: &Path) -> BTreeMap<String, Vec<u8>> {
    let all = files(output).into_iter();
    all.filter(|(name, _)| name.ends_with(".parquet")).collect()
}

#[test]
fn batches_and_kills_change_no_byte() {
    let case = Case::new();
    let settings = [
        "input.unit_rows=1",
        "sequence.pack=2048",
        "vision.selection=gumbel",
    ];
    let whole = tables(&case.run(
        "obelics.parquet",
        "whole",
        &[&settings[..], &["vision.batch_size=7"]].concat(),
    ));
    assert_eq!(whole.len(), 3 * DOCUMENTS.len());
    let singly = case.run(
        "obelics.parquet",
        "singly",
        &[&settings[..], &["vision.batch_size=1"]].concat(),
    );
    assert!(tables(&singly) == whole);

    let config = case.config("obelics.parquet", "killed");
    let output = case.path("killed");
    for units in [1, 3] {
        let mut run = program()
            .args(with_settings(config.to_str().unwrap(), &settings))
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let committed = || std::fs::read_dir(output.join("stats")).map_or(0, Iterator::count);
        while committed() < units && run.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let _ = run.kill();
        run.wait().unwrap();
    }
    succeed(&with_settings(config.to_str().unwrap(), &settings));
    assert!(tables(&output) == whole);
}

#[test]
fn selection_noise_of_an_image_depends_on_its_document_and_place_alone() {
    let case = Case::new();
    let gumbel = ["vision.selection=gumbel"];
    let all = documents(&case.run("obelics.parquet", "all", &gumbel));
    let twice = &all[3];
    let codes = |document: &Document, image: usize| {
        let image = &document.images[image];
        document.ids(image.start, image.len).to_vec()
    };
    assert_ne!(codes(twice, 0), codes(twice, 1), "one picture at two places");
    // The same document with another first image.
    let mut changed = DOCUMENTS;
    let other = [
        Part::Text("twice"),
        Part::Image("rocket.jpg"),
        DOCUMENTS[4][2],
        DOCUMENTS[4][3],
        DOCUMENTS[4][4],
    ];
    changed[4] = &other;
    case.write_obelics("changed.parquet", &changed);
    let changed = documents(&case.run("changed.parquet", "changed", &gumbel));
    assert_eq!(codes(&changed[3], 1), codes(twice, 1));
    assert_ne!(codes(&changed[3], 0), codes(twice, 0));
}

#[test]
fn texts_of_a_corpus_are_mixed_in_among_documents() {
    let case = Case::new();
    let corpus = case.path("corpus.jsonl");
    std::fs::write(
        &corpus,
        "{\"text\": \"a\"}\n{\"text\": \"b\"}\n{\"text\": \"c\"}\n{\"text\": \"d\"}\n",
    )
    .unwrap();
    let paths = format!("text_corpus.paths=[{:?}]", corpus.display().to_string());
    let output = case.run("obelics.parquet", "out", &[&paths, "text_corpus.share=0.5"]);
    let rows = data_rows(&output);
    assert_eq!(
        rows.iter().filter(|row| row.order == "document").count(),
        WITH_IMAGES.len()
    );
    assert_eq!(rows.iter().filter(|row| row.order == "text").count(), 4);
    succeed(&["verify", output.to_str().unwrap()]);
}

#[test]
fn what_documents_and_pairs_cannot_share_is_refused() {
    let case = Case::new();
    let refused = |input: &str, settings: &[&str], said: &[&str]| {
        let config = case.config(input, "never");
        let message = complaint(&with_settings(config.to_str().unwrap(), settings), 2);
        for words in said {
            assert!(message.contains(words), "{words}: {message}");
        }
    };
    let columns = "input.images_column=images";
    refused(
        "obelics.parquet",
        &[columns, "input.url_column=URL"],
        &["input.url_column", "images_column"],
    );
    refused(
        "obelics.parquet",
        &["input.texts_column=words"],
        &["words", "texts_column"],
    );
    refused("obelics.parquet", &["input.max_images=0"], &["input.max_images"]);
    refused(
        "obelics.parquet",
        &["sequence.failed_images=skip"],
        &["sequence.failed_images", "drop"],
    );
    for (setting, key) in [
        ("output.images=original", "output.images must be \"none\""),
        ("fetch.verify_hash=record", "fetch.verify_hash must be \"off\""),
        ("sequence.order=both", "sequence.order must be \"alternate\""),
    ] {
        refused("obelics.parquet", &[setting], &["obelics.parquet", key]);
    }
    write_pairs(
        &case.path("pairs.parquet"),
        &[(case.url("rocket.jpg"), "a rocket")],
    );
    refused("*.parquet", &[], &["obelics.parquet", "pairs.parquet"]);
    refused("pairs.parquet", &[columns], &["`images`", "images_column"]);
}
