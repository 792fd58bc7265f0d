//! Which reason an error of the HTTP client stands for: found by type among its causes.

use std::{error::Error, io, time::Duration};

use crate::{
    error::{FetchCause, Waiting, causes, is_out_of_files},
    resolver::ResolveError,
};

/// An error before the answer's headers were there.
pub(crate) fn request_error(error: reqwest::Error, host: &str, connect_timeout: Duration) -> FetchCause {
    let host = host.to_owned();
    let source = error.without_url();
    if let Some(error) = find::<ResolveError>(&source) {
        return resolve_error(error.clone());
    }
    if is_out_of_files(&source) {
        FetchCause::OutOfFiles
    } else if source.is_builder() {
        FetchCause::UnusableUrl { source }
    } else if find::<rustls::Error>(&source).is_some() {
        FetchCause::Tls { host, source }
    } else if source.is_timeout() {
        FetchCause::Timeout {
            waiting: Waiting::Connection,
            limit: connect_timeout,
        }
    } else if source.is_connect() {
        FetchCause::Connect { host, source }
    } else {
        answer_error(source)
    }
}

/// A name that gave no address.
pub(crate) fn resolve_error(error: ResolveError) -> FetchCause {
    match error {
        ResolveError::Blocked { host, address } => FetchCause::BlockedAddress { host, address },
        ResolveError::OutOfFiles => FetchCause::OutOfFiles,
        ResolveError::NoAddress { host, why, transient } => FetchCause::Dns { host, why, transient },
    }
}

/// An error after the connection stood: either it broke, or what came over it is not HTTP.
pub(crate) fn answer_error(error: reqwest::Error) -> FetchCause {
    let source = error.without_url();
    let not_http = find::<hyper::Error>(&source).is_some_and(hyper::Error::is_parse)
        || find::<io::Error>(&source).is_some_and(|error| {
            matches!(
                error.kind(),
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput
            )
        });
    if not_http {
        FetchCause::InvalidResponse { source }
    } else {
        FetchCause::IncompleteBody { source }
    }
}

fn find<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    causes(error).find_map(|cause| cause.downcast_ref())
}
