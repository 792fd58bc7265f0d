//! The time one attempt may take.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, timeout_at};

use crate::error::{FetchCause, Waiting};

/// An attempt's deadline. Waits for the server run against it; waits for our own limits push it back, because a busy
/// pipeline is no fault of the server's.
#[derive(Debug)]
pub(crate) struct AttemptClock {
    deadline: Instant,
    whole: Duration,
}

impl AttemptClock {
    pub(crate) fn start(whole: Duration) -> Self {
        Self {
            deadline: Instant::now() + whole,
            whole,
        }
    }

    /// Waits for the server: no longer than `limit`, and not beyond the deadline.
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        waiting: Waiting,
        work: impl Future<Output = T>,
    ) -> Result<T, FetchCause> {
        let until = Instant::now() + limit;
        let (until, waiting, limit) = if until < self.deadline {
            (until, waiting, limit)
        } else {
            (self.deadline, Waiting::Whole, self.whole)
        };
        timeout_at(until, work)
            .await
            .map_err(|_| FetchCause::Timeout { waiting, limit })
    }

    /// Waits for our own limits.
    pub(crate) async fn uncounted<T>(&mut self, work: impl Future<Output = T>) -> T {
        let since = Instant::now();
        let output = work.await;
        self.deadline += since.elapsed();
        output
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn only_waits_for_the_server_use_up_the_attempt() {
        let mut clock = AttemptClock::start(3 * SECOND);
        clock.uncounted(sleep(100 * SECOND)).await;
        clock
            .within(3 * SECOND, Waiting::FirstByte, sleep(2 * SECOND))
            .await
            .unwrap();
        match clock
            .within(10 * SECOND, Waiting::NextByte, sleep(2 * SECOND))
            .await
        {
            Err(FetchCause::Timeout {
                waiting: Waiting::Whole,
                ..
            }) => (),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_has_its_own_limit_before_the_deadline() {
        let clock = AttemptClock::start(10 * SECOND);
        match clock.within(SECOND, Waiting::NextByte, sleep(2 * SECOND)).await {
            Err(FetchCause::Timeout {
                waiting: Waiting::NextByte,
                limit,
            }) => assert_eq!(limit, SECOND),
            other => panic!("{other:?}"),
        }
    }
}
