//! What the hub states of a file before it is downloaded.

use reqwest::header::{ETAG, HeaderMap, LOCATION};
use reqwest::{Client, Response, Url};

use crate::HubError;
use crate::error::Asked;

/// How often a hub may send us on to another path of its own (a repository that was renamed).
const MAX_REDIRECTS: usize = 5;

/// Which digest an `ETag` of the hub is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digest {
    /// Of a large file: SHA-256.
    Sha256,
    /// Of a small one, which stands in git itself: the id of its blob.
    GitBlob,
}

/// A file's digest and size.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// The digest in hexadecimal, which is also the blob's name in the cache.
    pub(crate) etag: String,
    pub(crate) digest: Digest,
    /// In bytes.
    pub(crate) size: u64,
}

impl Facts {
    /// None if `etag` is no digest.
    pub(crate) fn new(etag: &str, size: u64) -> Option<Self> {
        let etag = etag
            .trim_start_matches("W/")
            .trim_matches('"')
            .to_ascii_lowercase();
        let digest = match etag.len() {
            64 => Digest::Sha256,
            40 => Digest::GitBlob,
            _ => return None,
        };
        let is_hexadecimal = etag.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hexadecimal.then_some(Self { etag, digest, size })
    }

    /// From the headers of the hub's own answer; large files are redirected, and the headers of their store know
    /// nothing of digests.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name)?.to_str().ok();
        let etag = text("x-linked-etag").or_else(|| text(ETAG.as_str()))?;
        let size = text("x-linked-size").or_else(|| text("content-length"))?;
        Self::new(etag, size.parse().ok()?)
    }
}

/// Asks for the facts of `file` at a commit. `hf-hub` has a call for this, but it follows the redirect to the store and
/// loses them. The client must follow none.
pub(crate) async fn ask(
    client: &Client,
    token: Option<&str>,
    asked: &Asked<'_>,
    commit: &str,
    file: &str,
) -> Result<Facts, HubError> {
    let strange = |what: &str| HubError::Answer {
        file: file.to_owned(),
        what: what.to_owned(),
    };
    let text = format!("{}/{}/resolve/{commit}/{file}", asked.endpoint, asked.repository);
    let mut url = Url::parse(&text).map_err(|_| HubError::Endpoint(asked.endpoint.to_owned()))?;
    for _ in 0..MAX_REDIRECTS {
        let mut head = client.head(url.clone());
        if let Some(token) = token {
            head = head.bearer_auth(token);
        }
        let response = head.send().await.map_err(|error| asked.unreachable(error))?;
        let status = response.status();
        if status.is_client_error() || status.is_server_error() {
            let code = response.headers().get("x-error-code");
            return Err(asked.refused(status.as_u16(), code.and_then(|code| code.to_str().ok()), file));
        }
        match sent_on(&response) {
            Some(path) => url = url.join(&path).map_err(|_| strange("a redirect to nowhere"))?,
            None => {
                return Facts::of(response.headers()).ok_or_else(|| strange("no size and digest"));
            }
        }
    }
    Err(strange("redirects without end"))
}

/// The path at the same host that an answer redirects to, if it does.
fn sent_on(response: &Response) -> Option<String> {
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    let is_path = location.starts_with('/') && !location.starts_with("//");
    (response.status().is_redirection() && is_path).then(|| location.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_is_a_digest_or_refused() {
        let digest = |etag: &str| Facts::new(etag, 0).map(|facts| facts.digest);
        assert_eq!(digest(&format!("\"{}\"", "a".repeat(64))), Some(Digest::Sha256));
        assert_eq!(
            digest(&format!("W/\"{}\"", "0".repeat(40))),
            Some(Digest::GitBlob)
        );
        for etag in ["", "\"../../../etc/passwd\"", &"g".repeat(64), &"/".repeat(40)] {
            assert_eq!(digest(etag), None, "{etag}");
        }
    }
}
