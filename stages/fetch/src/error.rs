//! Why a URL gave no bytes.

use std::{error::Error, io, net::IpAddr, time::Duration};

use img2tokens_schemas::{Failure, FailureReason};

/// A URL that gave no bytes.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct FetchError {
    /// Why.
    #[source]
    pub cause: FetchCause,
    /// The last HTTP status the server gave, if it gave any.
    pub http_status: Option<u16>,
    /// How often the URL was asked for; 0 if it never was.
    pub attempts: u32,
}

/// Why an attempt gave no bytes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchCause {
    /// Not a URL.
    #[error("the url does not parse")]
    InvalidUrl {
        /// Why not.
        source: url::ParseError,
    },
    /// A URL that no request can be made of.
    #[error("no request can be made of the url")]
    UnusableUrl {
        /// Why not.
        source: reqwest::Error,
    },
    /// Neither http nor https.
    #[error("the url's scheme is `{scheme}`, neither http nor https")]
    Scheme {
        /// What it is.
        scheme: String,
    },
    /// On the deny list.
    #[error("the deny list holds {what}")]
    DenyListed {
        /// What of it: `the url`, `the domain ..`, `the md5 of the body`, `the sha256 of the body`.
        what: String,
    },
    /// A port that is not allowed.
    #[error("port {port} is not allowed")]
    BlockedPort {
        /// The port.
        port: u16,
    },
    /// An address that is not public.
    #[error("`{host}` is at {address}, which is not public")]
    BlockedAddress {
        /// The URL's host.
        host: String,
        /// One of its addresses.
        address: IpAddr,
    },
    /// The name has no address.
    #[error("`{host}` does not resolve: {why}")]
    Dns {
        /// The name.
        host: String,
        /// What the resolver says.
        why: String,
        /// Whether it may resolve later: no answer came, or none that settles it.
        transient: bool,
    },
    /// No connection.
    #[error("no connection to `{host}`")]
    Connect {
        /// The URL's host.
        host: String,
        /// Why not.
        source: reqwest::Error,
    },
    /// The system gives this process no more file descriptors: no fault of the URL's or the host's.
    #[error("this process may open no more files")]
    OutOfFiles,
    /// The TLS handshake failed.
    #[error("no tls with `{host}`")]
    Tls {
        /// The URL's host.
        host: String,
        /// Why not.
        source: reqwest::Error,
    },
    /// The host failed too often of late, or asked to be left alone.
    #[error("`{host}` failed too often or asked to be left alone: not asked")]
    HostUnavailable {
        /// The URL's host.
        host: String,
    },
    /// The host's turn did not come: too many requests were before this one, or the host asked for a rest.
    #[error("no turn at `{host}` within {} ms, where others wait too or a rest was asked for", limit.as_millis())]
    NoTurn {
        /// The URL's host.
        host: String,
        /// The limit.
        limit: Duration,
    },
    /// A wait took too long.
    #[error("{waiting} took longer than {} ms", limit.as_millis())]
    Timeout {
        /// For what.
        waiting: Waiting,
        /// The limit.
        limit: Duration,
    },
    /// Not a success.
    #[error("status {status}")]
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// Redirects that lead nowhere.
    #[error("{0}")]
    Redirect(RedirectFault),
    /// robots.txt forbids the URL.
    #[error("robots.txt forbids the url")]
    Robots,
    /// robots.txt cannot be read, which forbids the URL by [`RobotsPolicy::FailClosed`](crate::RobotsPolicy).
    #[error("robots.txt cannot be read: {detail}")]
    RobotsUnreadable {
        /// Why it cannot be read.
        reason: FailureReason,
        /// The same for a person.
        detail: String,
    },
    /// The answer opts out.
    #[error("opted out by `{header}`")]
    OptOut {
        /// The header that says so.
        header: String,
    },
    /// The body is too large.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u32,
    },
    /// The connection broke.
    #[error("the connection broke before the answer was whole")]
    IncompleteBody {
        /// How.
        source: reqwest::Error,
    },
    /// Not HTTP.
    #[error("the answer is not http")]
    InvalidResponse {
        /// In what.
        source: reqwest::Error,
    },
    /// A coding that was not asked for.
    #[error("the body is coded as `{coding}`, which was not asked for")]
    ContentCoding {
        /// The coding.
        coding: String,
    },
}

/// What took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Waiting {
    /// Name, connection and TLS handshake.
    Connection,
    /// The answer's headers.
    FirstByte,
    /// The next bytes of the body.
    NextByte,
    /// The attempt as a whole.
    Whole,
}

impl std::fmt::Display for Waiting {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Connection => "connecting",
            Self::FirstByte => "the first byte",
            Self::NextByte => "the next byte",
            Self::Whole => "the attempt as a whole",
        })
    }
}

/// How redirects lead nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectFault {
    /// Too many.
    #[error("more than {limit} redirects")]
    TooMany {
        /// How many are followed.
        limit: u32,
    },
    /// A redirect without `Location`.
    #[error("a redirect without a location")]
    NoLocation,
    /// A `Location` that is no URL, or neither http nor https.
    #[error("a redirect to `{location}`, no http url")]
    BadLocation {
        /// What it says.
        location: String,
    },
}

