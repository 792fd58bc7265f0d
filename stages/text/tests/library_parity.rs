//! Ids, texts and special tokens as the sentencepiece and tokenizers libraries give them, and clean-up as Python's own
//! modules do it: `fixtures/expected.json`, made by `tests/python/text/make_fixtures.py`.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::path::PathBuf;

use img2tokens_text::{Cleanup, TextConfig, TextStage};
use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn expected() -> Value {
    serde_json::from_slice(&std::fs::read(fixture("expected.json")).unwrap()).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_u64().unwrap() as u32)
        .collect()
}

/// The tokenizer of `file` against what the library said under `name`.
fn agrees(file: &str, name: &str) {
    let tokenizer = fixture(file).to_str().unwrap().to_owned();
    let stage = TextStage::open(&TextConfig {
        tokenizer,
        ..TextConfig::default()
    })
    .unwrap();
    let expected = expected();
    let texts = expected["texts"].as_array().unwrap();
    let library = &expected[name];
    assert!(texts.len() > 100);
    for (index, text) in texts.iter().enumerate() {
        let text = text.as_str().unwrap();
        let theirs = ids(&library["ids"][index]);
        assert_eq!(stage.tokenize(text).unwrap(), theirs, "{text:?}");
        assert_eq!(
            stage.decode(&theirs),
            library["decoded"][index].as_str().unwrap(),
            "{text:?}"
        );
    }
    assert_eq!(
        u64::from(stage.vocabulary_size()),
        library["vocabulary_size"].as_u64().unwrap()
    );
    assert_eq!(u64::from(stage.bos()), library["bos"].as_u64().unwrap());
    assert_eq!(u64::from(stage.eos()), library["eos"].as_u64().unwrap());
}

#[test]
fn a_bpe_model_with_llamas_options_gives_the_ids_of_sentencepiece() {
    agrees("llama.model", "llama");
}

#[test]
fn a_unigram_model_with_symbols_and_nmt_nfkc_gives_the_ids_of_sentencepiece() {
    agrees("unigram_nmt_nfkc_symbols.model", "unigram_nmt_nfkc_symbols");
}

#[test]
fn a_byte_level_tokenizer_json_gives_the_ids_of_tokenizers() {
    agrees("byte_level.json", "byte_level");
}

#[test]
fn entities_and_normal_form_c_are_those_of_python() {
    let expected = expected();
    let captions = expected["captions"].as_array().unwrap();
    for row in captions {
        let caption = row["caption"].as_str().unwrap();
        let html = Cleanup {
            html_entities: true,
            ..Cleanup::default()
        };
        assert_eq!(html.apply(caption), row["html_entities"].as_str().unwrap());
        let nfc = Cleanup {
            nfc: true,
            ..Cleanup::default()
        };
        assert_eq!(nfc.apply(caption), row["nfc"].as_str().unwrap());
    }
}
