//! The room's door: a URL in, bytes or a failure out.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{Client, header::HeaderMap};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};
use url::Url;

use crate::{
    addresses::Addresses,
    admission::Admission,
    attempt::{Arrival, Attempt, Errand, Limits},
    breaker::BreakerLimits,
    budget::{ByteBudget, ByteCredit},
    client::{client, further_headers},
    config::FetchConfig,
    deny_list::DenyList,
    error::{FetchCause, FetchError},
    hosts::{Hosts, Patience},
    public_address::{AddressRule, is_any, is_public},
    resolver::PublicResolver,
    retry::RetryPolicy,
    robots_cache::RobotsCache,
    setup::FetchSetupError,
    trail::Trail,
};

/// Fetches URLs. One is enough for a process: its connections, names, hosts and byte budget are shared by all calls.
#[derive(Debug)]
pub struct Fetcher {
    pub(crate) client: Client,
    /// The config's headers: for the origin of a URL alone.
    pub(crate) headers: HeaderMap,
    pub(crate) admission: Admission,
    pub(crate) hosts: Hosts,
    pub(crate) resolver: PublicResolver,
    /// None behind a proxy, which alone knows them.
    pub(crate) servers: Option<Addresses>,
    pub(crate) budget: ByteBudget,
    pub(crate) robots: Option<RobotsCache>,
    pub(crate) limits: Limits,
    /// The name by which `X-Robots-Tag` may address us; none if opt-outs are not respected.
    pub(crate) opt_out_agent: Option<String>,
    /// One permit a request in flight.
    places: Arc<Semaphore>,
    /// One permit a name that is looked up.
    pub(crate) questions: Semaphore,
    host_wait: Duration,
    retry: RetryPolicy,
    largest: u32,
}

/// A body as the server sent it.
///
/// It holds its share of [`FetchConfig::max_bytes_in_flight`] and its place among the requests in flight until it is
/// dropped, so drop it when the bytes are no longer needed; a clone of `bytes` that outlives it is not counted.
#[derive(Debug)]
#[non_exhaustive]
pub struct Fetched {
    /// The body.
    pub bytes: Bytes,
    /// Where it came from, after all redirects.
    pub final_url: Url,
    /// How often the URL was asked for.
    pub attempts: u32,
    /// Whether the end was left out, as it is of a robots.txt that is too large.
    pub(crate) is_cut: bool,
    place: Option<OwnedSemaphorePermit>,
    _credit: ByteCredit,
}

impl Fetched {
    /// Gives back the place among the requests in flight. Whoever queues bodies does so when it takes one out of the
    /// queue: then what waits there is bounded by [`FetchConfig::concurrency`] too.
    pub fn release_place(&mut self) {
        self.place = None;
    }
}

impl Fetcher {
    /// Makes a fetcher. Reads the deny list and the CA file, if there are any; opens no connection.
    ///
    /// # Errors
    /// If the config contradicts itself, or a file it names cannot be read or understood.
    pub fn new(config: FetchConfig) -> Result<Self, FetchSetupError> {
        let permits = if config.allow_private_addresses {
            is_any
        } else {
            is_public
        };
        Self::guarded(config, permits)
    }

    fn guarded(config: FetchConfig, permits: AddressRule) -> Result<Self, FetchSetupError> {
        let sizes = config.sizes()?;
        let deny_list = config
            .deny_list
            .as_deref()
            .map(DenyList::read)
            .transpose()?
            .unwrap_or_default();
        let agent = config.agent_name();
        // With a proxy, its own name is the only one that is looked up here.
        let (rule, is_direct) = match config.proxy {
            Some(_) => (is_any as AddressRule, false),
            None => (permits, true),
        };
        let resolver = PublicResolver::new(&config, rule)?;
        let breaker = BreakerLimits {
            failures: config.breaker_failures,
            pause: config.breaker_pause,
        };
        Ok(Self {
            client: client(&config, resolver.clone())?,
            headers: further_headers(&config)?,
            servers: is_direct.then(|| Addresses::new(config.per_address(), config.max_hosts)),
            resolver,
            admission: Admission {
                permits,
                ports: config.ports,
                deny_list,
            },
            hosts: Hosts::new(config.per_host, breaker, config.max_hosts),
            budget: ByteBudget::new(sizes.in_flight, sizes.max_bytes),
            robots: RobotsCache::new(config.robots, agent.clone(), config.max_hosts),
            limits: Limits {
                max_bytes: sizes.max_bytes,
                max_redirects: config.max_redirects,
                connect: config.connect_timeout,
                first_byte: config.first_byte_timeout,
                stall: config.stall_timeout,
                whole: config.timeout,
                max_retry_after: config.max_retry_after,
            },
            opt_out_agent: config.respect_opt_out.then_some(agent),
            places: Arc::new(Semaphore::new(config.concurrency.min(Semaphore::MAX_PERMITS))),
            questions: Semaphore::new(config.concurrency.min(Semaphore::MAX_PERMITS)),
            host_wait: config.host_wait,
            retry: RetryPolicy {
                retries: config.retries,
                backoff: config.backoff,
                max_backoff: config.max_backoff,
            },
            largest: sizes.max_bytes,
        })
    }

    /// The SHA-256 of the deny list's file, in hexadecimal; none without one.
    #[must_use]
    pub fn deny_list_digest(&self) -> Option<String> {
        self.admission.deny_list.digest()
    }

