//! Configs that cannot be run: one line that names file, key and what to do, and exit code 2.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

mod program;

use std::collections::BTreeSet;
use std::path::Path;

use program::{code, messages, run};

fn expect_usage(config: &str, arguments: &[&str], words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.toml");
    std::fs::write(&file, config).unwrap();
    let mut all = vec!["run", file.to_str().unwrap()];
    all.extend(arguments);
    let output = run(&all);
    let message = messages(&output);
    assert_eq!(code(&output), 2, "{message}");
    assert_eq!(message.trim().lines().count(), 1, "{message}");
    for word in words {
        assert!(message.contains(word), "`{word}` is not in: {message}");
    }
}

const LEAST: &str = "[input]\npaths = [\"nothing-here-*.parquet\"]\n[output]\npath = \"/tmp/never\"\n";

#[test]
fn an_unknown_key_names_the_file_and_the_nearest_key() {
    expect_usage(
        &format!("{LEAST}[vision]\nbatchsize = 3\n"),
        &[],
        &["run.toml", "vision.batchsize", "vision.batch_size"],
    );
}

#[test]
fn a_wrong_value_names_its_key_and_value() {
    expect_usage(
        &format!("{LEAST}[vision]\ndtype = \"f64\"\n"),
        &[],
        &["run.toml", "vision.dtype", "f64"],
    );
    expect_usage(
        LEAST,
        &["--set", "fetch.timeout_s=-1"],
        &["fetch.timeout_s", "-1"],
    );
}

#[test]
fn an_input_that_matches_nothing_is_named() {
    expect_usage(LEAST, &[], &["nothing-here-*.parquet"]);
}

#[test]
fn a_config_that_is_not_there_is_named() {
    let output = run(&["run", "no-such.toml"]);
    assert_eq!(code(&output), 2);
    assert!(messages(&output).contains("no-such.toml"));
}

#[test]
fn a_gpu_that_this_build_cannot_use_is_refused_and_not_replaced() {
    let output = run(&["tokenize", "--device", "cuda:0", "a.png"]);
    assert_eq!(code(&output), 2);
    assert!(messages(&output).contains("cuda:0"), "{}", messages(&output));
}

fn checkout() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

#[test]
fn every_ready_config_is_read_and_checked() {
    let configs: Vec<_> = std::fs::read_dir(checkout().join("configs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(configs.len() > 1);
    for config in configs {
        img2tokens::config::read(&config, &[]).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn the_readme_names_every_key_and_no_other() {
    let readme = std::fs::read_to_string(checkout().join("README.md")).unwrap();
    let table = readme
        .split("## Config")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let mut named = BTreeSet::new();
    let mut section = String::new();
    for row in table.lines().filter(|line| line.starts_with("| ")) {
        let cell = row.split('|').nth(1).unwrap();
        let words = cell.split('`').skip(1).step_by(2);
        match cell.trim().strip_prefix("**`[") {
            Some(name) => section = name.trim_end_matches("]`**").to_owned(),
            None => named.extend(words.map(|key| format!("{section}.{key}"))),
        }
    }
    let keys = img2tokens::config::Config::keys();
    let known = keys
        .iter()
        .flat_map(|(section, keys)| keys.iter().map(move |key| format!("{section}.{key}")));
    assert_eq!(named, known.collect::<BTreeSet<_>>());
}
