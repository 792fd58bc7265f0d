//! The backends' common suite over exported graphs, on one thread and on three.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests end by panicking")]

use img2tokens_vision::{Checkpoint, Selection, VisualTokenizer};
use img2tokens_vision_onnx::{ExportedModel, OnnxTokenizer, Provider, Runtime, Settings, export};

/// Exports the checkpoint, loads what was written, and leaves no file.
fn make(checkpoint: &Checkpoint, selection: Selection, threads: usize) -> Box<dyn VisualTokenizer> {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("exported");
    export(checkpoint, &directory).unwrap();
    let model = ExportedModel::open(&directory).unwrap();
    let runtime = Runtime::load(None).unwrap_or_else(|error| panic!("{error}"));
    let settings = Settings {
        selection,
        features: false,
        threads,
        provider: Provider::Cpu,
    };
    Box::new(OnnxTokenizer::new(&model, &runtime, settings).unwrap())
}

mod one_thread {
    use super::*;
    img2tokens_vision::conformance_suite!(|checkpoint: &Checkpoint, selection| make(
        checkpoint, selection, 1
    ));
}

mod three_threads {
    use super::*;
    img2tokens_vision::conformance_suite!(|checkpoint: &Checkpoint, selection| make(
        checkpoint, selection, 3
    ));
}
