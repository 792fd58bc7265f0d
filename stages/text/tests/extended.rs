//! A tokenizer with the ids of pictures: what it adds, what it leaves alone, and what it refuses.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails the test"
)]

use std::path::{Path, PathBuf};

use img2tokens_text::{ExtendedTokenizer, ExtensionError, TextConfig, TextSetupError, TextStage};
use serde_json::{Value, json};
use tokenizers::Tokenizer;

const LAVIT_CODES: u32 = 16_384;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// A tokenizer of whole words with these ids, and these further keys.
fn words(words: impl IntoIterator<Item = (String, u32)>, further: &Value) -> Value {
    let vocab: serde_json::Map<String, Value> =
        words.into_iter().map(|(word, id)| (word, id.into())).collect();
    let mut tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "pre_tokenizer": { "type": "WhitespaceSplit" }, "post_processor": null, "decoder": null,
        "model": { "type": "WordLevel", "vocab": vocab, "unk_token": "w0" },
    });
    let further = further.as_object().unwrap().clone();
    tokenizer.as_object_mut().unwrap().extend(further);
    tokenizer
}

fn numbered(count: u32) -> impl Iterator<Item = (String, u32)> {
    (0..count).map(|id| (format!("w{id}"), id))
}

/// The extension of a tokenizer of this text.
fn extend(text: &str, codebook_size: u32) -> Result<ExtendedTokenizer, ExtensionError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokenizer.json");
    std::fs::write(&file, text).unwrap();
    ExtendedTokenizer::read(&file, codebook_size)
}

#[test]
fn over_a_vocabulary_as_large_as_llamas_the_ids_are_lavits() {
    let llama = words(numbered(32_000), &json!({ "added_tokens": [] }));
    let extended = extend(&llama.to_string(), LAVIT_CODES).unwrap();
    assert_eq!(extended.vocabulary().size(), 48_386);
    let library = Tokenizer::from_bytes(extended.json()).unwrap();
    assert_eq!(library.get_vocab_size(true), 48_386);
    for (token, id) in [
        ("w31999", 31_999),
        ("[IMG]", 32_000),
        ("[/IMG]", 32_001),
        ("[IMG_0]", 32_002),
        ("[IMG_16383]", 48_385),
    ] {
        assert_eq!(library.token_to_id(token), Some(id), "{token}");
        assert_eq!(library.id_to_token(id).as_deref(), Some(token));
    }
    let special = library
        .get_added_tokens_decoder()
        .values()
        .filter(|token| token.special)
        .count();
    assert_eq!(special, 2 + LAVIT_CODES as usize);
}

#[test]
fn nothing_else_of_the_file_changes() {
    let text = std::fs::read_to_string(fixture("byte_level.json")).unwrap();
    let extended = extend(&text, 64).unwrap();
    // The two differ in one place: what is common at both ends is all of the original but white space.
    let json = extended.json();
    let same = |(a, b): &(u8, u8)| a == b;
    let before = text.bytes().zip(json.bytes()).take_while(same).count();
    let after = text
        .bytes()
        .rev()
        .zip(json.bytes().rev())
        .take_while(same)
        .count();
    let between = text.get(before..text.len() - after).unwrap_or_default();
    assert_eq!(between.trim(), "");
    let [original, extended]: [Value; 2] = [&text, json].map(|text| serde_json::from_str(text).unwrap());
    let added = |tokenizer: &Value| tokenizer["added_tokens"].as_array().unwrap().len();
    assert_eq!(added(&extended), added(&original) + 66);
}

#[test]
fn texts_keep_their_ids() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("extended.json");
    let extended = ExtendedTokenizer::read(&fixture("byte_level.json"), LAVIT_CODES).unwrap();
    std::fs::write(&file, extended.json()).unwrap();
    let [before, after] = [fixture("byte_level.json"), file].map(|path| {
        TextStage::open(&TextConfig {
            tokenizer: path.to_str().unwrap().to_owned(),
            ..TextConfig::default()
        })
        .unwrap()
    });
    let expected: Value = serde_json::from_slice(&std::fs::read(fixture("expected.json")).unwrap()).unwrap();
    let texts = expected["texts"].as_array().unwrap();
    for text in texts
        .iter()
        .map(|text| text.as_str().unwrap())
        .chain(["a [IMG] b [IMG_7]"])
    {
        assert_eq!(
            after.tokenize(text).unwrap(),
            before.tokenize(text).unwrap(),
            "{text:?}"
        );
    }
}

#[test]
fn added_tokens_may_be_missing_empty_or_anywhere_in_the_file() {
    let token = json!({
        "id": 3, "content": "<pad]>", "special": true,
        "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
    });
    let model = json!({
        "type": "WordLevel", "unk_token": "w0", "vocab": { "w0": 0, "added_tokens": 1, "]}\"": 2 },
    });
    for (text, text_size) in [
        (format!(r#"{{"version": "1.0", "model": {model}}}"#), 3),
        (
            format!(r#"{{"added_tokens": [ ], "version": "1.0", "model": {model:#}}}"#),
            3,
        ),
        (
            format!("\n {{ \"model\": {model} , \"added_tokens\" : [{token:#}\n] }}\n"),
            4,
        ),
        (
            format!(r#"{{"model":{model:#},"added_tokens":[{token}],"version":"1.0"}}"#),
            4,
        ),
    ] {
        let extended = extend(&text, 2).unwrap();
        assert_eq!(extended.vocabulary().image_start(), text_size);
        let library = Tokenizer::from_bytes(extended.json()).unwrap();
        assert_eq!(library.token_to_id("[IMG_1]"), Some(text_size + 3), "{text}");
    }
}

#[test]
fn an_extended_tokenizer_is_not_extended_again() {
    let once = extend(&words(numbered(3), &json!({})).to_string(), 2).unwrap();
    let error = extend(once.json(), 2).unwrap_err();
    assert!(
        matches!(&error, ExtensionError::Taken { token, id: 3, .. } if token == "[IMG]"),
        "{error}"
    );
}

#[test]
fn a_vocabulary_with_holes_is_refused() {
    let holes = words([("w0".to_owned(), 0), ("w2".to_owned(), 2)], &json!({}));
    let error = extend(&holes.to_string(), 2).unwrap_err();
    assert!(
        matches!(error, ExtensionError::Holes { expected: 3, .. }),
        "{error}"
    );
}

#[test]
fn what_is_no_tokenizer_is_refused_with_its_name() {
    for text in ["", "{}", "[1]", "{\"version\": \"1.0\"}"] {
        let error = extend(text, 2).unwrap_err();
        let ExtensionError::Tokenizer(TextSetupError::HuggingFace { path, .. }) = error else {
            panic!("{text}: {error}");
        };
        assert!(path.ends_with("tokenizer.json"));
    }
    let model = ExtendedTokenizer::read(&fixture("llama.model"), 2).unwrap_err();
    assert!(
        model.to_string().contains("is not a usable tokenizer.json"),
        "{model}"
    );
}
