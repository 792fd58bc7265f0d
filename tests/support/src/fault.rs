//! What can go wrong with a server.

macro_rules! faults {
    ($($(#[$doc:meta])* $variant:ident = $path:literal),+ $(,)?) => {
        /// What a path of a [`FaultServer`](crate::FaultServer) does.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Fault {
            $($(#[$doc])* $variant),+
        }

        impl Fault {
            /// Every fault.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The path that has it.
            #[must_use]
            pub const fn path(self) -> &'static str {
                match self { $(Self::$variant => $path),+ }
            }
        }
    };
}

faults! {
    /// No fault: 200 and the server's body.
    None = "/",
    /// Takes the request and never answers.
    StallBeforeHeaders = "/stall-before-headers",
    /// Sends the headers and half of the body, then nothing.
    StallInBody = "/stall-in-body",
    /// Sends a long body a byte at a time, for ever.
    Drip = "/drip",
    /// The same without stating a length.
    DripNoLength = "/drip-no-length",
    /// States a longer body than it sends.
    LongContentLength = "/long-content-length",
    /// States a body of 5 bytes and sends more.
    ShortContentLength = "/short-content-length",
    /// States no length and closes after the body.
    NoContentLength = "/no-content-length",
    /// States two lengths.
    TwoContentLengths = "/two-content-lengths",
    /// States a terabyte and sends nothing of it.
    HugeContentLength = "/huge-content-length",
    /// Chunks the body, correctly.
    Chunked = "/chunked",
    /// Chunks with a length that is no number.
    ChunkedGarbage = "/chunked-garbage",
    /// Breaks off between two chunks.
    ChunkedBroken = "/chunked-broken",
    /// Sends chunks for ever.
    EndlessBody = "/endless-body",
    /// Sends headers for ever.
    EndlessHeaders = "/endless-headers",
    /// Sends one header of a megabyte.
    MegabyteHeaders = "/megabyte-headers",
    /// Sends 16 MiB of zeros in gzip, which nobody asked for.
    GzipBomb = "/gzip-bomb",
    /// Redirects to itself.
    RedirectLoop = "/redirect-loop",
    /// Redirects without saying where to.
    RedirectNowhere = "/redirect-nowhere",
    /// Redirects to 127.0.0.1, to [`Fault::None`] of this very server.
    RedirectToLoopback = "/redirect-to-loopback",
    /// Redirects to a cloud's metadata address.
    RedirectToMetadata = "/redirect-to-metadata",
    /// Redirects to a private IPv4 address in IPv6 form.
    RedirectToMappedPrivate = "/redirect-to-mapped-private",
    /// Redirects to a file.
    RedirectToFile = "/redirect-to-file",
    /// Redirects to the port of a mail server.
    RedirectToMailPort = "/redirect-to-mail-port",
    /// Answers in another protocol.
    NotHttp = "/not-http",
    /// Closes without an answer.
    CloseAtOnce = "/close-at-once",
    /// Resets the connection in the middle of the body.
    ResetInBody = "/reset-in-body",
    /// The same at the first request, then no fault.
    ResetInBodyOnce = "/reset-in-body-once",
    /// 500 at the first request, then no fault.
    ErrorOnce = "/error-once",
    /// 503 at the first request, then no fault.
    UnavailableOnce = "/unavailable-once",
    /// 429 with a `Retry-After` of no time at the first request, then no fault.
    TooManyRequestsOnce = "/too-many-requests-once",
    /// 429 with a `Retry-After` of an hour.
    TooManyRequests = "/too-many-requests",
}
