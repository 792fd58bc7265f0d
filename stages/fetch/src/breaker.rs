//! A host's health: when to wait for it, when to leave it alone.

use std::time::Duration;

use tokio::time::Instant;

/// When a host counts as failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BreakerLimits {
    /// Failures in a row; 0: never.
    pub(crate) failures: u32,
    /// How long it is left alone then.
    pub(crate) pause: Duration,
}

/// The state of one host: a plain machine that is told the time.
#[derive(Debug, Default)]
pub(crate) struct Health {
    failures: u32,
    refused_until: Option<Instant>,
    paused_until: Option<Instant>,
}

/// Whether a request may go to the host now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Now,
    At(Instant),
    Refused,
}

impl Health {
    pub(crate) fn turn(&self, now: Instant) -> Turn {
        if self.refused_until.is_some_and(|until| until > now) {
            return Turn::Refused;
        }
        match self.paused_until {
            Some(until) if until > now => Turn::At(until),
            _ => Turn::Now,
        }
    }

    /// Whether the host is being left alone.
    pub(crate) fn rests(&self, now: Instant) -> bool {
        self.turn(now) != Turn::Now
    }

    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Counts a failure. The count stays when the host gets its next chance, so that one more failure ends it.
    pub(crate) fn failed(&mut self, now: Instant, limits: BreakerLimits) {
        self.failures = self.failures.saturating_add(1);
        if limits.failures > 0 && self.failures >= limits.failures {
            self.refuse_until(now + limits.pause);
        }
    }

    /// The host asked for a rest that is short enough to wait for.
    pub(crate) fn pause_until(&mut self, until: Instant) {
        self.paused_until = self.paused_until.max(Some(until));
    }

    /// The host asked for a rest that is too long to wait for.
    pub(crate) fn refuse_until(&mut self, until: Instant) {
        self.refused_until = self.refused_until.max(Some(until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BreakerLimits = BreakerLimits {
        failures: 3,
        pause: Duration::from_secs(60),
    };

    #[test]
    fn failures_in_a_row_close_the_host_until_it_gets_one_more_chance() {
        let start = Instant::now();
        let mut health = Health::default();
        health.failed(start, LIMITS);
        health.failed(start, LIMITS);
        health.succeeded();
        health.failed(start, LIMITS);
        health.failed(start, LIMITS);
        assert_eq!(health.turn(start), Turn::Now);
        health.failed(start, LIMITS);
        assert_eq!(health.turn(start), Turn::Refused);
        let later = start + LIMITS.pause;
        assert_eq!(health.turn(later), Turn::Now);
        health.failed(later, LIMITS);
        assert_eq!(health.turn(later), Turn::Refused);
    }

    #[test]
    fn a_limit_of_0_never_closes_the_host() {
        let (now, mut health) = (Instant::now(), Health::default());
        let never = BreakerLimits {
            failures: 0,
            ..LIMITS
        };
        for _ in 0..1000 {
            health.failed(now, never);
        }
        assert_eq!(health.turn(now), Turn::Now);
    }

    #[test]
    fn the_longest_rest_asked_for_counts() {
        let (now, mut health) = (Instant::now(), Health::default());
        let [short, long] = [1, 2].map(|seconds| now + Duration::from_secs(seconds));
        health.pause_until(long);
        health.pause_until(short);
        assert_eq!((health.turn(now), health.turn(long)), (Turn::At(long), Turn::Now));
    }
}
