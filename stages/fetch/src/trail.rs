//! How far credentials go along with a request that is redirected.

use url::{Origin, Url};

/// A chain of redirects, seen from the origin (scheme, host, port) that credentials are meant for. Once it has left that
/// origin they stay behind for good, wherever it leads later.
#[derive(Debug, Clone)]
pub struct Trail {
    home: Origin,
    has_left: bool,
}

impl Trail {
    /// A chain that begins at this URL.
    #[must_use]
    pub fn new(url: &Url) -> Self {
        Self {
            home: url.origin(),
            has_left: false,
        }
    }

    /// Goes on to this URL.
    pub fn follow(&mut self, next: &Url) {
        self.has_left |= next.origin() != self.home;
    }

    /// Whether credentials may still be sent.
    #[must_use]
    pub const fn is_home(&self) -> bool {
        !self.has_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_end_for_good_where_scheme_host_or_port_changes() {
        let url = |text: &str| Url::parse(text).unwrap();
        for foreign in ["http://a/", "https://b/", "https://a:444/", "https://a.b/"] {
            let mut trail = Trail::new(&url("https://a/x"));
            trail.follow(&url("https://a:443/y"));
            assert!(trail.is_home(), "443 is the port of https");
            trail.follow(&url(foreign));
            assert!(!trail.is_home(), "{foreign}");
            trail.follow(&url("https://a/x"));
            assert!(!trail.is_home(), "back from {foreign}");
        }
    }
}
