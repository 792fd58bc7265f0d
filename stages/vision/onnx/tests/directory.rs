//! What is written, and what is refused when it is read.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests end by panicking")]

use std::path::{Path, PathBuf};

use img2tokens_vision::conformance::Golden;
use img2tokens_vision::{Checkpoint, ModelSource, SaveError, Selection, VisionError};
use img2tokens_vision_onnx::{
    ExportedModel, ExportedModelError, LibraryError, OnnxTokenizer, Provider, Runtime, Settings, export,
};

fn nano() -> Checkpoint {
    Checkpoint::open(&ModelSource::Nano).unwrap()
}

fn exported(folder: &Path, name: &str, checkpoint: &Checkpoint) -> PathBuf {
    let directory = folder.join(name);
    export(checkpoint, &directory).unwrap();
    directory
}

fn load(directory: &Path, provider: Provider) -> Result<OnnxTokenizer, VisionError> {
    let runtime = Runtime::load(None).unwrap_or_else(|error| panic!("{error}"));
    let settings = Settings {
        selection: Selection::argmax(),
        features: false,
        threads: 1,
        provider,
    };
    OnnxTokenizer::new(&ExportedModel::open(directory).unwrap(), &runtime, settings)
}

/// An error and all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(|error| format!("{error}: "))
        .collect()
}

#[test]
fn the_same_weights_give_the_same_files_and_digest_and_others_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let digest = |name: &str, checkpoint: &Checkpoint| {
        let directory = exported(folder.path(), name, checkpoint);
        ExportedModel::open(&directory).unwrap().digest().unwrap()
    };
    let first = digest("first", &nano());
    assert_eq!(digest("second", &nano()), first);
    assert_ne!(digest("other", &Golden::open("small_a").checkpoint), first);
    let weights = folder.path().join("first/tokenizer.onnx.data");
    let mut bytes = std::fs::read(&weights).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    let changed = ExportedModel::open(&folder.path().join("first")).unwrap();
    assert_ne!(changed.digest().unwrap(), first);
}

#[test]
fn what_exists_is_not_overwritten_and_nothing_temporary_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let directory = exported(folder.path(), "model", &nano());
    assert!(matches!(
        export(&nano(), &directory),
        Err(SaveError::Exists { .. })
    ));
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    let mut names: Vec<_> = directory
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "config.json",
            "encoder.onnx",
            "encoder.onnx.data",
            "tokenizer.onnx",
            "tokenizer.onnx.data"
        ]
    );
}

#[test]
fn a_directory_without_graphs_or_without_one_of_its_files_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = ExportedModel::open(folder.path()).unwrap_err();
    assert!(refused.to_string().contains("model export-onnx"), "{refused}");
    let directory = exported(folder.path(), "model", &nano());
    std::fs::remove_file(directory.join("tokenizer.onnx.data")).unwrap();
    let refused = ExportedModel::open(&directory).unwrap_err();
    assert!(
        matches!(&refused, ExportedModelError::Read { path, .. } if path.ends_with("tokenizer.onnx.data")),
        "{refused}"
    );
}

#[test]
fn graphs_of_other_shapes_than_the_configs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let directory = exported(folder.path(), "model", &nano());
    std::fs::remove_file(directory.join("config.json")).unwrap();
    std::fs::copy(
        Golden::open("small_b").directory.join("config.json"),
        directory.join("config.json"),
    )
    .unwrap();
    let message = chain(&load(&directory, Provider::Cpu).err().unwrap());
    assert!(
        message.contains("encoder.onnx") && message.contains("`pixels`"),
        "{message}"
    );
}

#[test]
fn truncated_weights_and_graphs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["encoder.onnx", "encoder.onnx.data", "tokenizer.onnx.data"] {
        let directory = exported(folder.path(), &format!("{file}.cut"), &nano());
        let bytes = std::fs::read(directory.join(file)).unwrap();
        std::fs::write(directory.join(file), &bytes[..bytes.len() / 2]).unwrap();
        let message = chain(&load(&directory, Provider::Cpu).err().unwrap());
        assert!(message.contains("loading"), "{message}");
    }
}

/// The wheel that these tests run with has the CPU only.
#[test]
fn a_provider_that_the_library_lacks_is_an_error_and_no_other_takes_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let directory = exported(folder.path(), "model", &nano());
    for provider in [Provider::Cuda { device: 0 }, Provider::TensorRt { device: 0 }] {
        let message = chain(&load(&directory, provider).err().unwrap());
        assert!(message.contains("loading"), "{message}");
    }
}

#[test]
fn a_second_library_in_one_process_is_refused() {
    let loaded = Runtime::load(None).unwrap_or_else(|error| panic!("{error}"));
    let another = Runtime::load(Some(Path::new("/opt/another.so")));
    assert!(
        matches!(another, Err(LibraryError::Another { .. })),
        "{another:?}"
    );
    assert_eq!(Runtime::load(None).unwrap().library(), loaded.library());
}
