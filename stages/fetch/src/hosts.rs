//! How the hosts are spared: a limit on requests at one time, rests they ask for, a circuit breaker.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until, timeout_at},
};

use crate::{
    breaker::{BreakerLimits, Health, Turn},
    error::FetchCause,
    recent::RecentMap,
};

/// The hosts of late, and all that rest, as far as there is room.
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

/// How long a fetch may wait for the turns of its hosts, all of them together.
#[derive(Debug)]
pub(crate) struct Patience {
    whole: Duration,
    left: Duration,
}

impl Patience {
    pub(crate) const fn new(whole: Duration) -> Self {
        Self { whole, left: whole }
    }

    /// How long it was at first.
    pub(crate) const fn whole(&self) -> Duration {
        self.whole
    }

    /// How long it lasts.
    pub(crate) const fn left(&self) -> Duration {
        self.left
    }

    /// Uses some of it up.
    pub(crate) fn spend(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }
}

impl Hosts {
    pub(crate) fn new(per_host: usize, breaker: BreakerLimits, max_hosts: usize) -> Self {
        Self {
            hosts: RecentMap::new(max_hosts, |host: &Host| host.health().rests(Instant::now())),
            per_host,
            breaker,
        }
    }

    /// Waits for a place at the host, whose name is lowercase, as long as `patience` lasts. A rest it asked for is
    /// waited for without a place.
    pub(crate) async fn enter(&self, name: &str, patience: &mut Patience) -> Result<Visit, FetchCause> {
        let since = Instant::now();
        let until = since + patience.left;
        let visit = timeout_at(until, self.turn(name, until)).await;
        patience.spend(since.elapsed());
        match visit {
            Ok(Ok(Some(visit))) => Ok(visit),
            Ok(Ok(None)) | Err(_) => Err(FetchCause::NoTurn {
                host: name.to_owned(),
                limit: patience.whole,
            }),
            Ok(Err(cause)) => Err(cause),
        }
    }

    /// None if the host rests longer than until `latest`.
    async fn turn(&self, name: &str, latest: Instant) -> Result<Option<Visit>, FetchCause> {
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
                    return Ok(Some(Visit {
                        host,
                        breaker: self.breaker,
                        _slot: slot,
                    }));
                }
                Turn::Refused => {
                    return Err(FetchCause::HostUnavailable {
                        host: name.to_owned(),
                    });
                }
                Turn::At(until) if until > latest => return Ok(None),
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
    use futures::FutureExt;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn enter(hosts: &Hosts, name: &str) -> Result<Visit, FetchCause> {
        hosts.enter(name, &mut Patience::new(60 * SECOND)).await
    }

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
        enter(&hosts, "a")
            .await
            .unwrap()
            .pause_until(start + Duration::from_secs(5));
        assert!(enter(&hosts, "b").now_or_never().is_some());
        let (first, second) = futures::join!(
            async { enter(&hosts, "a").await.map(|_| Instant::now()).unwrap() },
            async { enter(&hosts, "a").await.map(|_| Instant::now()).unwrap() },
        );
        assert!(first >= start + Duration::from_secs(5) && second >= start + Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn those_in_the_queue_of_a_host_that_fails_are_refused() {
        let hosts = hosts(1);
        let visit = enter(&hosts, "a").await.unwrap();
        let mut waiting = Box::pin(enter(&hosts, "a"));
        assert!(waiting.as_mut().now_or_never().is_none());
        visit.failed();
        visit.failed();
        drop(visit);
        assert!(matches!(waiting.await, Err(FetchCause::HostUnavailable { .. })));
    }

    #[tokio::test]
    async fn the_limit_holds_while_other_hosts_come_and_go() {
        let hosts = hosts(1);
        let _visit = enter(&hosts, "a").await.unwrap();
        for other in 0..100 {
            enter(&hosts, &other.to_string()).await.unwrap();
        }
        assert!(enter(&hosts, "a").now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn patience_with_busy_and_resting_hosts_ends_and_is_one_for_all_of_them() {
        let (hosts, start) = (hosts(1), Instant::now());
        let mut patience = Patience::new(10 * SECOND);
        let busy = enter(&hosts, "a").await.unwrap();
        let waiting = hosts.enter("a", &mut patience);
        let (visit, ()) = futures::join!(waiting, async {
            tokio::time::sleep(4 * SECOND).await;
            drop(busy);
        });
        drop(visit.unwrap());

        let busy = enter(&hosts, "b").await.unwrap();
        let error = hosts.enter("b", &mut patience).await.unwrap_err();
        assert!(
            matches!(error, FetchCause::NoTurn { limit, .. } if limit == 10 * SECOND),
            "{error:?}"
        );
        assert_eq!(start.elapsed().as_secs(), 10);
        busy.pause_until(Instant::now() + 5 * SECOND);
        drop(busy);
        assert!(hosts.enter("b", &mut patience).now_or_never().unwrap().is_err());
        assert!(hosts.enter("c", &mut patience).await.is_ok());
    }

    #[tokio::test]
    async fn a_rest_is_not_forgotten_while_it_lasts_however_many_hosts_come() {
        let hosts = hosts(1);
        let tomorrow = Instant::now() + 86_400 * SECOND;
        enter(&hosts, "a").await.unwrap().refuse_until(tomorrow);
        enter(&hosts, "b").await.unwrap().pause_until(tomorrow);
        for other in 0..100 {
            enter(&hosts, &other.to_string()).await.unwrap();
        }
        for name in ["a", "b"] {
            let outcome = enter(&hosts, name).now_or_never();
            assert!(matches!(outcome, Some(Err(_))), "{name}: {outcome:?}");
        }
    }
}
