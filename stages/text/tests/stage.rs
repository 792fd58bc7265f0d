//! What a caption comes to, and what is refused.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::path::{Path, PathBuf};

use img2tokens_schemas::{Failure, FailureReason};
use img2tokens_text::{BUILTIN_BYTES, Cleanup, NO_TOKEN, TextConfig, TextError, TextSetupError, TextStage};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn open(path: &Path) -> Result<TextStage, TextSetupError> {
    TextStage::open(&TextConfig {
        tokenizer: path.to_str().unwrap().to_owned(),
        ..TextConfig::default()
    })
}

fn bytes(max_tokens: usize, cleanup: Cleanup) -> TextStage {
    TextStage::open(&TextConfig {
        tokenizer: BUILTIN_BYTES.to_owned(),
        max_tokens,
        cleanup,
    })
    .unwrap()
}

#[test]
fn a_stage_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<TextStage>();
}

#[test]
fn a_caption_is_cut_at_its_limit_and_says_so() {
    let stage = bytes(3, Cleanup::default());
    let cut = stage.encode("abcd").unwrap();
    assert_eq!(
        (cut.ids.len(), cut.truncated, cut.caption.as_str()),
        (3, true, "abcd")
    );
    let whole = stage.encode("abc").unwrap();
    assert_eq!(
        (whole.ids.as_slice(), whole.truncated),
        (&[100, 101, 102][..], false)
    );
}

#[test]
fn clean_up_is_off_unless_asked_for_and_its_result_is_what_is_kept() {
    let caption = " Tom &amp;\n Jerry\u{a0}\u{7} e\u{301} ";
    assert_eq!(
        bytes(99, Cleanup::default()).encode(caption).unwrap().caption,
        caption
    );
    let all = Cleanup {
        html_entities: true,
        whitespace: true,
        nfc: true,
    };
    assert_eq!(bytes(99, all).encode(caption).unwrap().caption, "Tom & Jerry é");
}

#[test]
fn an_empty_caption_is_a_failure_of_its_own() {
    let collapsed = Cleanup {
        html_entities: true,
        whitespace: true,
        nfc: false,
    };
    for (cleanup, caption) in [
        (Cleanup::default(), ""),
        (Cleanup::default(), " \n\u{3000}"),
        (collapsed, "&nbsp;\u{1}"),
    ] {
        let error = bytes(9, cleanup).encode(caption).unwrap_err();
        assert_eq!(error, TextError::EmptyCaption);
        assert_eq!(Failure::from(error).reason, FailureReason::EmptyCaption);
    }
}

#[test]
fn a_caption_of_which_nothing_is_left_is_a_failure_of_the_encoding() {
    let stage = open(&fixture("unigram_nmt_nfkc_symbols.model")).unwrap();
    let error = stage.encode("\u{1}\u{2}").unwrap_err();
    assert_eq!(error, TextError::NoIds);
    assert_eq!(Failure::from(error).reason, FailureReason::TextEncoding);
}

#[test]
fn a_special_token_written_out_in_a_caption_is_ordinary_text() {
    for name in ["llama.model", "unigram_nmt_nfkc_symbols.model", "byte_level.json"] {
        let stage = open(&fixture(name)).unwrap();
        let ids = stage
            .encode("a </s> b <|end_of_text|> <|begin_of_text|> <s>")
            .unwrap()
            .ids;
        assert!(
            !ids.contains(&stage.eos()) && !ids.contains(&stage.bos()),
            "{name}: {ids:?}"
        );
        assert_eq!(stage.decode(&[stage.eos()]), "", "{name}");
    }
}

#[test]
fn a_vocabulary_that_spells_its_own_end_is_refused_at_the_caption() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let words = r#"{"model":{"type":"WordLevel","vocab":{"[U]":0,"</s>":1,"a":2},"unk_token":"[U]"},
        "pre_tokenizer":{"type":"WhitespaceSplit"}}"#;
    std::fs::write(&path, words).unwrap();
    let stage = open(&path).unwrap();
    assert_eq!((stage.eos(), stage.bos()), (1, NO_TOKEN));
    assert_eq!(stage.encode("a </s>"), Err(TextError::SpecialInCaption { id: 1 }));
    assert_eq!(stage.encode("a b").unwrap().ids, [2, 0]);
}

