//! Why there is no model, and what to do about it.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::client::RequestError;
use crate::{Repository, Revision};

/// Why a model cannot be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// Not a repository's name.
    #[error("`{0}` is no repository's name, which reads ORGANISATION/NAME")]
    RepositoryName(String),
    /// Not a revision's name.
    #[error("`{0}` is no revision's name: give a branch, a tag or a commit")]
    RevisionName(String),
    /// The endpoint is no URL.
    #[error("HF_ENDPOINT: `{0}` is not the url of a hub")]
    Endpoint(String),
    /// The endpoint names a user.
    #[error("HF_ENDPOINT has a user name or a password, which is not sent: leave it out, and set HF_TOKEN")]
    EndpointUser,
    /// No such repository, or none that may be seen without a token.
    #[error(
        "{endpoint} shows no repository {repository}: check the name; if it is private, set HF_TOKEN to a token that may read it"
    )]
    NoRepository {
        /// The hub.
        endpoint: String,
        /// The repository.
        repository: Repository,
    },
    /// The repository's conditions are not accepted.
    #[error(
        "{repository} is gated: accept its conditions at {endpoint}/{repository} and set HF_TOKEN to a token of that account"
    )]
    Gated {
        /// The hub.
        endpoint: String,
        /// The repository.
        repository: Repository,
    },
    /// The token is of no use here.
    #[error(
        "{endpoint} refuses the token for {repository} ({status}): set HF_TOKEN to a token that may read it"
    )]
    Token {
        /// The hub.
        endpoint: String,
        /// The repository.
        repository: Repository,
        /// The HTTP status.
        status: u16,
    },
    /// No such revision.
    #[error("{repository} has no revision `{revision}`: give a branch, a tag or a commit of it")]
    NoRevision {
        /// The repository.
        repository: Repository,
        /// The revision.
        revision: Revision,
    },
    /// No such file.
    #[error("{repository} has no file {file} at `{revision}`")]
    NoFile {
        /// The repository.
        repository: Repository,
        /// The revision.
        revision: Revision,
        /// The file.
        file: String,
    },
    /// The repository holds no model in a form we know.
    #[error(
        "{repository} holds no model at `{revision}`: neither config.json with model.safetensors nor visual_tokenizer/{{eva_vitg_psz14,tokenizer_encoder}}.bin"
    )]
    NoModel {
        /// The repository.
        repository: Repository,
        /// The revision.
        revision: Revision,
    },
    /// The network may not be used, and the cache does not do.
    #[error("HF_HUB_OFFLINE is set and {what} is not in the cache {}: unset it to fetch", cache.display())]
    Offline {
        /// What is not there.
        what: String,
        /// The cache.
        cache: PathBuf,
    },
    /// The hub does not answer.
    #[error("{endpoint} cannot be reached: check the network, the proxy and HF_ENDPOINT")]
    Unreachable {
        /// The hub.
        endpoint: String,
        /// Why not.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A download that breaks off again and again.
    #[error("{file} broke off at {received} of {size} bytes: run again to go on from there")]
    Broken {
        /// The file.
        file: String,
        /// The bytes that are kept.
        received: u64,
        /// The bytes there should be.
        size: u64,
        /// How the last try ended.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A file is not as long as the hub said.
    #[error("{file} came as {found} bytes, the hub states {expected}: nothing of it is kept; run again")]
    Size {
        /// The file.
        file: String,
        /// The bytes there should be.
        expected: u64,
        /// The bytes that came.
        found: u64,
    },
    /// A file's bytes are not those the hub said.
    #[error(
        "{file} came with the digest {found}, the hub states {expected}: nothing of it is kept; run again"
    )]
    Digest {
        /// The file.
        file: String,
        /// The digest it should have, in hexadecimal.
        expected: String,
        /// The digest it has.
        found: String,
    },
    /// The disk is full.
    #[error("no space left for {}: free some, or set HF_HOME to a folder on a larger disk", path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file of the cache or of the destination cannot be written or read.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The destination has another file of that name.
    #[error("{} exists and is another file: remove it, or choose another directory", path.display())]
    Taken {
        /// The file.
        path: PathBuf,
    },
    /// The hub's answer is not one of a hub.
    #[error("{file}: the hub's answer has {what}; is HF_ENDPOINT a hub?")]
    Answer {
        /// What was asked for.
        file: String,
        /// What is wrong.
        what: String,
    },
    /// Anything else that the client reports.
    #[error("the hub")]
    Client(#[source] Box<dyn Error + Send + Sync>),
}

impl HubError {
    /// Whether the same may work later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Broken { .. })
    }

    /// Whether what was asked for is at fault, rather than what came of it.
    #[must_use]
    pub const fn is_usage(&self) -> bool {
        !matches!(
            self,
            Self::Unreachable { .. }
                | Self::Broken { .. }
                | Self::Size { .. }
                | Self::Digest { .. }
                | Self::Full { .. }
                | Self::File { .. }
                | Self::Answer { .. }
                | Self::Client(_)
        )
    }

    /// A file that cannot be written or read.
    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { path, source },
            _ => Self::File { path, source },
        }
    }
}

/// What was asked of which hub: what an error tells.
pub(crate) struct Asked<'a> {
    pub(crate) endpoint: &'a str,
    pub(crate) repository: &'a Repository,
    pub(crate) revision: &'a Revision,
    pub(crate) has_token: bool,
}

impl Asked<'_> {
    /// An error status, with the code in which the hub says what it means by it.
    pub(crate) fn refused(&self, status: u16, code: Option<&str>, file: &str) -> HubError {
        let (endpoint, repository) = (self.endpoint.to_owned(), self.repository.clone());
        match (status, code) {
            (_, Some("GatedRepo")) => HubError::Gated { endpoint, repository },
            (_, Some("RepoNotFound")) => HubError::NoRepository { endpoint, repository },
            (404, Some("RevisionNotFound")) => HubError::NoRevision {
                repository,
                revision: self.revision.clone(),
            },
            (404, _) => HubError::NoFile {
                repository,
                revision: self.revision.clone(),
                file: file.to_owned(),
            },
            (401, _) if !self.has_token => HubError::NoRepository { endpoint, repository },
            (401 | 403, _) => HubError::Token {
                endpoint,
                repository,
                status,
            },
            _ => HubError::Unreachable {
                endpoint,
                source: format!("http status {status}").into(),
            },
        }
    }

    /// What became of a request for `file`, or for the revision.
    pub(crate) fn failed(&self, error: RequestError, file: &str) -> HubError {
        match error {
            RequestError::Status { status, code } => self.refused(status, code.as_deref(), file),
            RequestError::Network(source) => HubError::Unreachable {
                endpoint: self.endpoint.to_owned(),
                // Where a redirect led may be signed.
                source: Box::new(source.without_url()),
            },
            other @ (RequestError::Redirect(_) | RequestError::TooLong) => HubError::Answer {
                file: if file.is_empty() {
                    self.repository.to_string()
                } else {
                    file.to_owned()
                },
                what: other.to_string(),
            },
        }
    }
}
