//! What the hub states of a file before it is downloaded.

use reqwest::header::{ETAG, HeaderMap};

use crate::HubError;
use crate::client::HubClient;
use crate::error::Asked;

/// The largest file that is taken for a part of a model, in bytes: 256 GiB. A hub that states more is not believed.
const MAX_BYTES: u64 = 256 << 30;

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

/// Asks for the facts of `file` at a commit.
pub(crate) async fn ask(
    client: &HubClient,
    asked: &Asked<'_>,
    commit: &str,
    file: &str,
) -> Result<Facts, HubError> {
    let strange = |what: String| HubError::Answer {
        file: file.to_owned(),
        what,
    };
    let response = client.head(asked.repository.file(commit, file)).await;
    let response = response.map_err(|error| asked.failed(error, file))?;
    match Facts::of(response.headers()) {
        Some(facts) if facts.size > MAX_BYTES => Err(strange(format!(
            "a size of {} bytes, of which at most {MAX_BYTES} are believed",
            facts.size
        ))),
        Some(facts) => Ok(facts),
        None => Err(strange("no size and digest".to_owned())),
    }
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
