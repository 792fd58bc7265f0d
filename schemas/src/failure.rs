//! Why a pair gave no sequence: one closed list, and the record that travels to the failures table.

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $code:literal),+ $(,)?) => {
        /// The closed list of reasons for which a pair gives no sequence.
        ///
        /// The code ([`FailureReason::code`]) is what stands in `failures/*.parquet`, in stats and in the JSON lines
        /// of `tokenize` and `prepare`; it never changes its meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FailureReason {
            $($(#[$doc])* $variant),+
        }

        impl FailureReason {
            /// Every reason, in the order of the flow.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The code that stands in files: lowercase words joined by `_`.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }
        }
    };
}

reasons! {
    /// The row has no URL and no image bytes; the document has no images.
    MissingUrl = "missing_url",
    /// The URL does not parse, or its scheme is neither http nor https.
    InvalidUrl = "invalid_url",
    /// The caption is missing or only white space; the document has no text.
    EmptyCaption = "empty_caption",
    /// The image bytes or the row itself could not be read from its input (a broken tar member, a bad record).
    CorruptRow = "corrupt_row",
    /// The pair was taken down: nothing but its key is kept.
    TakenDown = "taken_down",
    /// The URL, its domain or the image's digest stands on the deny list.
    DenyListed = "deny_listed",
    /// The URL's port is not among those allowed.
    BlockedPort = "blocked_port",
    /// The host name does not resolve.
    Dns = "dns",
    /// The host resolves to, or the connection goes to, an address that is not public.
    BlockedAddress = "blocked_address",
    /// No connection could be made.
    Connect = "connect",
    /// The TLS handshake failed.
    Tls = "tls",
    /// Too many failures at this host of late, or it asked to be left alone: not asked; or no turn at it in time.
    HostUnavailable = "host_unavailable",
    /// Connecting, the first byte, the next byte or the whole took too long.
    Timeout = "timeout",
    /// The server answered with a status that is not a success.
    HttpStatus = "http_status",
    /// More redirects than allowed, or one that leads nowhere.
    Redirect = "redirect",
    /// robots.txt forbids this URL.
    Robots = "robots",
    /// The server's answer opts out of machine learning (X-Robots-Tag, tdm-reservation).
    OptOut = "opt_out",
    /// The body is larger than allowed, or the document.
    TooLarge = "too_large",
    /// The connection broke before the body was whole.
    IncompleteBody = "incomplete_body",
    /// The answer is not HTTP, or has a coding that was not asked for.
    InvalidResponse = "invalid_response",
    /// The bytes do not match the digest that the dataset states.
    DigestMismatch = "digest_mismatch",
    /// The body is empty or no known image format.
    NotAnImage = "not_an_image",
    /// An image format that is known and not decoded here.
    UnsupportedFormat = "unsupported_format",
    /// More pixels than allowed.
    TooManyPixels = "too_many_pixels",
    /// A side shorter than `image.min_side`.
    TooSmall = "too_small",
    /// Decoding the picture is more work than `image.decode_timeout_s` allows, or took longer.
    DecodeTimeout = "decode_timeout",
    /// The image does not decode.
    CorruptImage = "corrupt_image",
    /// The model's numbers for this image are infinite or undefined: too large for the dtype.
    NotFinite = "not_finite",
    /// The selector keeps no patch of the image, so it has no codes.
    NoVisualTokens = "no_visual_tokens",
    /// The caption gives no text ids, or the tokenizer refuses it.
    TextEncoding = "text_encoding",
}

impl std::fmt::Display for FailureReason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.code())
    }
}

/// The code is none of [`FailureReason::ALL`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown failure reason `{0}`")]
pub struct UnknownReason(pub String);

impl std::str::FromStr for FailureReason {
    type Err = UnknownReason;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.code() == code)
            .ok_or_else(|| UnknownReason(code.to_owned()))
    }
}

/// A pair that gave no sequence: what stands in one row of `failures/*.parquet` beside its key and URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which of the closed list.
    pub reason: FailureReason,
    /// What a person needs to understand it: plain words, no line breaks.
    pub detail: String,
    /// The last HTTP status the server gave, if it gave any.
    pub http_status: Option<u16>,
    /// How often the URL was asked for; 0 if it never was.
    pub attempts: u32,
}

impl Failure {
    /// A failure that no server had a part in.
    #[must_use]
    pub fn new(reason: FailureReason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
            http_status: None,
            attempts: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_parses_back_to_its_reason() {
        for reason in FailureReason::ALL {
            assert_eq!(reason.code().parse(), Ok(*reason));
        }
        assert!("no_such_reason".parse::<FailureReason>().is_err());
    }
}
