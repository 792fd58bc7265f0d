//! What the sites' robots.txt say, remembered.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use url::Url;

use crate::{
    config::RobotsPolicy,
    error::{FetchCause, FetchError, detail},
    recent::RecentMap,
    robots::RobotsRules,
};

/// How long a robots.txt counts (RFC 9309, 2.4), and how long the failure to read one does.
const KEPT: Duration = Duration::from_secs(24 * 3600);
const FAILURE_KEPT: Duration = Duration::from_secs(600);

/// The most bytes of rules that are remembered: those of some 30,000 sites, or of few that send all we read.
const MAX_RULE_BYTES: usize = 64 << 20;

/// The robots.txt of the sites of late. A site is a scheme, host and port. It is bounded by their number and by the
/// memory that their rules take.
#[derive(Debug)]
pub(crate) struct RobotsCache {
    sites: RecentMap<Site>,
    /// One permit a byte of rules.
    room: Arc<Semaphore>,
    agent: String,
    fail_open: bool,
}

/// One site's robots.txt. The lock is held while it is read, so it is read once however many wait for it.
pub(crate) type Site = Mutex<Option<Known>>;

/// What is known of a site's robots.txt.
#[derive(Debug)]
pub(crate) struct Known {
    until: Instant,
    _room: Option<OwnedSemaphorePermit>,
    found: Arc<Result<RobotsRules, FetchCause>>,
}

impl RobotsCache {
    /// None if robots.txt is not to be heeded.
    pub(crate) fn new(policy: RobotsPolicy, agent: String, max_sites: usize) -> Option<Self> {
        let fail_open = match policy {
            RobotsPolicy::Ignore => return None,
            RobotsPolicy::FailOpen => true,
            RobotsPolicy::FailClosed => false,
        };
        Some(Self {
            sites: RecentMap::new(max_sites, |_| false),
            room: Arc::new(Semaphore::new(MAX_RULE_BYTES)),
            agent,
            fail_open,
        })
    }

    /// Checks a URL by its site's robots.txt, which `read` gets if it is not known.
    pub(crate) async fn check(
        &self,
        url: &Url,
        read: impl AsyncFnOnce() -> Result<String, FetchError>,
    ) -> Result<(), FetchCause> {
        let site = self
            .sites
            .get_or_insert_with(&url.origin().ascii_serialization(), Site::default);
        let mut known = site.lock().await;
        let found = match &*known {
            Some(known) if known.until > Instant::now() => Arc::clone(&known.found),
            _ => {
                let answer = read().await;
                if let Err(FetchError {
                    cause: cause @ FetchCause::OutOfFiles,
                    ..
                }) = answer
                {
                    return Err(cause);
                }
                let fresh = self.judge(answer);
                Arc::clone(&known.insert(fresh).found)
            }
        };
        drop(known);
        match &*found {
            Ok(rules) => self.allow(rules, url),
            Err(_) if self.fail_open => Ok(()),
            Err(cause) => Err(FetchCause::RobotsUnreadable {
                reason: cause.reason(),
                detail: detail(cause),
            }),
        }
    }

    /// A site that answers 4xx has no rules (RFC 9309, 2.3.1.3); 429 means that it is too busy to say.
    fn judge(&self, answer: Result<String, FetchError>) -> Known {
        let found = match answer {
            Ok(text) => Ok(RobotsRules::parse(&text, &self.agent)),
            Err(error) => match error.cause {
                FetchCause::Status {
                    status: 400..=428 | 430..=499,
                } => Ok(RobotsRules::default()),
                cause => Err(cause),
            },
        };
        let (kept, bytes) = match &found {
            Ok(rules) => (KEPT, rules.bytes()),
            Err(_) => (FAILURE_KEPT, 0),
        };
        // Rules for which there is no room count for those alone who wait for them now.
        let room = self.room_for(bytes);
        let kept = if room.is_some() { kept } else { Duration::ZERO };
        Known {
            until: Instant::now() + kept,
            _room: room,
            found: Arc::new(found),
        }
    }

    /// Room for rules of so many bytes; others, those of both generations, are forgotten to make it.
    fn room_for(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).ok()?;
        (0..3).find_map(|turn| {
            if turn > 0 {
                self.sites.age();
            }
            Arc::clone(&self.room).try_acquire_many_owned(bytes).ok()
        })
    }

    fn allow(&self, rules: &RobotsRules, url: &Url) -> Result<(), FetchCause> {
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        if rules.allows(&path) {
            Ok(())
        } else {
            Err(FetchCause::Robots)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules of about 400 KiB in memory, of the kind a hostile site sends.
    fn endless_rules() -> String {
        let rules: String = (0..10_000).map(|rule| format!("Disallow: /{rule}\n")).collect();
        format!("User-agent: *\n{rules}")
    }

    #[tokio::test]
    async fn rules_are_forgotten_before_they_take_more_memory_than_they_may() {
        let cache = RobotsCache::new(RobotsPolicy::FailClosed, "img2tokens".to_owned(), 1000).unwrap();
        let rules = endless_rules();
        let bytes = RobotsRules::parse(&rules, "img2tokens").bytes();
        for site in 0..2 * MAX_RULE_BYTES / bytes {
            let url = Url::parse(&format!("http://{site}.test/open")).unwrap();
            cache.check(&url, async || Ok(rules.clone())).await.unwrap();
            // What was just read is remembered.
            cache
                .check(&url, async || panic!("{url} is read twice"))
                .await
                .unwrap();
        }
        let first = Url::parse("http://0.test/shut").unwrap();
        let read_again = cache
            .check(&first, async || Ok("User-agent: *\nDisallow: /shut".to_owned()))
            .await;
        assert!(matches!(read_again, Err(FetchCause::Robots)));
        assert!(cache.room.available_permits() < MAX_RULE_BYTES);
    }
}
