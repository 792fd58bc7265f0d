//! How far an export is, for whoever watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts that go up while an export runs. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all_units: AtomicU64,
    reused: AtomicU64,
    units: AtomicU64,
    sequences: AtomicU64,
    tokens: AtomicU64,
}

/// What a [`Meter`] shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// Units of the output; 0 while they are still being counted.
    pub all_units: u64,
    /// Those that an earlier start had exported.
    pub reused: u64,
    /// Units exported, those included.
    pub units: u64,
    /// Sequences written.
    pub sequences: u64,
    /// Ids in them.
    pub tokens: u64,
}

impl Meter {
    /// What it shows now.
    #[must_use]
    pub fn read(&self) -> Reading {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Reading {
            all_units: load(&self.counts.all_units),
            reused: load(&self.counts.reused),
            units: load(&self.counts.units),
            sequences: load(&self.counts.sequences),
            tokens: load(&self.counts.tokens),
        }
    }

    pub(super) fn begin(&self, all_units: u64, reused: u64) {
        self.counts.reused.store(reused, Ordering::Relaxed);
        self.counts.units.store(reused, Ordering::Relaxed);
        self.counts.all_units.store(all_units, Ordering::Relaxed);
    }

    pub(super) fn set(&self, sequences: u64, tokens: u64) {
        self.counts.sequences.store(sequences, Ordering::Relaxed);
        self.counts.tokens.store(tokens, Ordering::Relaxed);
    }

    pub(super) fn count_unit(&self) {
        self.counts.units.fetch_add(1, Ordering::Relaxed);
    }
}
