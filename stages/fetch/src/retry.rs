//! When to ask again.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::{Duration, SystemTime},
};

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// How often, and how long between.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryPolicy {
    pub(crate) retries: u32,
    pub(crate) backoff: Duration,
    pub(crate) max_backoff: Duration,
}

impl RetryPolicy {
    /// The wait after the `tries`-th attempt (from 1) of `url`: doubled each time, spread over half of itself. The
    /// spread is a hash of both, so it needs no random state and parts URLs that failed together.
    pub(crate) fn wait(&self, url: &str, tries: u32) -> Duration {
        let doubled = self
            .backoff
            .saturating_mul(1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX));
        let full = doubled.min(self.max_backoff);
        let mut hasher = DefaultHasher::new();
        (url, tries).hash(&mut hasher);
        let spread = (hasher.finish() >> 40) as u32; // 24 bits
        full / 2 + (full / 2).mul_f64(f64::from(spread) / f64::from(1_u32 << 24))
    }
}

/// What `Retry-After` says: seconds, or a date (RFC 9110, 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(value)
            .ok()
            .map(|date| date.duration_since(now).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        retries: 5,
        backoff: Duration::from_millis(100),
        max_backoff: Duration::from_secs(3),
    };

    proptest! {
        #[test]
        fn a_wait_lies_between_half_of_its_step_and_the_whole(url: String, tries in 1_u32..100) {
            let step = Duration::from_millis(100 * (1 << (tries - 1).min(10))).min(POLICY.max_backoff);
            let wait = POLICY.wait(&url, tries);
            prop_assert!(step / 2 <= wait && wait <= step);
            prop_assert_eq!(wait, POLICY.wait(&url, tries));
        }
    }

    #[test]
    fn urls_that_failed_together_do_not_come_back_together() {
        let waits: std::collections::HashSet<_> = (0..100).map(|n| POLICY.wait(&format!("{n}"), 1)).collect();
        assert!(waits.len() > 95);
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        // 1994-11-06 08:49:37 UTC, the RFC's own example.
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let read = |value: &str, now| {
            retry_after(
                &HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]),
                now,
            )
        };
        assert_eq!(read("120", then), Some(Duration::from_secs(120)));
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(
            read(date, then - Duration::from_secs(7)),
            Some(Duration::from_secs(7))
        );
        assert_eq!(read(date, then + Duration::from_secs(7)), Some(Duration::ZERO));
        assert_eq!(read("soon", then), None);
        assert_eq!(retry_after(&HeaderMap::new(), then), None);
    }
}
