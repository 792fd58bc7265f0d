//! Whole checkpoints, in either form and any float type, give the numbers that were written.

#![expect(clippy::unwrap_used, reason = "tests end by panicking")]

mod support;

use std::path::Path;

use img2tokens_vision::Tensors;
use img2tokens_vision::{Checkpoint, CheckpointError, ModelConfig, ModelSource, SaveError, TensorDtype};
use support::{Quirks, safetensors, split, tiny, torch, weights, write_lavit, write_safetensors};

fn open(path: &Path, config: Option<ModelConfig>) -> Result<Checkpoint, CheckpointError> {
    Checkpoint::open(&ModelSource::Directory {
        path: path.to_owned(),
        config,
    })
}

fn expect_all(checkpoint: &Checkpoint, dtype: TensorDtype) {
    for weight in weights(&tiny()) {
        let tensor = checkpoint.tensor(&weight.key, &weight.shape).unwrap();
        assert_eq!((tensor.dtype(), tensor.shape()), (dtype, &*weight.shape));
        assert_eq!(tensor.to_f32(), weight.values, "{}", weight.key);
    }
}

#[test]
fn both_forms_and_all_float_types_hold_what_was_written_under_one_digest() {
    for dtype in TensorDtype::ALL {
        let directory = tempfile::tempdir().unwrap();
        write_safetensors(directory.path(), &tiny(), &safetensors(&weights(&tiny()), dtype));
        let mapped = open(directory.path(), None).unwrap();
        expect_all(&mapped, dtype);
        let published = tempfile::tempdir().unwrap();
        let files = split(weights(&tiny())).map(|weights| torch(&weights, dtype, Quirks::default()));
        write_lavit(published.path(), [&files[0], &files[1]]);
        let unpickled = open(published.path(), Some(tiny())).unwrap();
        expect_all(&unpickled, dtype);
        assert_eq!(unpickled.digest().unwrap(), mapped.digest().unwrap());
    }
}

#[test]
fn parameters_and_views_into_a_storage_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let quirks = Quirks {
        parameters: true,
        offset: 3,
        ..Quirks::default()
    };
    let files = split(weights(&tiny())).map(|weights| torch(&weights, TensorDtype::F16, quirks));
    write_lavit(directory.path(), [&files[0], &files[1]]);
    expect_all(&open(directory.path(), Some(tiny())).unwrap(), TensorDtype::F16);
}

#[test]
fn the_digest_tells_every_number_and_shape_apart() {
    let digest = |change: fn(&mut ModelConfig, &mut Vec<support::Weight>)| {
        let (mut config, mut weights) = (tiny(), weights(&tiny()));
        change(&mut config, &mut weights);
        let directory = tempfile::tempdir().unwrap();
        write_safetensors(
            directory.path(),
            &config,
            &safetensors(&weights, TensorDtype::F32),
        );
        open(directory.path(), None).unwrap().digest().unwrap()
    };
    let plain = digest(|_, _| ());
    assert_eq!(
        digest(|_, weights| weights.reverse()),
        plain,
        "the order in the file does not matter"
    );
    assert_ne!(digest(|_, weights| weights[3].values[1] += 1.0), plain);
    assert_ne!(digest(|config, _| config.heads = 4), plain);
}

#[test]
fn the_generated_model_is_the_same_on_every_machine() {
    let nano = Checkpoint::open(&ModelSource::Nano).unwrap();
    assert_eq!(
        nano.digest().unwrap(),
        "8706e163fa7fee8f11c5f7de2f8aae45bf0605529b40b88f815d250b4e853d8c"
    );
    let codes = nano
        .tensor("quantize.embedding.weight", &[1024, 8])
        .unwrap()
        .to_f32();
    for code in codes.chunks_exact(8) {
        assert!((code.iter().map(|value| value * value).sum::<f32>() - 1.0).abs() < 1e-6);
    }
}

#[test]
fn a_given_config_goes_before_that_of_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    write_safetensors(
        directory.path(),
        &tiny(),
        &safetensors(&weights(&tiny()), TensorDtype::F32),
    );
    let other = ModelConfig { heads: 4, ..tiny() };
    assert_eq!(
        open(directory.path(), Some(other.clone())).unwrap().config(),
        &other
    );
}

