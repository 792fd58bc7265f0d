//! The backends' common suite, with either merger, on one thread and on three.

#![expect(clippy::unwrap_used, reason = "tests end by panicking")]

use img2tokens_vision::{Checkpoint, Dtype, Extras, Merger, Selection, VisualTokenizer};
use img2tokens_vision_candle::{CandleTokenizer, Settings};

fn make(
    checkpoint: &Checkpoint,
    selection: Selection,
    merger: Merger,
    threads: usize,
) -> Box<dyn VisualTokenizer> {
    let settings = Settings {
        dtype: Dtype::F32,
        selection,
        merger,
        extras: Extras::default(),
        threads,
    };
    Box::new(CandleTokenizer::new(checkpoint, settings).unwrap())
}

mod full {
    use super::*;
    img2tokens_vision::conformance_suite!(|checkpoint: &Checkpoint, selection| make(
        checkpoint,
        selection,
        Merger::Full,
        1
    ));
}

mod packed {
    use super::*;
    img2tokens_vision::conformance_suite!(|checkpoint: &Checkpoint, selection| make(
        checkpoint,
        selection,
        Merger::Packed,
        3
    ));
}