impl FetchCause {
    /// Which of the closed list.
    #[must_use]
    pub fn reason(&self) -> FailureReason {
        match self {
            Self::InvalidUrl { .. } | Self::UnusableUrl { .. } | Self::Scheme { .. } => {
                FailureReason::InvalidUrl
            }
            Self::DenyListed { .. } => FailureReason::DenyListed,
            Self::BlockedPort { .. } => FailureReason::BlockedPort,
            Self::BlockedAddress { .. } => FailureReason::BlockedAddress,
            Self::Dns { .. } => FailureReason::Dns,
            Self::Connect { .. } | Self::OutOfFiles => FailureReason::Connect,
            Self::Tls { .. } => FailureReason::Tls,
            Self::HostUnavailable { .. } | Self::NoTurn { .. } => FailureReason::HostUnavailable,
            Self::Timeout { .. } => FailureReason::Timeout,
            Self::Status { .. } => FailureReason::HttpStatus,
            Self::Redirect(_) => FailureReason::Redirect,
            Self::Robots => FailureReason::Robots,
            Self::RobotsUnreadable { reason, .. } => reason_for_unreadable_robots(*reason),
            Self::OptOut { .. } => FailureReason::OptOut,
            Self::TooLarge { .. } => FailureReason::TooLarge,
            Self::IncompleteBody { .. } => FailureReason::IncompleteBody,
            Self::InvalidResponse { .. } | Self::ContentCoding { .. } => FailureReason::InvalidResponse,
        }
    }

    /// Whether the same request may succeed a little later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Dns { transient, .. } => *transient,
            Self::Connect { .. } | Self::Timeout { .. } | Self::IncompleteBody { .. } | Self::OutOfFiles => {
                true
            }
            Self::Status { status } => matches!(*status, 408 | 425 | 429 | 500..=599),
            _ => false,
        }
    }
}

/// A host that cannot be reached for its robots.txt cannot be reached for the URL either: that is the reason then.
const fn reason_for_unreadable_robots(reason: FailureReason) -> FailureReason {
    use FailureReason::{BlockedAddress, BlockedPort, Connect, Dns, HostUnavailable, Robots, Timeout, Tls};
    match reason {
        BlockedAddress | BlockedPort | Connect | Dns | HostUnavailable | Timeout | Tls => reason,
        _ => Robots,
    }
}

/// Walks an error's causes, itself first, into the errors that `io::Error` wraps too (its own `source` skips those).
pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    fn cause_of<'a>(error: &&'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
        match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            // The reference is an error too: without the star its own `source` would be meant.
            None => (*error).source(),
        }
    }
    std::iter::successors(Some(error), cause_of)
}

/// Whether the system has no file descriptor to give, to this process or to any.
pub(crate) fn is_out_of_files(error: &(dyn Error + 'static)) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| matches!(error.raw_os_error(), Some(ENFILE | EMFILE)))
}

/// The longest detail, in characters: what a server sends can stand in it.
const MAX_DETAIL: usize = 300;

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        Self {
            reason: error.cause.reason(),
            detail: detail(&error.cause),
            http_status: error.http_status,
            attempts: error.attempts,
        }
    }
}

/// The cause and its innermost source (what stands between is how the client is built), on one line.
pub(crate) fn detail(cause: &FetchCause) -> String {
    let innermost = causes(cause)
        .skip(1)
        .last()
        .map(|source| format!(": {source}"))
        .unwrap_or_default();
    format!("{cause}{innermost}")
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .take(MAX_DETAIL)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_keeps_status_and_attempts_and_has_one_line() {
        let cause = FetchCause::OptOut {
            header: format!("x-robots-tag: noai\r\n{}", "x".repeat(1000)),
        };
        let failure = Failure::from(FetchError {
            cause,
            http_status: Some(200),
            attempts: 2,
        });
        assert_eq!(
            (failure.reason, failure.http_status, failure.attempts),
            (FailureReason::OptOut, Some(200), 2)
        );
        assert_eq!(failure.detail.chars().count(), MAX_DETAIL);
        assert!(
            failure
                .detail
                .starts_with("opted out by `x-robots-tag: noai  xxx")
        );
    }

    #[test]
    fn the_detail_ends_with_the_innermost_source() {
        let cause = FetchCause::InvalidUrl {
            source: url::ParseError::EmptyHost,
        };
        assert_eq!(detail(&cause), "the url does not parse: empty host");
    }

    #[test]
    fn causes_are_found_inside_an_io_error() {
        let wrapped = io::Error::other(url::ParseError::EmptyHost);
        assert!(causes(&wrapped).any(<dyn Error>::is::<url::ParseError>));
    }

    #[test]
    fn only_statuses_that_may_pass_are_transient() {
        let transient: Vec<u16> = (100..600)
            .filter(|status| FetchCause::Status { status: *status }.is_transient())
            .collect();
        assert_eq!(transient[..3], [408, 425, 429]);
        assert_eq!(transient[3..], (500..600).collect::<Vec<u16>>());
    }
}