#[test]
fn a_saved_checkpoint_holds_the_same_numbers_in_the_same_types_under_the_same_digest() {
    for dtype in TensorDtype::ALL {
        let published = tempfile::tempdir().unwrap();
        let files = split(weights(&tiny())).map(|weights| torch(&weights, dtype, Quirks::default()));
        write_lavit(published.path(), [&files[0], &files[1]]);
        let source = open(published.path(), Some(tiny())).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let saved = folder.path().join("saved");
        source.save(&saved).unwrap();
        let converted = open(&saved, None).unwrap();
        expect_all(&converted, dtype);
        assert_eq!(converted.digest().unwrap(), source.digest().unwrap());
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing but the checkpoint is left"
        );
    }
}

#[test]
fn tensors_of_mixed_types_are_saved_aligned_to_their_size() {
    let published = tempfile::tempdir().unwrap();
    let [encoder, tokenizer] = split(weights(&tiny()));
    write_lavit(
        published.path(),
        [
            &torch(&encoder, TensorDtype::F16, Quirks::default()),
            &torch(&tokenizer, TensorDtype::F64, Quirks::default()),
        ],
    );
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("saved");
    let source = open(published.path(), Some(tiny())).unwrap();
    source.save(&saved).unwrap();
    let converted = open(&saved, None).unwrap();
    assert_eq!(converted.digest().unwrap(), source.digest().unwrap());
    // A map starts at a page, so what is aligned in it is aligned in the file.
    for (key, shape) in tiny().tensors() {
        let tensor = converted.tensor(&key, &shape).unwrap();
        assert_eq!(tensor.bytes().as_ptr().addr() % tensor.dtype().size(), 0, "{key}");
    }
}

#[test]
fn a_checkpoint_is_saved_over_nothing() {
    let nano = Checkpoint::open(&ModelSource::Nano).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken");
    std::fs::write(&taken, "mine").unwrap();
    for path in [taken.as_path(), folder.path()] {
        assert!(matches!(nano.save(path), Err(SaveError::Exists { .. })));
    }
    assert!(matches!(
        nano.save(&folder.path().join("no/..")),
        Err(SaveError::NoName { .. })
    ));
    assert!(matches!(
        nano.save(&taken.join("inside")),
        Err(SaveError::Write { .. })
    ));
    assert_eq!(std::fs::read(&taken).unwrap(), b"mine");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_converted_model_brings_its_decoder_and_its_language_models_merger() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("model");
    let nano = Checkpoint::open(&ModelSource::Nano).unwrap();
    nano.save(&directory).unwrap();
    let source = ModelSource::Directory {
        path: directory.clone(),
        config: None,
    };
    let converted = Checkpoint::open(&source).unwrap();
    let decoder = |checkpoint: &Checkpoint| checkpoint.decoder().unwrap().digest().unwrap();
    let merger = |checkpoint: &Checkpoint| checkpoint.with_language_model_merger().unwrap().digest().unwrap();
    assert_eq!(converted.digest().unwrap(), nano.digest().unwrap());
    assert_eq!(decoder(&converted), decoder(&nano));
    assert_eq!(merger(&converted), merger(&nano));
    assert_ne!(merger(&nano), nano.digest().unwrap());

    // A tensor that is missing is named, in a block before the last one too.
    for (file, key) in [
        ("decoder.safetensors", "blocks.0.norm0.weight"),
        ("decoder.safetensors", "blocks.1.mlp.fc1.bias"),
        ("decoder.safetensors", "query_embed"),
    ] {
        let path = directory.join(file);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, without_key(&whole, key)).unwrap();
        let error = converted.decoder().err().unwrap().to_string();
        assert!(error.contains(file) && error.contains(key), "{error}");
        std::fs::write(&path, whole).unwrap();
    }
}

/// The file with another name in the place of this key.
fn without_key(file: &[u8], key: &str) -> Vec<u8> {
    let quoted = format!("\"{key}\"");
    let at = file
        .windows(quoted.len())
        .position(|window| window == quoted.as_bytes())
        .unwrap();
    let mut changed = file.to_vec();
    changed[at + 1] = b'X';
    changed
}
