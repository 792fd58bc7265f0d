//! `img2tokens model tokenizer-with-visual-tokens`, and the sequences it reads back.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;

use std::path::Path;

use program::{complaint, data_rows, json, succeed};
use tokenizers::Tokenizer;

/// The path of a file of the checkout.
fn checkout(file: &str) -> String {
    format!("{}/../{file}", env!("CARGO_MANIFEST_DIR"))
}

fn byte_level() -> String {
    checkout("stages/text/tests/fixtures/byte_level.json")
}

/// Extends the tokenizer for the nano model into this file; returns what is printed.
fn extend(dest: &Path) -> String {
    let codes = json(&["model", "info", "builtin:nano", "--json"])["config"]["codebook_size"].to_string();
    succeed(&[
        "model",
        "tokenizer-with-visual-tokens",
        &byte_level(),
        dest.to_str().unwrap(),
        "--codebook-size",
        &codes,
    ])
}

#[test]
fn sequences_decode_to_their_captions_and_the_names_of_their_codes() {
    let folder = tempfile::tempdir().unwrap();
    let [output, extended] = ["out", "extended.json"].map(|name| folder.path().join(name));
    succeed(&[
        "run",
        &checkout("configs/quickstart.toml"),
        "--limit",
        "24",
        "--set",
        &format!("text.tokenizer={}", byte_level()),
        "--set",
        &format!("output.path={}", output.display()),
    ]);
    extend(&extended);
    let library = Tokenizer::from_file(extended).unwrap();
    let rows = data_rows(&output);
    assert!(rows.len() > 10, "{} rows", rows.len());
    for row in &rows {
        let ids: Vec<u32> = row
            .input_ids
            .iter()
            .map(|id| u32::try_from(*id).unwrap())
            .collect();
        let codes: String = row
            .image_codes
            .iter()
            .map(|code| format!("[IMG_{code}]"))
            .collect();
        let expected = match row.order.as_str() {
            "image_text" => format!("[IMG]{codes}[/IMG]{}<|end_of_text|>", row.caption),
            _ => format!("{}[IMG]{codes}[/IMG]<|end_of_text|>", row.caption),
        };
        assert_eq!(library.decode(&ids, false).unwrap(), expected);
        assert_eq!(library.decode(&ids, true).unwrap(), row.caption);
    }
}

#[test]
fn the_rows_that_embeddings_need_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let dest = folder.path().join("extended.json");
    let said = extend(&dest);
    let size = Tokenizer::from_file(&dest).unwrap().get_vocab_size(true);
    assert!(
        said.ends_with(&format!("a model needs {size} rows of embeddings\n")),
        "{said}"
    );
}

#[test]
fn what_exists_stays_and_what_is_extended_is_not_extended_again() {
    let folder = tempfile::tempdir().unwrap();
    let [dest, twice] = ["extended.json", "twice.json"].map(|name| folder.path().join(name));
    extend(&dest);
    let before = std::fs::read(&dest).unwrap();
    let command = ["model", "tokenizer-with-visual-tokens"];
    let path = dest.to_str().unwrap();
    let exists = complaint(&[command[0], command[1], &byte_level(), path], 2);
    assert!(exists.contains("exists: name a new file"), "{exists}");
    let extended = complaint(&[command[0], command[1], path, twice.to_str().unwrap()], 2);
    assert!(extended.contains("has the token `[IMG]` already"), "{extended}");
    assert!(!twice.exists());
    assert_eq!(std::fs::read(&dest).unwrap(), before);
}
