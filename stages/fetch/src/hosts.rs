//! How the hosts are spared: a limit on requests at one time, rests they ask for, a circuit breaker.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until},
};

use crate::{
    breaker::{BreakerLimits, Health, Turn},
    error::FetchCause,
    recent::RecentMap,
};

/// The hosts of late.
#[derive(Debug)]
pub(crate) struct Hosts {
    hosts: RecentMap<Host>,
    per_host: usize,
    breaker: BreakerLimits,
}

#[derive(Debug)]
struct Host {
    slots: Arc<Semaphore>,
    health: Mutex<Health>,
}

/// One request's place at a host; it returns when dropped.
#[derive(Debug)]
pub(crate) struct Visit {
    host: Arc<Host>,
    breaker: BreakerLimits,
    _slot: Option<OwnedSemaphorePermit>,
}

impl Hosts {
    pub(crate) fn new(per_host: usize, breaker: BreakerLimits, max_hosts: usize) -> Self {
        Self {
            hosts: RecentMap::new(max_hosts),
            per_host,
            breaker,
        }
    }

    /// Waits for a place at the host, whose name is lowercase. A rest it asked for is waited for without a place.
    pub(crate) async fn enter(&self, name: &str) -> Result<Visit, FetchCause> {
        let host = self.hosts.get_or_insert_with(name, || Host {
            slots: Arc::new(Semaphore::new(self.per_host)),
            health: Mutex::default(),
        });
        loop {
            // It fails only for a closed semaphore, and this one is never closed.
            let slot = Arc::clone(&host.slots).acquire_owned().await.ok();
            let turn = host.health().turn(Instant::now());
            match turn {
                Turn::Now => {
                    return Ok(Visit {
                        host,
                        breaker: self.breaker,
                        _slot: slot,
                    });
                }
                Turn::Refused => {
                    return Err(FetchCause::HostUnavailable {
                        host: name.to_owned(),
                    });
                }
                Turn::At(until) => {
                    drop(slot);
                    sleep_until(until).await;
                }
            }
        }
    }
}

impl Host {
    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Visit {
    pub(crate) fn succeeded(&self) {
        self.host.health().succeeded();
    }

    pub(crate) fn failed(&self) {
        self.host.health().failed(Instant::now(), self.breaker);
    }

    pub(crate) fn pause_until(&self, until: Instant) {
        self.host.health().pause_until(until);
    }

    pub(crate) fn refuse_until(&self, until: Instant) {
        self.host.health().refuse_until(until);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;

    use super::*;

    fn hosts(per_host: usize) -> Hosts {
        Hosts::new(
            per_host,
            BreakerLimits {
                failures: 2,
                pause: Duration::from_secs(60),
            },
            8,
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_rest_holds_back_all_requests_to_that_host_and_to_no_other() {
        let (hosts, start) = (hosts(1), Instant::now());
        hosts
            .enter("a")
            .await
            .unwrap()
            .pause_until(start + Duration::from_secs(5));
        assert!(hosts.enter("b").now_or_never().is_some());
        let (first, second) = futures::join!(
            async { hosts.enter("a").await.map(|_| Instant::now()).unwrap() },
            async { hosts.enter("a").await.map(|_| Instant::now()).unwrap() },
        );
        assert!(first >= start + Duration::from_secs(5) && second >= start + Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn those_in_the_queue_of_a_host_that_fails_are_refused() {
        let hosts = hosts(1);
        let visit = hosts.enter("a").await.unwrap();
        let mut waiting = Box::pin(hosts.enter("a"));
        assert!(waiting.as_mut().now_or_never().is_none());
        visit.failed();
        visit.failed();
        drop(visit);
        assert!(matches!(waiting.await, Err(FetchCause::HostUnavailable { .. })));
    }

    #[tokio::test]
    async fn the_limit_holds_while_other_hosts_come_and_go() {
        let hosts = hosts(1);
        let _visit = hosts.enter("a").await.unwrap();
        for other in 0..100 {
            hosts.enter(&other.to_string()).await.unwrap();
        }
        assert!(hosts.enter("a").now_or_never().is_none());
    }
}
