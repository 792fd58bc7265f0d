//! What the sites' robots.txt say, remembered.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::Instant};
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

/// The largest robots.txt in bytes: the least that RFC 9309, 2.5 lets a crawler read.
pub(crate) const MAX_ROBOTS_BYTES: u32 = 500 << 10;

/// The robots.txt of the sites of late. A site is a scheme, host and port.
#[derive(Debug)]
pub(crate) struct RobotsCache {
    sites: RecentMap<Site>,
    agent: String,
    fail_open: bool,
}

/// One site's robots.txt. The lock is held while it is read, so it is read once however many wait for it.
pub(crate) type Site = Mutex<Option<Known>>;

/// What is known of a site's robots.txt.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    until: Instant,
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
            sites: RecentMap::new(max_sites),
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
                let fresh = self.judge(read().await);
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
        let kept = if found.is_ok() { KEPT } else { FAILURE_KEPT };
        Known {
            until: Instant::now() + kept,
            found: Arc::new(found),
        }
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