#[test]
fn specials_come_from_the_config_beside_a_tokenizer_json() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    std::fs::copy(fixture("byte_level.json"), &path).unwrap();
    let config = folder.path().join("tokenizer_config.json");
    let specials = |text: &str| {
        std::fs::write(&config, text).unwrap();
        open(&path).map(|stage| (stage.bos(), stage.eos()))
    };
    let plain = open(&path).unwrap();
    let mask = plain.vocabulary_size() - 1;
    assert_eq!((plain.bos(), plain.eos()), (0, 1));
    assert_eq!(
        specials(r#"{"bos_token": null, "eos_token": {"content": "<mask>"}}"#).unwrap(),
        (NO_TOKEN, mask)
    );
    assert_eq!(specials(r#"{"eos_token": "<mask>"}"#).unwrap(), (0, mask));
    assert!(matches!(
        specials(r#"{"eos_token": "<nowhere>"}"#),
        Err(TextSetupError::UnknownSpecial { key: "eos_token", .. })
    ));
    assert!(matches!(
        specials("{"),
        Err(TextSetupError::TokenizerConfig { .. })
    ));
}

#[test]
fn truncation_and_padding_of_a_tokenizer_json_are_the_stages_business() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let mut json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(fixture("byte_level.json")).unwrap()).unwrap();
    json["truncation"] = serde_json::json!(
        {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}
    );
    json["padding"] = serde_json::json!({"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": null,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "<mask>"});
    std::fs::write(&path, json.to_string()).unwrap();
    let text = "one two three";
    let plain = open(&fixture("byte_level.json")).unwrap().encode(text).unwrap();
    assert_eq!(open(&path).unwrap().encode(text).unwrap(), plain);
}

#[test]
fn what_is_no_tokenizer_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let named = Path::new("builtin:words");
    assert!(matches!(
        open(named),
        Err(TextSetupError::UnknownTokenizer { .. })
    ));
    assert!(matches!(
        open(&folder.path().join("absent.model")),
        Err(TextSetupError::Read { .. })
    ));
    assert!(matches!(
        open(&file("empty.model", b"")),
        Err(TextSetupError::SentencePiece { .. })
    ));
    assert!(matches!(
        open(&file("bad.json", b"{}")),
        Err(TextSetupError::HuggingFace { .. })
    ));
    let zero = TextConfig {
        max_tokens: 0,
        ..TextConfig::default()
    };
    assert!(matches!(
        TextStage::open(&zero),
        Err(TextSetupError::ZeroMaxTokens)
    ));
}

#[test]
fn a_digest_is_the_sha_256_of_the_tokenizers_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.model");
    std::fs::copy(fixture("llama.model"), &path).unwrap();
    let digest = open(&path).unwrap().digest();
    assert_eq!(digest, open(&fixture("llama.model")).unwrap().digest());
    assert_ne!(
        digest,
        open(&fixture("unigram_nmt_nfkc_symbols.model")).unwrap().digest()
    );
    assert_eq!(digest.len(), "sha256:".len() + 64);
    assert_eq!(bytes(9, Cleanup::default()).digest(), BUILTIN_BYTES);
}

#[test]
fn a_caption_of_megabytes_is_tokenized_and_cut() {
    for name in ["llama.model", "unigram_nmt_nfkc_symbols.model", "byte_level.json"] {
        let stage = open(&fixture(name)).unwrap();
        for caption in [
            "a".repeat(1_000_000),
            "字 é".repeat(200_000),
            "\u{301}".repeat(300_000),
        ] {
            let encoded = stage.encode(&caption).unwrap();
            // Without byte fallback, a run of unknown characters is one id, after that of the space before it.
            assert!(
                encoded.truncated || encoded.ids.len() == 2,
                "{name}: {}",
                encoded.ids.len()
            );
        }
    }
}
