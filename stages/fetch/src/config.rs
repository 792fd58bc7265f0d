//! What can be set.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use crate::setup::FetchSetupError;

/// How URLs are fetched. The defaults suit a crawl of the public web.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchConfig {
    /// The most requests in flight, counted from the connection until the body is taken over
    /// ([`Fetched::release_place`](crate::Fetched::release_place)). A call that waits for its host or before a retry
    /// is not counted, so more calls than this should run: then a slow host holds up no other.
    pub concurrency: usize,
    /// The most requests in flight at one host name.
    pub per_host: usize,
    /// The most requests in flight at one server, which is an address and a port (of IPv6, a network of 64 bits), under
    /// whatever names; 0: an eighth of `concurrency`, at least twice `per_host`. So it takes eight servers to hold every
    /// place, however many names each has; and one that serves many sites, as a CDN's does, still gets several times what
    /// one host may have. Not known behind a proxy.
    pub per_address: usize,
    /// How long one call may wait for its hosts' turns, queues and rests together. Then it fails.
    pub host_wait: Duration,
    /// The longest wait for a name, a connection and its TLS handshake together.
    pub connect_timeout: Duration,
    /// The longest wait for an answer's headers, connecting included.
    pub first_byte_timeout: Duration,
    /// The longest wait for the next bytes of a body.
    pub stall_timeout: Duration,
    /// The longest one attempt may take as a whole, redirects included. Time spent waiting for our own limits (the
    /// host's turn, the byte budget) does not count.
    pub timeout: Duration,
    /// How often a URL is asked for again after a transient failure.
    pub retries: u32,
    /// The wait before the first retry; it doubles with each further one and is spread by half of itself.
    pub backoff: Duration,
    /// The longest wait before a retry.
    pub max_backoff: Duration,
    /// The longest `Retry-After` that is waited for. A host that asks for more is left alone for as long as it asks,
    /// an hour at most, and its URLs fail.
    pub max_retry_after: Duration,
    /// The most redirects that are followed.
    pub max_redirects: u32,
    /// The largest body in bytes, below 4 GiB.
    pub max_bytes: u64,
    /// The most bytes of bodies that may be held at one time; at least `max_bytes`. A body counts as it grows; a share
    /// of `max_bytes` is kept for one body at a time that finds no other.
    pub max_bytes_in_flight: u64,
    /// The `User-Agent`. Say in it whom a site's owner can write to. Its first word up to `/` is the name by which
    /// robots.txt and `X-Robots-Tag` may address us.
    pub user_agent: String,
    /// Whether `X-Robots-Tag` (noai, noimageai, noindex, noimageindex, none) and `tdm-reservation: 1` end a fetch.
    pub respect_opt_out: bool,
    /// Whether robots.txt is asked for, and what counts when it cannot be read.
    pub robots: RobotsPolicy,
    /// Whether addresses that are not public may be connected to.
    pub allow_private_addresses: bool,
    /// The ports that may be connected to; empty: any.
    pub ports: Vec<u16>,
    /// A file of what is never fetched: one entry a line, a URL, a domain (with all below it), or the MD5 or SHA-256
    /// of a body in hexadecimal; `#` begins a comment.
    pub deny_list: Option<PathBuf>,
    /// The DNS servers to ask; empty: the system's.
    pub dns_servers: Vec<SocketAddr>,
    /// The longest wait for one answer of a DNS server, of which there are two.
    pub dns_timeout: Duration,
    /// How long the answer that a name does not exist is kept at least.
    pub dns_negative_ttl: Duration,
    /// How many answers of DNS servers are kept.
    pub dns_cache_entries: u64,
    /// The URL of an HTTP proxy for everything, user and password included if it wants them. The environment's proxy
    /// variables are not read.
    pub proxy: Option<String>,
    /// A PEM file of certificate authorities to trust beside the system's and Mozilla's.
    pub ca_file: Option<PathBuf>,
    /// Headers to send with the request for every URL, to whatever host; not to where it redirects beyond its origin.
    pub headers: Vec<(String, String)>,
    /// After so many transient failures at a host, and no success between, the host is not asked for
    /// `breaker_pause`; then one more failure is enough. 0: never.
    pub breaker_failures: u32,
    /// How long a host that failed too often is not asked.
    pub breaker_pause: Duration,
    /// How many hosts are remembered beside those being asked, at about 300 bytes each. Those that rest are forgotten
    /// last.
    pub max_hosts: usize,
    /// How long an unused connection is kept open.
    pub idle_timeout: Duration,
}

