//! The meters of a run's hops: what progress bars and the summary read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use img2tokens_engine::Meter;

/// One meter a hop.
#[derive(Debug, Clone, Default)]
pub struct Meters {
    /// Rows read.
    pub read: Arc<Meter>,
    /// Pictures downloaded.
    pub fetch: Arc<Meter>,
    /// Pictures decoded and resized.
    pub image: Arc<Meter>,
    /// Pictures tokenized.
    pub vision: Arc<Meter>,
    /// Pairs written, as sequences or as failures.
    pub write: Arc<Meter>,
    /// Units committed.
    pub units: Arc<Committed>,
}

/// How many units have been committed by this run.
#[derive(Debug, Default)]
pub struct Committed(AtomicU64);

impl Committed {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The number so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
