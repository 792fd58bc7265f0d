//! How many bytes may be held at one time by all who ask first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A number of bytes that is shared out in the order of asking: a large share is not overtaken by small ones.
///
/// A share is asked for as a whole and never grows, so that no two holders can wait for each other. (The budget of
/// downloads, in `stages/fetch`, is of another kind: bodies grow while they hold a share.)
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    pool: Arc<Semaphore>,
    /// At most `u32::MAX`, the most that can be asked for at once, or the pool.
    largest_share: u32,
    all: u64,
    written_off: Arc<AtomicU64>,
}

/// A share of a [`MemoryBudget`]; it returns when dropped.
#[derive(Debug)]
pub struct MemoryCredit {
    _share: Option<OwnedSemaphorePermit>,
}

impl MemoryBudget {
    /// So many bytes in all.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let pool =
            usize::try_from(bytes).map_or(Semaphore::MAX_PERMITS, |bytes| bytes.min(Semaphore::MAX_PERMITS));
        Self {
            pool: Arc::new(Semaphore::new(pool)),
            largest_share: u32::try_from(pool).unwrap_or(u32::MAX),
            all: bytes,
            written_off: Arc::default(),
        }
    }

    /// Waits for a share of `bytes`. Whoever asks for more than there is in all gets all of it, alone.
    pub async fn acquire(&self, bytes: u64) -> MemoryCredit {
        let share = u32::try_from(bytes).map_or(self.largest_share, |bytes| bytes.min(self.largest_share));
        // The wait ends with an error only for a closed semaphore, and this one is never closed.
        let share = self.pool.clone().acquire_many_owned(share).await.ok();
        MemoryCredit { _share: share }
    }

    /// Counts `bytes` that a holder may never give back. Returns what can still be had for certain.
    #[must_use]
    pub fn write_off(&self, bytes: u64) -> u64 {
        let before = self.written_off.fetch_add(bytes, Ordering::Relaxed);
        self.all.saturating_sub(before.saturating_add(bytes))
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn now(budget: &MemoryBudget, bytes: u64) -> Option<MemoryCredit> {
        budget.acquire(bytes).now_or_never()
    }

    #[test]
    fn no_more_is_held_than_there_is_and_what_is_dropped_is_free() {
        let budget = MemoryBudget::new(10);
        let held = now(&budget, 7).unwrap();
        assert!(now(&budget, 4).is_none());
        let rest = now(&budget, 3).unwrap();
        assert!(now(&budget, 1).is_none());
        drop((held, rest));
        assert!(now(&budget, 10).is_some());
    }

    #[test]
    fn a_large_share_is_not_overtaken_by_small_ones() {
        let budget = MemoryBudget::new(10);
        let held = now(&budget, 5).unwrap();
        let mut large = Box::pin(budget.acquire(10));
        assert!(large.as_mut().now_or_never().is_none());
        assert!(
            now(&budget, 1).is_none(),
            "five bytes are free, and the large one is first"
        );
        drop(held);
        assert!(large.now_or_never().is_some());
    }

    #[test]
    fn a_share_of_more_than_all_is_all_of_it() {
        let budget = MemoryBudget::new(10);
        let all = now(&budget, u64::MAX).unwrap();
        assert!(now(&budget, 1).is_none());
        drop(all);
        let large = MemoryBudget::new(u64::MAX);
        assert!(now(&large, u64::MAX).is_some());
    }

    #[test]
    fn what_is_written_off_is_no_longer_counted_on() {
        let budget = MemoryBudget::new(10);
        assert_eq!(budget.write_off(4), 6);
        assert_eq!(budget.clone().write_off(7), 0);
    }
}
