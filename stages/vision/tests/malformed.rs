//! A checkpoint that is not whole gives an error that says where, never a panic.

#![expect(clippy::unwrap_used, reason = "tests end by panicking")]

mod support;

use std::path::Path;

use img2tokens_vision::{Checkpoint, CheckpointError, ModelConfig, ModelSource, TensorDtype};
use proptest::prelude::*;
use support::{Quirks, Weight, safetensors, split, tiny, torch, weights, write_lavit, write_safetensors};

/// The message of an error with all its causes.
fn message(error: &CheckpointError) -> String {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        message += &format!(": {inner}");
        cause = inner.source();
    }
    message
}

fn open(path: &Path, config: Option<ModelConfig>) -> Result<(), String> {
    let source = ModelSource::Directory {
        path: path.to_owned(),
        config,
    };
    Checkpoint::open(&source)
        .map(drop)
        .map_err(|error| message(&error))
}

fn open_safetensors(file: &[u8]) -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    write_safetensors(directory.path(), &tiny(), file);
    open(directory.path(), None)
}

/// Opens a LaVIT directory whose file of the encoder is given.
fn open_encoder(file: &[u8]) -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    let [_, tokenizer] = split(weights(&tiny()));
    write_lavit(
        directory.path(),
        [file, &torch(&tokenizer, TensorDtype::F32, Quirks::default())],
    );
    open(directory.path(), Some(tiny()))
}

fn encoder(quirks: Quirks) -> Vec<u8> {
    torch(&split(weights(&tiny()))[0], TensorDtype::F32, quirks)
}

fn expect(found: Result<(), String>, parts: &[&str]) {
    let message = found.unwrap_err();
    for part in parts {
        assert!(message.contains(part), "`{message}` lacks `{part}`");
    }
}

fn plain() -> Vec<u8> {
    safetensors(&weights(&tiny()), TensorDtype::F32)
}

fn changed(change: impl Fn(&mut Vec<Weight>)) -> Vec<Weight> {
    let mut weights = weights(&tiny());
    change(&mut weights);
    weights
}

#[test]
fn a_missing_tensor_is_named_with_file_and_shape() {
    let missing = changed(|weights| weights.retain(|weight| weight.key != "encoder.blocks.0.mlp.fc1.weight"));
    let parts = [
        "model.safetensors",
        "`encoder.blocks.0.mlp.fc1.weight`",
        "[8, 4]",
        "missing",
    ];
    expect(open_safetensors(&safetensors(&missing, TensorDtype::F32)), &parts);
    let file = torch(&split(missing)[0], TensorDtype::F32, Quirks::default());
    expect(
        open_encoder(&file),
        &[
            "eva_vitg_psz14.bin",
            "`blocks.0.mlp.fc1.weight`",
            "[8, 4]",
            "missing",
        ],
    );
}

#[test]
fn a_misshapen_tensor_is_named_with_both_shapes() {
    let misshapen = changed(|weights| {
        let weight = weights
            .iter_mut()
            .find(|weight| weight.key == "encoder.pos_embed")
            .unwrap();
        weight.shape = vec![1, 4, 5];
    });
    let shapes = ["pos_embed`", "[1, 4, 5]", "[1, 5, 4]"];
    expect(
        open_safetensors(&safetensors(&misshapen, TensorDtype::F32)),
        &shapes,
    );
    expect(
        open_encoder(&torch(&split(misshapen)[0], TensorDtype::F32, Quirks::default())),
        &shapes,
    );
}

#[test]
fn a_published_directory_without_a_config_is_of_the_published_size() {
    let directory = tempfile::tempdir().unwrap();
    let files = split(weights(&tiny())).map(|weights| torch(&weights, TensorDtype::F32, Quirks::default()));
    write_lavit(directory.path(), [&files[0], &files[1]]);
    expect(
        open(directory.path(), None),
        &["cls_token", "[1, 1, 1408]", "[1, 1, 4]"],
    );
}

#[test]
fn numbers_of_another_type_are_refused() {
    let text = |file: Vec<u8>, from: &str, to: &str| {
        let at = file
            .windows(from.len())
            .position(|window| window == from.as_bytes())
            .unwrap();
        [&file[..at], to.as_bytes(), &file[at + from.len()..]].concat()
    };
    expect(
        open_safetensors(&text(plain(), "F32", "I32")),
        &["encoder.cls_token", "I32"],
    );
    let integers = text(encoder(Quirks::default()), "FloatStorage", "LongxStorage");
    // The member's checksum no longer holds; what is mapped is not checked against it, as PyTorch does neither.
    expect(open_encoder(&integers), &["cls_token", "torch.LongxStorage"]);
}

