//! How many bytes of bodies may be held at one time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A number of bytes that is shared out.
///
/// A body's share is taken in one piece before the first byte is read, so nobody waits for more while holding some:
/// there is no deadlock. The queue is fair, so a large body gets its turn.
#[derive(Debug, Clone)]
pub(crate) struct ByteBudget(Arc<Semaphore>);

/// A share of [`FetchConfig::max_bytes_in_flight`](crate::FetchConfig::max_bytes_in_flight); it returns when dropped.
#[derive(Debug)]
pub struct ByteCredit(Option<OwnedSemaphorePermit>);

impl ByteBudget {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes)))
    }

    /// Waits for a share of `bytes`, which must not be more than the whole.
    pub(crate) async fn acquire(&self, bytes: u32) -> ByteCredit {
        // It fails only for a closed semaphore, and this one is never closed.
        ByteCredit(Arc::clone(&self.0).acquire_many_owned(bytes).await.ok())
    }
}

impl ByteCredit {
    /// Returns all but `bytes`.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        if let Some(permit) = &mut self.0 {
            let surplus = permit.num_permits().saturating_sub(bytes);
            drop(permit.split(surplus));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn what_is_shrunk_or_dropped_is_free_for_others() {
        let budget = ByteBudget::new(10);
        let mut first = budget.acquire(8).now_or_never().unwrap();
        assert!(budget.acquire(3).now_or_never().is_none());
        first.shrink_to(7);
        let second = budget.acquire(3).now_or_never().unwrap();
        assert!(budget.acquire(1).now_or_never().is_none());
        drop((first, second));
        assert!(budget.acquire(10).now_or_never().is_some());
    }

    #[test]
    fn a_large_share_is_not_overtaken_by_small_ones() {
        let budget = ByteBudget::new(10);
        let held = budget.acquire(5).now_or_never().unwrap();
        let mut large = Box::pin(budget.acquire(10));
        assert!(large.as_mut().now_or_never().is_none());
        assert!(budget.acquire(1).now_or_never().is_none());
        drop(held);
        assert!(large.now_or_never().is_some());
    }
}
