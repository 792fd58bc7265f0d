//! What a hop has done so far: counted by the hop itself, read by progress bars and stats.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The counters of one hop. Cheap to update from many tasks, and never exact to the instant.
#[derive(Debug, Default)]
pub struct Meter {
    taken: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
    busy_us: AtomicU64,
    starved_us: AtomicU64,
    blocked_us: AtomicU64,
}

/// A [`Meter`] at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// Records taken from the queue before.
    pub taken: u64,
    /// Records that went on.
    pub done: u64,
    /// Records that ended here as failures.
    pub failed: u64,
    /// Time spent at work, summed over everything that ran at once.
    pub busy: Duration,
    /// Time in which the hop waited for records.
    pub starved: Duration,
    /// Time in which finished records waited for the next hop: back-pressure.
    pub blocked: Duration,
}

impl Meter {
    /// Counts records taken up.
    pub fn take(&self, records: u64) {
        self.taken.fetch_add(records, Ordering::Relaxed);
    }

    /// Counts records that went on.
    pub fn finish(&self, records: u64) {
        self.done.fetch_add(records, Ordering::Relaxed);
    }

    /// Counts records that ended here.
    pub fn fail(&self, records: u64) {
        self.failed.fetch_add(records, Ordering::Relaxed);
    }

    /// Adds the time since `start` to the time at work.
    pub fn busy_since(&self, start: Instant) {
        add(&self.busy_us, start);
    }

    /// Adds the time since `start` to the time without records.
    pub fn starved_since(&self, start: Instant) {
        add(&self.starved_us, start);
    }

    /// Adds the time since `start` to the time in back-pressure.
    pub fn blocked_since(&self, start: Instant) {
        add(&self.blocked_us, start);
    }

    /// The counters now.
    #[must_use]
    pub fn read(&self) -> Reading {
        let duration = |counter: &AtomicU64| Duration::from_micros(counter.load(Ordering::Relaxed));
        Reading {
            taken: self.taken.load(Ordering::Relaxed),
            done: self.done.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            busy: duration(&self.busy_us),
            starved: duration(&self.starved_us),
            blocked: duration(&self.blocked_us),
        }
    }
}

fn add(counter: &AtomicU64, start: Instant) {
    let elapsed = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
    counter.fetch_add(elapsed, Ordering::Relaxed);
}
