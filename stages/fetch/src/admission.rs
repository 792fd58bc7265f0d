//! Whether a URL may be asked for at all: decided before any request, for the first URL and for every redirect.

use std::net::IpAddr;

use url::{Host, Url};

use crate::{deny_list::DenyList, error::FetchCause, public_address::AddressRule};

/// The rules that need nothing but the URL.
#[derive(Debug)]
pub(crate) struct Admission {
    /// The addresses that may be asked.
    pub(crate) permits: AddressRule,
    /// Empty: any.
    pub(crate) ports: Vec<u16>,
    pub(crate) deny_list: DenyList,
}

impl Admission {
    /// Checks scheme, port, deny list, and the address if the host is one: the client connects to such an address
    /// without asking the resolver, which guards the names.
    pub(crate) fn check(&self, url: &Url) -> Result<(), FetchCause> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchCause::Scheme {
                scheme: url.scheme().to_owned(),
            });
        }
        self.deny_list.check_url(url)?;
        let port = url.port_or_known_default().unwrap_or_default();
        if !self.ports.is_empty() && !self.ports.contains(&port) {
            return Err(FetchCause::BlockedPort { port });
        }
        let address = match url.host() {
            Some(Host::Ipv4(v4)) => IpAddr::V4(v4),
            Some(Host::Ipv6(v6)) => IpAddr::V6(v6),
            Some(Host::Domain(_)) => return Ok(()),
            None => {
                return Err(FetchCause::InvalidUrl {
                    source: url::ParseError::EmptyHost,
                });
            }
        };
        if (self.permits)(address) {
            Ok(())
        } else {
            Err(FetchCause::BlockedAddress {
                host: address.to_string(),
                address,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use img2tokens_schemas::FailureReason;

    use super::*;
    use crate::public_address::is_public;

    fn reason(url: &str) -> Option<FailureReason> {
        let admission = Admission {
            permits: is_public,
            ports: vec![80, 443],
            deny_list: DenyList::default(),
        };
        admission
            .check(&Url::parse(url).unwrap())
            .err()
            .map(|cause| cause.reason())
    }

    #[test]
    fn every_spelling_of_a_private_address_is_seen_through() {
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://%31%32%37.0.0.1/",
            "http://127.0.0.1./",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://[::ffff:a00:1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://１２７.0.0.1/",
            "https://169.254.169.254/x",
        ] {
            assert_eq!(reason(url), Some(FailureReason::BlockedAddress), "{url}");
        }
    }

    #[test]
    fn schemes_and_ports_are_limited() {
        assert_eq!(reason("ftp://example.com/a"), Some(FailureReason::InvalidUrl));
        assert_eq!(reason("file:///etc/passwd"), Some(FailureReason::InvalidUrl));
        assert_eq!(reason("http://example.com:22/"), Some(FailureReason::BlockedPort));
        assert_eq!(reason("http://example.com:443/"), None);
        assert_eq!(reason("https://example.com/"), None);
    }
}
