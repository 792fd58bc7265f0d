//! The one HTTP client, with everything off that would act behind our back.

use std::path::Path;

use img2tokens_schemas::read_regular;
use reqwest::{
    Certificate, Client, ClientBuilder, Proxy, Url,
    header::{ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue, USER_AGENT},
    redirect,
};

use crate::{config::FetchConfig, resolver::PublicResolver, setup::FetchSetupError};

/// What a peer may make us hold for one HTTP/2 stream, and for one connection, before its body is asked for; enough
/// for 20 Mbit/s at 100 ms.
const HTTP2_STREAM_WINDOW: u32 = 256 << 10;
const HTTP2_CONNECTION_WINDOW: u32 = 1 << 20;
/// A system's whole bundle has a quarter of a megabyte.
const MAX_CA_BYTES: u64 = 16 << 20;
/// HTTP/1's limit is hyper's buffer, about 400 KiB.
const HTTP2_MAX_HEADERS: u32 = 64 << 10;

/// Makes the client. It follows no redirect, repeats nothing, reads no environment and decompresses nothing.
pub(crate) fn client(config: &FetchConfig, resolver: PublicResolver) -> Result<Client, FetchSetupError> {
    let mut builder = ClientBuilder::new()
        .default_headers(own_headers(config)?)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .dns_resolver(resolver)
        .connect_timeout(config.connect_timeout)
        .pool_idle_timeout(config.idle_timeout)
        .pool_max_idle_per_host(config.per_host)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_ignore_invalid_headers_in_responses(true)
        .http2_initial_stream_window_size(HTTP2_STREAM_WINDOW)
        .http2_initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
        .http2_max_header_list_size(HTTP2_MAX_HEADERS)
        .tls_certs_merge(certificates(config.ca_file.as_deref())?);
    if let Some(proxy) = &config.proxy {
        builder = builder.proxy(http_proxy(proxy)?);
    }
    builder
        .build()
        .map_err(|source| FetchSetupError::Client { source })
}

/// What every request carries.
fn own_headers(config: &FetchConfig) -> Result<HeaderMap, FetchSetupError> {
    let mut headers = header_map([(USER_AGENT.as_str(), config.user_agent.as_str())])?;
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Ok(headers)
}

/// The headers of the config, which may be credentials, and stand over those of every request.
pub(crate) fn further_headers(config: &FetchConfig) -> Result<HeaderMap, FetchSetupError> {
    header_map(
        config
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    )
}

fn header_map<'a>(named: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<HeaderMap, FetchSetupError> {
    let mut headers = HeaderMap::new();
    for (name, value) in named {
        let refuse = || FetchSetupError::Header {
            name: name.to_owned(),
        };
        let header = HeaderName::try_from(name).map_err(|_| refuse())?;
        headers.insert(header, HeaderValue::try_from(value).map_err(|_| refuse())?);
    }
    Ok(headers)
}

/// Mozilla's roots, which also serve where the system has none (a bare container), and those of the file.
fn certificates(file: Option<&Path>) -> Result<Vec<Certificate>, FetchSetupError> {
    let mut certificates = webpki_root_certs::TLS_SERVER_ROOT_CERTS
        .iter()
        .map(|der| Certificate::from_der(der))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| FetchSetupError::Client { source })?;
    if let Some(path) = file {
        let read = |source| FetchSetupError::File {
            key: "ca_file",
            path: path.to_owned(),
            source,
        };
        let parse = |source| FetchSetupError::Certificates {
            path: path.to_owned(),
            source,
        };
        let pem = read_regular(path, MAX_CA_BYTES).map_err(read)?;
        let own = Certificate::from_pem_bundle(&pem).map_err(|source| parse(Some(source)))?;
        if own.is_empty() {
            return Err(parse(None));
        }
        certificates.extend(own);
    }
    Ok(certificates)
}

fn http_proxy(proxy: &str) -> Result<Proxy, FetchSetupError> {
    let is_http = Url::parse(proxy).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if !is_http {
        return Err(FetchSetupError::Proxy { source: None });
    }
    Proxy::all(proxy).map_err(|source| FetchSetupError::Proxy { source: Some(source) })
}
