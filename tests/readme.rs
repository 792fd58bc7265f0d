//! README's tables say what the program has: every config key with its default, every column, every failure reason.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::path::Path;

use img2tokens::config::Config;
use img2tokens_schemas::columns::{data_fields, document_fields};
use img2tokens_schemas::{FailureReason, OptionalColumns};
use serde_json::Value;

fn readme() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    std::fs::read_to_string(file).unwrap()
}

/// The cells of the table whose head begins with this cell, row by row.
fn table<'a>(text: &'a str, head: &str) -> Vec<Vec<&'a str>> {
    let head = format!("| {head} |");
    let lines = text.lines().skip_while(|line| !line.starts_with(&head)).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    // A bar inside a cell is written `\|`.
    rows.map(|row| {
        let cells = row.trim_matches('|').split(" | ");
        cells.map(str::trim).collect()
    })
    .collect()
}

/// What stands between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_config_key_stands_in_its_table_with_its_default() {
    let text = readme();
    let mut shown: BTreeMap<String, Vec<(&str, &str)>> = BTreeMap::new();
    let mut section = String::new();
    for row in table(&text, "key") {
        let [first, default, ..] = row[..] else {
            panic!("{row:?}")
        };
        if first.starts_with("**") {
            quoted(first)
                .next()
                .unwrap()
                .trim_matches(['[', ']'])
                .clone_into(&mut section);
        } else {
            let keys = quoted(first).map(|key| (key, default));
            shown.entry(section.clone()).or_default().extend(keys);
        }
    }
    let defaults = serde_json::to_value(Config::default()).unwrap();
    for (section, keys) in Config::keys() {
        let rows = shown.remove(section).unwrap_or_default();
        let mut names: Vec<&str> = rows.iter().map(|(key, _)| *key).collect();
        let mut keys = keys.to_vec();
        names.sort_unstable();
        keys.sort_unstable();
        assert_eq!(names, keys, "README's keys of [{section}]");
        for (key, cell) in rows {
            assert_default(&format!("{section}.{key}"), cell, &defaults[section][key]);
        }
    }
    assert!(shown.is_empty(), "sections that the config has not: {shown:?}");
}

/// A cell that is one value between backticks must be the default; words (`the model's`, `none`) stand for a value that is
/// none, empty, or made by the program.
fn assert_default(key: &str, cell: &str, default: &Value) {
    let values: Vec<&str> = quoted(cell).collect();
    let is_literal =
        values.len() == 1 && cell.starts_with('`') && cell.ends_with('`') && !cell.contains("VERSION");
    if is_literal {
        let stated = format!("value = {}", values[0]).parse::<toml::Table>();
        let stated = stated.unwrap_or_else(|error| panic!("{key}: {cell}: {error}"));
        let stated = serde_json::to_value(&stated["value"]).unwrap();
        let alike = match (stated.as_f64(), default.as_f64()) {
            (Some(stated), Some(default)) => stated.to_bits() == default.to_bits(),
            _ => stated == *default,
        };
        assert!(
            alike,
            "README says that {key} is {cell} by default; it is {default}"
        );
        return;
    }
    let has_no_value = match default {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(items) => items.is_empty() || items.values().all(|item| *item == Value::Bool(false)),
        Value::String(text) => text.is_empty() || text.contains("img2tokens/"),
        _ => false,
    };
    assert!(
        has_no_value,
        "README says {cell:?} of {key}, whose default is {default}"
    );
}

#[test]
fn every_failure_reason_stands_in_its_table_in_order() {
    let text = readme();
    let shown: Vec<String> = table(&text, "reason")
        .iter()
        .map(|row| quoted(row[0]).next().unwrap().to_owned())
        .collect();
    let reasons: Vec<&str> = FailureReason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(shown, reasons);
}

#[test]
fn every_column_stands_in_its_table_in_order() {
    let text = readme();
    let rows = table(&text, "column of `data`");
    let shown: Vec<&str> = rows.iter().flat_map(|row| quoted(row[0])).collect();
    let (fixed, documents) = (data_fields(), document_fields());
    let mut columns: Vec<&str> = fixed.iter().map(|field| field.name().as_str()).collect();
    columns.extend(OptionalColumns::NAMES);
    columns.extend(documents.iter().map(|field| field.name().as_str()));
    assert_eq!(shown, columns);
}