/// Whether robots.txt is heeded, and what counts when it cannot be read (5xx, no connection; RFC 9309, 2.3.1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RobotsPolicy {
    /// Not asked for.
    #[default]
    Ignore,
    /// Heeded; everything is allowed when it cannot be read.
    FailOpen,
    /// Heeded; nothing is allowed when it cannot be read, as the RFC has it.
    FailClosed,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self {
            concurrency: 256,
            per_host: 8,
            per_address: 0,
            host_wait: Duration::from_secs(300),
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            retries: 2,
            backoff: Duration::from_millis(500),
            max_backoff: Duration::from_secs(10),
            max_retry_after: Duration::from_secs(30),
            max_redirects: 5,
            max_bytes: 20 << 20,
            max_bytes_in_flight: 1 << 30,
            user_agent: concat!("img2tokens/", env!("CARGO_PKG_VERSION")).to_owned(),
            respect_opt_out: true,
            robots: RobotsPolicy::Ignore,
            allow_private_addresses: false,
            ports: vec![80, 443, 8080, 8443],
            deny_list: None,
            dns_servers: Vec::new(),
            dns_timeout: Duration::from_secs(2),
            dns_negative_ttl: Duration::from_secs(300),
            dns_cache_entries: 65_536,
            proxy: None,
            ca_file: None,
            headers: Vec::new(),
            breaker_failures: 20,
            breaker_pause: Duration::from_secs(60),
            max_hosts: 131_072,
            idle_timeout: Duration::from_secs(10),
        }
    }
}

/// The sizes of the config, proven to fit together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// The largest body in bytes.
    pub(crate) max_bytes: u32,
    /// The byte budget, at least `max_bytes`.
    pub(crate) in_flight: usize,
}

impl FetchConfig {
    /// The name by which robots.txt and `X-Robots-Tag` may address us: the user agent up to its version, lowercase.
    #[must_use]
    pub fn agent_name(&self) -> String {
        self.user_agent
            .split(['/', ' '])
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase()
    }

    /// The most requests at one server.
    pub(crate) fn per_address(&self) -> usize {
        match self.per_address {
            0 => (self.concurrency / 8).max(self.per_host.saturating_mul(2)),
            limit => limit,
        }
    }

    /// # Errors
    /// If a limit is 0 or one makes another impossible.
    pub(crate) fn sizes(&self) -> Result<Sizes, FetchSetupError> {
        let refuse = |key, why| Err(FetchSetupError::Config { key, why });
        let limits = [("concurrency", self.concurrency), ("per_host", self.per_host)];
        if let Some((key, _)) = limits.into_iter().find(|(_, limit)| *limit == 0) {
            return refuse(key, "is 0: nothing could be fetched");
        }
        let timeouts = [
            ("connect_timeout", self.connect_timeout),
            ("first_byte_timeout", self.first_byte_timeout),
            ("stall_timeout", self.stall_timeout),
            ("timeout", self.timeout),
            ("dns_timeout", self.dns_timeout),
        ];
        if let Some((key, _)) = timeouts.into_iter().find(|(_, limit)| limit.is_zero()) {
            return refuse(key, "is 0: nothing could be fetched");
        }
        let Some(max_bytes) = u32::try_from(self.max_bytes).ok().filter(|bytes| *bytes > 0) else {
            return refuse("max_bytes", "is not between 1 and 4294967295");
        };
        if self.max_bytes_in_flight < self.max_bytes {
            return refuse(
                "max_bytes_in_flight",
                "is less than max_bytes: the largest body would never fit",
            );
        }
        let in_flight = usize::try_from(self.max_bytes_in_flight).unwrap_or(usize::MAX);
        Ok(Sizes {
            max_bytes,
            in_flight: in_flight.min(tokio::sync::Semaphore::MAX_PERMITS),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit_together() {
        assert!(FetchConfig::default().sizes().is_ok());
        assert_eq!(FetchConfig::default().agent_name(), "img2tokens");
    }

    #[test]
    fn limits_under_which_nothing_could_be_fetched_are_refused_by_name() {
        let key = |config: FetchConfig| match config.sizes() {
            Err(FetchSetupError::Config { key, .. }) => key,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            key(FetchConfig {
                concurrency: 0,
                ..FetchConfig::default()
            }),
            "concurrency"
        );
        assert_eq!(
            key(FetchConfig {
                per_host: 0,
                ..FetchConfig::default()
            }),
            "per_host"
        );
        assert_eq!(
            key(FetchConfig {
                timeout: Duration::ZERO,
                ..FetchConfig::default()
            }),
            "timeout"
        );
        assert_eq!(
            key(FetchConfig {
                max_bytes: 0,
                ..FetchConfig::default()
            }),
            "max_bytes"
        );
        assert_eq!(
            key(FetchConfig {
                max_bytes: 1 << 32,
                ..FetchConfig::default()
            }),
            "max_bytes"
        );
        assert_eq!(
            key(FetchConfig {
                max_bytes_in_flight: 9,
                ..FetchConfig::default()
            }),
            "max_bytes_in_flight"
        );
    }
}
