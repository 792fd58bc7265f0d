//! How long a unit's pairs spent at work in each stage.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The stages that are timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Fetch,
    Image,
    Vision,
    Sequence,
}

impl Part {
    const ALL: [Self; 4] = [Self::Fetch, Self::Image, Self::Vision, Self::Sequence];

    const fn name(self) -> &'static str {
        match self {
            Self::Fetch => "fetch_s",
            Self::Image => "image_s",
            Self::Vision => "vision_s",
            Self::Sequence => "sequence_s",
        }
    }
}

/// Seconds at work by stage, summed over a unit's pairs.
#[derive(Debug, Default)]
pub(super) struct Timings([AtomicU64; Part::ALL.len()]);

impl Timings {
    pub(super) fn add(&self, part: Part, spent: Duration) {
        let micros = u64::try_from(spent.as_micros()).unwrap_or(u64::MAX);
        self.0[part as usize].fetch_add(micros, Ordering::Relaxed);
    }

    /// As they stand in the unit's stats file.
    pub(super) fn seconds(&self) -> BTreeMap<String, f64> {
        Part::ALL
            .into_iter()
            .map(|part| {
                let spent = Duration::from_micros(self.0[part as usize].load(Ordering::Relaxed));
                (part.name().to_owned(), spent.as_secs_f64())
            })
            .collect()
    }
}
