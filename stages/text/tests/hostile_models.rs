//! A `tokenizer.model` that someone tampered with is refused or works, and never crashes.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::path::PathBuf;

use img2tokens_text::{TextConfig, TextSetupError, TextStage};
use proptest::prelude::*;

/// `byte_fallback: true`, field 35 of the trainer's options.
const BYTE_FALLBACK: &[u8] = &[0x98, 0x02, 1];

const TEXT: &str = "two  words, ﬁ ㍿ 字 </s> ab #tag \u{301}\0 👩‍👩‍👧‍👦 ";

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(name),
    )
    .unwrap()
}

fn open(model: &[u8]) -> Result<TextStage, TextSetupError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.model");
    std::fs::write(&path, model).unwrap();
    TextStage::open(&TextConfig {
        tokenizer: path.to_str().unwrap().to_owned(),
        ..TextConfig::default()
    })
}

fn try_out(model: &[u8]) {
    if let Ok(stage) = open(model) {
        let ids = stage.tokenize(TEXT).unwrap();
        assert!(ids.iter().all(|id| *id < stage.vocabulary_size()));
        assert!(stage.decode(&ids).len() < 100 * TEXT.len());
    }
}

/// A field of a protobuf message: bytes under this number.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
    field.extend(bytes);
    field
}

fn piece(text: &str, score: f32, kind: u8) -> Vec<u8> {
    let mut piece = field(1, text.as_bytes());
    piece.push(2 << 3 | 5);
    piece.extend(score.to_le_bytes());
    piece.extend([3 << 3, kind]);
    field(1, &piece)
}

#[test]
fn models_that_the_library_refuses_are_refused() {
    let unknown = piece("<unk>", 0.0, 2);
    let refused = [
        piece("a", 0.0, 1),
        [unknown.clone(), unknown.clone()].concat(),
        [unknown.clone(), piece("a", 0.0, 1), piece("a", 0.0, 1)].concat(),
        [unknown.clone(), piece("", 0.0, 1)].concat(),
        [unknown.clone(), piece("a\0", 0.0, 1)].concat(),
        [unknown.clone(), piece("a", f32::NAN, 1)].concat(),
        [unknown.clone(), piece("a", 0.0, 9)].concat(),
        [unknown.clone(), field(2, &[3 << 3, 4])].concat(),
        [unknown.clone(), field(2, BYTE_FALLBACK)].concat(),
    ];
    for (number, model) in refused.iter().enumerate() {
        assert!(
            matches!(open(model), Err(TextSetupError::SentencePiece { .. })),
            "model {number}"
        );
    }
    assert!(open(&[unknown, piece("a", 0.0, 1)].concat()).is_ok());
}

#[test]
fn a_piece_that_every_place_of_a_caption_would_be_compared_with_is_short() {
    let varint = |length: usize| vec![length as u8 & 0x7f | 0x80, (length >> 7) as u8];
    let long = |length: usize| {
        let text = [vec![1 << 3 | 2], varint(length), vec![b'a'; length]].concat();
        let inner = [text, vec![3 << 3, 4]].concat();
        let unknown = piece("<unk>", 0.0, 2);
        [unknown, vec![1 << 3 | 2], varint(inner.len()), inner].concat()
    };
    assert!(matches!(
        open(&long(513)),
        Err(TextSetupError::SentencePiece { .. })
    ));
    // The longest allowed one is tried from every place of a mebibyte.
    let stage = open(&long(512)).unwrap();
    assert!(!stage.tokenize(&"ab".repeat(1 << 19)).unwrap().is_empty());
    assert!(!stage.tokenize(&"a".repeat(1 << 20)).unwrap().is_empty());
}

#[test]
fn a_word_piece_model_does_not_cut_words_of_any_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let open = |chars: usize| {
        let json = format!(
            r###"{{"version":"1.0","added_tokens":[],"model":{{"type":"WordPiece","unk_token":"[UNK]",
            "continuing_subword_prefix":"##","max_input_chars_per_word":{chars},"vocab":{{"[UNK]":0,"a":1,"##a":2}}}}}}"###
        );
        std::fs::write(&path, json).unwrap();
        TextStage::open(&TextConfig {
            tokenizer: path.to_str().unwrap().to_owned(),
            ..TextConfig::default()
        })
    };
    assert!(matches!(open(1_001), Err(TextSetupError::HuggingFace { .. })));
    let stage = open(1_000).unwrap();
    assert_eq!(stage.tokenize(&"a".repeat(1 << 20)).unwrap(), [0]);
}

#[test]
fn a_tokenizer_that_is_no_regular_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["tokenizer.json", "tokenizer.model"] {
        let path = folder.path().join(name);
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        let opened = TextStage::open(&TextConfig {
            tokenizer: path.to_str().unwrap().to_owned(),
            ..TextConfig::default()
        });
        assert!(matches!(opened, Err(TextSetupError::Read { .. })), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_changed_or_shortened_bpe_model_never_crashes(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        end in any::<prop::sample::Index>(), shorten: bool,
    ) {
        let mut model = fixture("llama.model");
        for (place, byte) in changes {
            let place = place.index(model.len());
            model[place] = byte;
        }
        if shorten {
            model.truncate(end.index(model.len()));
        }
        try_out(&model);
    }

    #[test]
    fn a_unigram_model_with_a_changed_character_map_never_crashes(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..200),
    ) {
        let mut model = fixture("unigram_nmt_nfkc_symbols.model");
        // The map is the greater part of the file, at its end.
        let start = model.len() - 230_000;
        for (place, byte) in changes {
            let place = start + place.index(220_000);
            model[place] = byte;
        }
        try_out(&model);
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_work(model in proptest::collection::vec(any::<u8>(), 0..200)) {
        try_out(&model);
    }
}
