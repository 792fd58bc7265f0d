//! Requests to stores and web servers, and to where they redirect.
//!
//! The stores' own client follows redirects by itself, and only looks whether the host is the same as a moment ago before
//! it sends all that the first request carried. Here credentials (authorization, signed headers, tokens) end for good
//! with the first request that goes to another origin, and a server on the public net cannot send us into a private one.

use std::error::Error as StdError;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use hyper_util::client::legacy::connect::HttpInfo;
use img2tokens_fetch::{Trail, is_public};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
    HttpService,
};
use object_store::{ClientConfigKey, ClientOptions, HeaderMap, HeaderValue};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{self, AUTHORIZATION, HeaderName, LOCATION};
use reqwest::{Client, ClientBuilder, NoProxy, Proxy};
use url::{Host, Url};

/// The most redirects of a request.
const MAX_REDIRECTS: usize = 10;

/// What is told to any origin; all else may be a credential.
const HARMLESS: [HeaderName; 8] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::USER_AGENT,
];
/// Of WebDAV.
const DEPTH: &str = "depth";

/// Why a request cannot be made, or a redirect not be followed.
#[derive(Debug, Clone, thiserror::Error)]
enum RequestError {
    #[error("not the url of a request")]
    Url,
    #[error("a redirect to nowhere")]
    Nowhere,
    #[error("more than {MAX_REDIRECTS} redirects")]
    Endless,
    #[error("a redirect to {host}, which is not on the public net")]
    Private { host: String },
}

impl From<RequestError> for HttpError {
    /// None of them passes if the request is repeated.
    fn from(error: RequestError) -> Self {
        Self::new(HttpErrorKind::Unknown, error)
    }
}

/// Whether an address is on the public net.
type AddressRule = fn(IpAddr) -> bool;

/// Makes the clients of stores.
#[derive(Clone)]
pub(super) struct Connector {
    /// A URL with the user and password that go to its own origin.
    login: Option<Url>,
    is_public: AddressRule,
}

impl Default for Connector {
    /// For requests that bring their own credentials.
    fn default() -> Self {
        Self {
            login: None,
            is_public,
        }
    }
}

impl Connector {
    /// For requests below this URL, with its user and password if it has them.
    pub(super) fn of(url: &Url) -> Self {
        let has_login = !url.username().is_empty() || url.password().is_some();
        Self {
            login: has_login.then(|| url.clone()),
            ..Self::default()
        }
    }
}

impl fmt::Debug for Connector {
    /// Tells no password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let failed = |source: Box<dyn StdError + Send + Sync>| object_store::Error::Generic {
            store: "HTTP",
            source,
        };
        let client = |rule: AddressRule| {
            let resolver = Resolver {
                rule,
                turn: Arc::default(),
            };
            builder(options)?
                .dns_resolver(resolver)
                .build()
                .map_err(Box::from)
        };
        let first = client(|_| true).map_err(failed)?;
        let login = self.login.as_ref().map(|url| {
            let request = first.get(url.clone()).build()?;
            let authorization = request.headers().get(AUTHORIZATION).cloned();
            Ok((url.clone(), authorization))
        });
        let login = login
            .transpose()
            .map_err(|error: reqwest::Error| failed(error.into()))?;
        Ok(HttpClient::new(Requests {
            first,
            public: client(self.is_public).map_err(failed)?,
            is_public: self.is_public,
            login: login.and_then(|(url, authorization)| Some((url, authorization?))),
        }))
    }
}

/// A client by the options that stores have; it follows no redirect and tells nobody where it comes from.
fn builder(options: &ClientOptions) -> Result<ClientBuilder, Box<dyn StdError + Send + Sync>> {
    let text = |key| options.get_config_value(&key);
    let is_set = |key| text(key).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let duration = |key| {
        text(key)
            .map(|value| humantime::parse_duration(&value))
            .transpose()
    };
    let agent = text(ClientConfigKey::UserAgent);
    let agent = agent.unwrap_or_else(|| concat!("img2tokens/", env!("CARGO_PKG_VERSION")).to_owned());
    let mut builder = Client::builder()
        .user_agent(agent)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .https_only(!is_set(ClientConfigKey::AllowHttp))
        .danger_accept_invalid_certs(is_set(ClientConfigKey::AllowInvalidCertificates));
    if is_set(ClientConfigKey::Http1Only) {
        builder = builder.http1_only();
    }
    if let Some(timeout) = duration(ClientConfigKey::Timeout)? {
        builder = builder.timeout(timeout);
    }
    if let Some(timeout) = duration(ClientConfigKey::ConnectTimeout)? {
        builder = builder.connect_timeout(timeout);
    }
    if let Some(timeout) = duration(ClientConfigKey::ReadTimeout)? {
        builder = builder.read_timeout(timeout);
    }
    if let Some(timeout) = duration(ClientConfigKey::PoolIdleTimeout)? {
        builder = builder.pool_idle_timeout(timeout);
    }
    if let Some(proxy) = text(ClientConfigKey::ProxyUrl) {
        let excludes = text(ClientConfigKey::ProxyExcludes);
        let excludes = excludes.and_then(|excludes| NoProxy::from_string(&excludes));
        builder = builder.proxy(Proxy::all(proxy)?.no_proxy(excludes));
    }
    if let Some(certificate) = text(ClientConfigKey::ProxyCaCertificate) {
        let certificate = reqwest::Certificate::from_pem(certificate.as_bytes())?;
        builder = builder.tls_certs_merge([certificate]);
    }
    Ok(builder)
}