#[test]
fn every_truncation_of_a_file_is_an_error() {
    let whole = plain();
    for length in (0..whole.len()).step_by(37).chain([whole.len() - 1]) {
        open_safetensors(&whole[..length]).unwrap_err();
    }
    expect(
        open_safetensors(&whole[..whole.len() - 1]),
        &["encode_task_layer.2.bias", "needs 8 bytes, 7 are there"],
    );
    let whole = encoder(Quirks::default());
    for length in (0..whole.len()).step_by(37).chain([whole.len() - 1]) {
        open_encoder(&whole[..length]).unwrap_err();
    }
}

#[test]
fn hostile_headers_are_errors() {
    let with_length = |length: u64, header: &[u8]| [&length.to_le_bytes()[..], header].concat();
    for length in [u64::MAX, 1 << 40, 100_000_001, 50] {
        open_safetensors(&with_length(length, b"{}")).unwrap_err();
    }
    let deep = "[".repeat(1 << 20);
    open_safetensors(&with_length(deep.len() as u64, deep.as_bytes())).unwrap_err();
    for offsets in [
        "[0,18446744073709551615]",
        "[18446744073709551615,0]",
        "[16,0]",
        "[-1,3]",
        "[0]",
    ] {
        let header =
            format!(r#"{{"encoder.cls_token":{{"dtype":"F32","shape":[1,1,4],"data_offsets":{offsets}}}}}"#);
        expect(
            open_safetensors(&with_length(header.len() as u64, header.as_bytes())),
            &["model.safetensors"],
        );
    }
}

#[test]
fn archives_that_cannot_be_mapped_are_refused() {
    assert_eq!(open_encoder(&encoder(Quirks::default())), Ok(()));
    expect(
        open_encoder(&encoder(Quirks {
            compressed: true,
            ..Quirks::default()
        })),
        &["model/data/", "plain bytes"],
    );
    expect(
        open_encoder(&encoder(Quirks {
            big_endian: true,
            ..Quirks::default()
        })),
        &["`big` byte order"],
    );
    expect(
        open_encoder(&encoder(Quirks {
            transposed: true,
            ..Quirks::default()
        })),
        &["not contiguous"],
    );
    expect(
        open_encoder(b"not an archive"),
        &["eva_vitg_psz14.bin", "zip archive"],
    );
}

#[test]
fn a_directory_without_a_model_or_a_config_says_so() {
    let directory = tempfile::tempdir().unwrap();
    expect(
        open(directory.path(), None),
        &["neither model.safetensors nor visual_tokenizer"],
    );
    std::fs::write(directory.path().join("model.safetensors"), plain()).unwrap();
    expect(open(directory.path(), None), &["needs a config.json"]);
    std::fs::write(directory.path().join("config.json"), r#"{"image_sise": 4}"#).unwrap();
    expect(open(directory.path(), None), &["config.json", "image_sise"]);
    let zero = ModelConfig { heads: 0, ..tiny() };
    std::fs::write(
        directory.path().join("config.json"),
        serde_json::to_vec(&zero).unwrap(),
    )
    .unwrap();
    expect(open(directory.path(), None), &["heads"]);
}

#[test]
fn a_small_file_cannot_state_a_model_of_gigabytes() {
    let directory = tempfile::tempdir().unwrap();
    let open_with = |config: &ModelConfig| {
        write_safetensors(directory.path(), config, &plain());
        open(directory.path(), None)
    };
    let small = |image_size| ModelConfig {
        image_size,
        patch_size: 1,
        ..tiny()
    };
    expect(open_with(&small(448)), &["patches of a picture", "4096"]);
    expect(open_with(&small(4096)), &["patches of a picture"]);
    let wide = ModelConfig {
        width: 16_384,
        encoder_depth: 1024,
        ..tiny()
    };
    expect(open_with(&wide), &["weights of the model"]);
}

#[test]
fn a_config_or_weights_that_are_no_regular_file_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors"] {
        write_safetensors(directory.path(), &tiny(), &plain());
        let path = directory.path().join(name);
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        expect(open(directory.path(), None), &[name, "not a regular file"]);
        std::fs::remove_file(&path).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    /// Bytes changed anywhere: an error or a model, never a panic.
    #[test]
    fn changed_bytes_make_nothing_panic(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let (mut mapped, mut pickled) = (plain(), encoder(Quirks::default()));
        for (at, byte) in &changes {
            *at.get_mut(&mut mapped) = *byte;
            *at.get_mut(&mut pickled) = *byte;
        }
        drop(open_safetensors(&mapped));
        drop(open_encoder(&pickled));
    }

    /// The same, where it hurts most: in the header and in the pickle.
    #[test]
    fn changed_bytes_in_tables_make_nothing_panic(changes in proptest::collection::vec((0..1200_usize, any::<u8>()), 1..6)) {
        let (mut mapped, mut pickled) = (plain(), encoder(Quirks::default()));
        for (at, byte) in &changes {
            mapped[*at] = *byte;
            pickled[*at] = *byte;
        }
        drop(open_safetensors(&mapped));
        drop(open_encoder(&pickled));
    }
}
