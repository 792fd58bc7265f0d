//! candle's errors as the seam's.

use img2tokens_vision::VisionError;

pub(crate) const BACKEND: &str = "candle";

/// Says what candle was doing when it failed.
pub(crate) fn failed(doing: &str) -> impl FnOnce(candle_core::Error) -> VisionError {
    move |error| VisionError::Backend {
        backend: BACKEND,
        doing: doing.to_owned(),
        source: Box::new(error),
    }
}
