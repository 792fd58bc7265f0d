//! How many bytes of bodies may be held at one time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A number of bytes that is shared out.
///
/// A body takes little at first and more as it grows, so that a server which sends a byte a second holds little. Those
/// that hold some and wait for more cannot block each other: beside the pool there is a reserve for one body of the
/// largest size. Whoever finds the pool empty waits for either; with the reserve it never waits again, and gives it
/// back when the body is whole or given up. The queues are fair, so a large body gets its turn.
#[derive(Debug, Clone)]
pub(crate) struct ByteBudget {
    pool: Arc<Semaphore>,
    pool_bytes: usize,
    /// The right to hold one body of `largest` bytes, whatever the pool has.
    reserve: Arc<Semaphore>,
    largest: usize,
}

/// A share of [`FetchConfig::max_bytes_in_flight`](crate::FetchConfig::max_bytes_in_flight); it returns when dropped.
#[derive(Debug)]
pub struct ByteCredit {
    budget: ByteBudget,
    pooled: Option<OwnedSemaphorePermit>,
    reserve: Option<OwnedSemaphorePermit>,
}

impl ByteBudget {
    /// `bytes` in all, at least `largest`, of which a reserve of `largest` is kept for one body at a time.
    pub(crate) fn new(bytes: usize, largest: u32) -> Self {
        let largest = largest as usize;
        let pool_bytes = bytes.saturating_sub(largest).min(Semaphore::MAX_PERMITS);
        Self {
            pool: Arc::new(Semaphore::new(pool_bytes)),
            pool_bytes,
            reserve: Arc::new(Semaphore::new(1)),
            largest,
        }
    }

    /// Waits for a share of `bytes`, at most the largest body's.
    pub(crate) async fn acquire(&self, bytes: u32) -> ByteCredit {
        let mut credit = ByteCredit {
            budget: self.clone(),
            pooled: None,
            reserve: None,
        };
        credit.grow_to(bytes).await;
        credit
    }
}

impl ByteCredit {
    /// How many bytes may be held.
    pub(crate) fn bytes(&self) -> usize {
        match self.reserve {
            Some(_) => self.budget.largest,
            None => self.pooled_bytes(),
        }
    }

    /// Waits until `bytes` may be held, at most the largest body's.
    pub(crate) async fn grow_to(&mut self, bytes: u32) {
        if bytes as usize <= self.bytes() {
            return;
        }
        let more = bytes - u32::try_from(self.pooled_bytes()).unwrap_or(bytes);
        let (pool, reserve) = (Arc::clone(&self.budget.pool), Arc::clone(&self.budget.reserve));
        // Waits end with an error only for a closed semaphore, and these are never closed.
        tokio::select! {
            biased;
            permit = pool.acquire_many_owned(more), if bytes as usize <= self.budget.pool_bytes => self.add(permit.ok()),
            permit = reserve.acquire_owned() => self.reserve = permit.ok(),
        }
    }

    /// Returns all but `bytes`, and the reserve unless the pool has too little.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        if self.reserve.is_some() {
            let more = u32::try_from(bytes.saturating_sub(self.pooled_bytes()));
            let pool = Arc::clone(&self.budget.pool);
            let Some(permit) = more.ok().and_then(|more| pool.try_acquire_many_owned(more).ok()) else {
                self.pooled = None;
                return;
            };
            self.add(Some(permit));
            self.reserve = None;
        }
        let surplus = self.pooled_bytes().saturating_sub(bytes);
        if let Some(permit) = &mut self.pooled {
            drop(permit.split(surplus));
        }
    }

    fn pooled_bytes(&self) -> usize {
        self.pooled.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    fn add(&mut self, permit: Option<OwnedSemaphorePermit>) {
        match (&mut self.pooled, permit) {
            (Some(pooled), Some(more)) => pooled.merge(more),
            (pooled, more) => *pooled = more,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    /// A pool of `pool` bytes and a reserve of 10.
    fn budget(pool: usize) -> ByteBudget {
        ByteBudget::new(pool + 10, 10)
    }

    fn now(budget: &ByteBudget, bytes: u32) -> Option<ByteCredit> {
        budget.acquire(bytes).now_or_never()
    }

    #[test]
    fn what_is_shrunk_or_dropped_is_free_for_others() {
        let budget = budget(10);
        let mut first = now(&budget, 8).unwrap();
        let reserve = now(&budget, 3).unwrap();
        assert!(now(&budget, 3).is_none());
        first.shrink_to(7);
        let second = now(&budget, 3).unwrap();
        assert!(now(&budget, 1).is_none());
        drop((first, second));
        assert!(now(&budget, 10).is_some());
        drop(reserve);
    }

    #[test]
    fn a_large_share_is_not_overtaken_by_small_ones() {
        let budget = budget(10);
        let held = now(&budget, 5).unwrap();
        let _reserve = now(&budget, 10).unwrap();
        let mut large = Box::pin(budget.acquire(10));
        assert!(large.as_mut().now_or_never().is_none());
        assert!(now(&budget, 1).is_none());
        drop(held);
        assert!(large.now_or_never().is_some());
    }

    #[test]
    fn of_those_that_wait_for_more_one_can_always_grow() {
        let budget = budget(6);
        let mut bodies: Vec<_> = (0..3).map(|_| now(&budget, 2).unwrap()).collect();
        while let Some(mut body) = bodies.pop() {
            body.grow_to(10).now_or_never().expect("the reserve is free");
            assert_eq!(body.bytes(), 10);
            assert!(
                bodies
                    .iter_mut()
                    .all(|other| other.grow_to(10).now_or_never().is_none())
            );
        }
    }

    #[test]
    fn the_reserve_is_given_back_when_the_body_turns_out_small() {
        let budget = budget(4);
        let mut body = now(&budget, 10).unwrap();
        assert!(now(&budget, 10).is_none());
        body.shrink_to(3);
        assert_eq!(body.bytes(), 3);
        let mut large = now(&budget, 10).unwrap();
        large.shrink_to(9);
        assert!(now(&budget, 10).is_none(), "nine bytes fit nowhere else");
        drop(large);
        assert!(now(&budget, 10).is_some());
    }
}
