//! What the black-box tests share.
#![allow(dead_code, reason = "every test binary uses its own part")]
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::time::Duration;

use img2tokens_fetch::{FetchConfig, FetchError, Fetched, Fetcher};
use img2tokens_schemas::FailureReason;

/// The body of a good answer: the fetcher does not look into it.
pub const PICTURE: &[u8] = b"as good as a picture, for a fetcher";

/// Far beyond what any test takes on a busy machine; only a hang reaches it.
const HANG: Duration = Duration::from_secs(60);

/// The defaults, but loopback and all ports are allowed and nothing is repeated.
pub fn config() -> FetchConfig {
    FetchConfig {
        allow_private_addresses: true,
        ports: Vec::new(),
        retries: 0,
        backoff: Duration::from_millis(1),
        ..FetchConfig::default()
    }
}

pub fn fetcher(config: FetchConfig) -> Fetcher {
    Fetcher::new(config).expect("a config that works")
}

/// Fetches, but fails the test if that takes for ever.
pub async fn fetch(fetcher: &Fetcher, url: &str) -> Result<Fetched, FetchError> {
    tokio::time::timeout(HANG, fetcher.fetch(url))
        .await
        .expect("a fetch that ends")
}

/// Fetches with a fetcher of its own.
pub async fn fetch_with(config: FetchConfig, url: &str) -> Result<Fetched, FetchError> {
    fetch(&fetcher(config), url).await
}

pub fn reason(outcome: &Result<Fetched, FetchError>) -> Option<FailureReason> {
    outcome.as_ref().err().map(|error| error.cause.reason())
}

/// What this process holds in memory, servers included.
pub fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux's /proc");
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("a number of pages") * 4096
}