    /// Waits for a share of the byte budget for a body of `bytes` bytes that came another way than through
    /// [`Fetcher::fetch`]; one that is larger than the largest to be fetched counts as that. Hold it as long as the body.
    pub async fn credit(&self, bytes: usize) -> ByteCredit {
        let share = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.budget.acquire(share.min(self.largest)).await
    }

    /// Fetches one URL: asks, follows redirects, and asks again after a transient failure.
    ///
    /// # Errors
    /// If there is no body to be had: [`FetchError`] says why, and turns into a [`Failure`](img2tokens_schemas::Failure).
    pub async fn fetch(&self, url: &str) -> Result<Fetched, FetchError> {
        let url = Url::parse(url).map_err(|source| FetchError {
            cause: FetchCause::InvalidUrl { source },
            http_status: None,
            attempts: 0,
        })?;
        self.persist(&url, &Trail::new(&url), Errand::Picture).await
    }

    /// Asks, and asks again after a transient failure; `trail` says whether the URL has our credentials.
    pub(crate) async fn persist(
        &self,
        url: &Url,
        trail: &Trail,
        errand: Errand,
    ) -> Result<Fetched, FetchError> {
        let mut attempts = 0;
        let mut http_status = None;
        let mut tries = 1;
        let mut patience = Patience::new(self.host_wait);
        loop {
            let mut attempt = Attempt::new(self, errand);
            let outcome = attempt.run(url, trail.clone(), &mut patience).await;
            attempts += u32::from(attempt.has_asked());
            http_status = attempt.http_status().or(http_status);
            match outcome {
                Ok(Arrival { body, url, place }) => {
                    return Ok(Fetched {
                        bytes: body.bytes,
                        final_url: url,
                        attempts,
                        is_cut: body.is_cut,
                        place,
                        _credit: body.credit,
                    });
                }
                Err(refusal) if tries <= self.retry.retries && refusal.is_worth_a_retry() => {
                    sleep(self.retry.wait(url.as_str(), tries).max(refusal.retry_after())).await;
                    tries += 1;
                }
                Err(refusal) => {
                    return Err(FetchError {
                        cause: refusal.cause,
                        http_status,
                        attempts,
                    });
                }
            }
        }
    }

    /// Waits for a place among the requests in flight.
    pub(crate) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        // It fails only for a closed semaphore, and this one is never closed.
        Arc::clone(&self.places).acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use img2tokens_schemas::FailureReason;
    use img2tokens_test_support::{NameServer, Reply, StaticSite};

    use super::*;

    /// No test may have a server at a public address: here loopback's first address stands for all of them.
    fn is_outside(address: IpAddr) -> bool {
        address == IpAddr::V4(Ipv4Addr::LOCALHOST)
    }

    fn guarded(names: &NameServer) -> Fetcher {
        let config = FetchConfig {
            dns_servers: vec![names.address()],
            ports: Vec::new(),
            retries: 0,
            ..FetchConfig::default()
        };
        Fetcher::guarded(config, is_outside).unwrap()
    }

    #[tokio::test]
    async fn a_redirect_to_a_name_that_is_at_a_private_address_is_blocked() {
        let (names, site) = (NameServer::start(), StaticSite::start());
        let port = site.address().port();
        names.put("outside.test", &[Ipv4Addr::LOCALHOST]);
        names.put("inside.test", &[Ipv4Addr::new(127, 0, 0, 2)]);
        site.put(
            "/in",
            Reply::redirect(format!("http://inside.test:{port}/secret")),
        );
        site.put("/on", Reply::redirect(format!("http://outside.test:{port}/open")));
        site.put("/open", Reply::ok("open"));
        let fetcher = guarded(&names);

        let passed = fetcher
            .fetch(&format!("http://outside.test:{port}/on"))
            .await
            .unwrap();
        assert_eq!(passed.bytes, "open");
        let error = fetcher
            .fetch(&format!("http://outside.test:{port}/in"))
            .await
            .unwrap_err();
        assert_eq!(error.cause.reason(), FailureReason::BlockedAddress, "{error:?}");
        assert_eq!((error.http_status, names.asked("inside.test")), (Some(302), 1));
        assert_eq!((site.requests("/in"), site.requests("/secret")), (1, 0));
    }

    #[tokio::test]
    async fn a_name_that_turns_private_between_two_hops_is_blocked_at_the_second() {
        let (names, site) = (NameServer::start(), StaticSite::start());
        let port = site.address().port();
        let inside = Ipv4Addr::new(127, 0, 0, 2);
        names.put_sequence("rebind.test", &[&[Ipv4Addr::LOCALHOST], &[inside]]);
        let there = format!("http://rebind.test:{port}");
        // Closed, so that the second hop connects anew.
        site.put(
            "/a",
            Reply::redirect(format!("{there}/b")).header("connection", "close"),
        );
        site.put("/b", Reply::ok("secret"));

        let error = guarded(&names).fetch(&format!("{there}/a")).await.unwrap_err();
        assert_eq!(error.cause.reason(), FailureReason::BlockedAddress, "{error:?}");
        assert_eq!((error.http_status, names.asked("rebind.test")), (Some(302), 2));
        assert_eq!((site.requests("/a"), site.requests("/b")), (1, 0));
    }
}