/// The system's look-up of names, of which only the addresses count that a rule allows, each time another one first.
struct Resolver {
    rule: AddressRule,
    turn: Arc<AtomicUsize>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (rule, turn) = (self.rule, self.turn.fetch_add(1, Ordering::Relaxed));
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let mut found: Vec<SocketAddr> = found.filter(|address| rule(address.ip())).collect();
            if found.is_empty() {
                let host = name.as_str().to_owned();
                return Err(RequestError::Private { host }.into());
            }
            let first = turn % found.len();
            found.rotate_left(first);
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Makes requests, and follows where they are sent on.
struct Requests {
    /// For what the user names, which may lie anywhere.
    first: Client,
    /// For where a public server redirects.
    public: Client,
    is_public: AddressRule,
    /// An authorization, and a URL of the origin it is for.
    login: Option<(Url, HeaderValue)>,
}

impl fmt::Debug for Requests {
    /// Tells no password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Requests").finish_non_exhaustive()
    }
}

#[async_trait]
impl HttpService for Requests {
    /// A redirect of a request with a body, or one that changes something, is the answer.
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let is_followed = request.body().content_length() == 0
            && matches!(request.method().as_str(), "GET" | "HEAD" | "PROPFIND");
        let mut next = request.clone();
        if let Some((home, authorization)) = &self.login
            && home.origin() == url_of(&request)?.origin()
        {
            next.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let mut url = url_of(&request)?;
        let mut trail = Trail::new(&url);
        let mut client = &self.first;
        for _ in 0..=MAX_REDIRECTS {
            let headers = next.headers().clone();
            let response = client.call(next).await.map_err(unrepeated)?;
            if !is_followed || !is_redirect(&response) {
                return Ok(response);
            }
            url = location(&url, response.headers())?;
            if std::ptr::eq(client, &self.first) && self.came_from_public(&response) {
                client = &self.public;
            }
            if std::ptr::eq(client, &self.public) {
                self.check_address(&url)?;
            }
            trail.follow(&url);
            next = HttpRequest::new(HttpRequestBody::empty());
            *next.method_mut() = request.method().clone();
            *next.uri_mut() = url.as_str().parse().map_err(|_| RequestError::Url)?;
            *next.headers_mut() = match trail.is_home() {
                true => headers,
                false => harmless(&headers),
            };
        }
        Err(RequestError::Endless.into())
    }
}

fn url_of(request: &HttpRequest) -> Result<Url, RequestError> {
    request.uri().to_string().parse().map_err(|_| RequestError::Url)
}

/// The statuses that send elsewhere; 300 and 304 do not.
fn is_redirect(response: &HttpResponse) -> bool {
    matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308)
        && response.headers().contains_key(LOCATION)
}

/// Where a redirect leads.
fn location(url: &Url, headers: &HeaderMap) -> Result<Url, RequestError> {
    let location = headers.get(LOCATION).and_then(|location| location.to_str().ok());
    let next = location.and_then(|location| url.join(location).ok());
    let mut next = next
        .filter(|next| matches!(next.scheme(), "http" | "https"))
        .ok_or(RequestError::Nowhere)?;
    // A redirect does not say who we are.
    let cleared = next.set_username("").and(next.set_password(None));
    cleared.map_err(|()| RequestError::Nowhere)?;
    Ok(next)
}

impl Requests {
    /// Whether the server that answered, or the proxy before it, is on the public net.
    fn came_from_public(&self, response: &HttpResponse) -> bool {
        let peer = response.extensions().get::<HttpInfo>().map(HttpInfo::remote_addr);
        peer.is_none_or(|peer| (self.is_public)(peer.ip()))
    }

    /// Refuses an address that is not public; names are the resolver's to judge.
    fn check_address(&self, url: &Url) -> Result<(), RequestError> {
        let address = match url.host() {
            Some(Host::Ipv4(v4)) => IpAddr::V4(v4),
            Some(Host::Ipv6(v6)) => IpAddr::V6(v6),
            _ => return Ok(()),
        };
        if (self.is_public)(address) {
            return Ok(());
        }
        let host = address.to_string();
        Err(RequestError::Private { host })
    }
}

fn harmless(headers: &HeaderMap) -> HeaderMap {
    headers
        .iter()
        .filter(|(name, _)| HARMLESS.contains(name) || name.as_str() == DEPTH)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// An error of ours within the client is none that passes, though the client takes it for a failed connection.
fn unrepeated(error: HttpError) -> HttpError {
    let mut cause = error.source();
    while let Some(found) = cause {
        if let Some(ours) = found.downcast_ref::<RequestError>() {
            return ours.clone().into();
        }
        cause = found.source();
    }
    error
}

#[cfg(test)]
mod tests;
