//! A site's robots.txt, asked for.

use futures::future::BoxFuture;
use url::Url;

use crate::{
    attempt::Errand,
    error::{FetchCause, FetchError},
    fetcher::Fetcher,
    trail::Trail,
};

/// How much of a robots.txt is read, in bytes: the least that RFC 9309, 2.5 lets a crawler read.
pub(crate) const MAX_ROBOTS_BYTES: u32 = 500 << 10;

impl Fetcher {
    /// The robots.txt of a URL's site; of a larger one the lines that lie within the limit. It is asked for as any URL
    /// is, retries included, with our credentials if the URL has them. The box ends the recursion of a fetch within a fetch.
    pub(crate) fn robots_txt<'a>(
        &'a self,
        url: &'a Url,
        trail: &'a Trail,
    ) -> BoxFuture<'a, Result<String, FetchError>> {
        Box::pin(async move {
            let robots = url.join("/robots.txt").map_err(|source| FetchError {
                cause: FetchCause::InvalidUrl { source },
                http_status: None,
                attempts: 0,
            })?;
            let fetched = self.persist(&robots, trail, Errand::Robots).await?;
            let whole_lines = match fetched.is_cut {
                true => without_last_line(&fetched.bytes),
                false => &fetched.bytes,
            };
            Ok(String::from_utf8_lossy(whole_lines).into_owned())
        })
    }
}

/// What stands before the last line: half a rule forbids or allows something else than the whole.
fn without_last_line(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| matches!(byte, b'\n' | b'\r'));
    bytes.get(..end.unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_does_not_count() {
        for (cut, whole) in [
            ("a\nb\nc", "a\nb"),
            ("a\r\nb", "a\r"),
            ("a\n", "a"),
            ("a", ""),
            ("", ""),
        ] {
            assert_eq!(without_last_line(cut.as_bytes()), whole.as_bytes(), "{cut:?}");
        }
    }
}
