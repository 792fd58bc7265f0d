//! Why a fetcher cannot be made.

use std::{io, path::PathBuf};

use img2tokens_schemas::shown;

/// What is wrong with a [`FetchConfig`](crate::FetchConfig) or the files it names.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchSetupError {
    /// A value that cannot work.
    #[error("fetch config: {key} {why}", why = shown(why))]
    Config {
        /// The field.
        key: &'static str,
        /// What about it.
        why: &'static str,
    },
    /// A file that cannot be read.
    #[error("{key} {}: cannot be read", shown(path.display()))]
    File {
        /// The field that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line of the deny list that is no URL, domain or digest.
    #[error("deny_list {}, line {line}: `{entry}` is no URL, domain, md5 or sha256", shown(path.display()), entry = shown(entry))]
    DenyListEntry {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What stands there.
        entry: String,
    },
    /// The certificates do not parse.
    #[error("ca_file {}: no certificates in PEM form", shown(path.display()))]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why not, if the parser says.
        source: Option<reqwest::Error>,
    },
    /// A name or value that cannot stand in a header.
    #[error("headers: `{name}` or its value cannot stand in a request", name = shown(name))]
    Header {
        /// The header's name.
        name: String,
    },
    /// The proxy's URL cannot be used.
    #[error("proxy: not the url of an http proxy")]
    Proxy {
        /// Why not, if the client says.
        source: Option<reqwest::Error>,
    },
    /// The resolver cannot be made.
    #[error("the dns resolver cannot be set up")]
    Resolver {
        /// Why not.
        source: hickory_resolver::net::NetError,
    },
    /// The client cannot be made.
    #[error("the http client cannot be set up")]
    Client {
        /// Why not.
        source: reqwest::Error,
    },
}
