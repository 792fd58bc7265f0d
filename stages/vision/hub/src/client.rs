//! Requests to a hub, and to where it redirects.
//!
//! The client follows no redirect by itself: what it would send along to the second request of a foreign host is the
//! token, since it only looks whether the host is the same as a moment ago. Here the token ends for good with the first
//! request that goes to another origin than the hub's.

use std::time::Duration;

use reqwest::header::{LOCATION, RANGE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response, StatusCode, Url};

use crate::settings::Settings;

/// Limits of waiting; a download itself may take as long as it brings bytes.
const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(60);
/// Further tries of a request that a network or server in trouble fails.
const RETRIES: u32 = 3;
/// The wait before the first of them; it doubles.
const BACKOFF: Duration = Duration::from_millis(200);
/// The most redirects of a request.
const MAX_REDIRECTS: usize = 10;
/// The most bytes of an answer that is no file.
const MAX_ANSWER: usize = 16 << 20;

const AGENT: &str = concat!("img2tokens/", env!("CARGO_PKG_VERSION"));

/// Why a request has no answer of use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// No answer, or one that broke off.
    #[error(transparent)]
    Network(#[from] reqwest::Error),
    /// An answer that is no success, and the hub's own code for why.
    #[error("http status {status}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// `X-Error-Code`.
        code: Option<String>,
    },
    /// Redirects that do not end, or lead nowhere.
    #[error("{0}")]
    Redirect(&'static str),
    /// More than an answer of that kind may have.
    #[error("an answer of more than {MAX_ANSWER} bytes")]
    TooLong,
}

impl RequestError {
    /// Whether the same request may work later: the network's faults and the server's.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Network(error) => !error.is_builder(),
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500..),
            Self::Redirect(_) | Self::TooLong => false,
        }
    }
}

/// How far a request goes along with redirects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Follow {
    /// Within the hub: what sends elsewhere is the answer.
    Hub,
    /// To any host.
    All,
}

/// A hub that requests are sent to.
pub(crate) struct HubClient {
    http: Client,
    endpoint: Url,
    token: Option<String>,
}

impl HubClient {
    /// # Errors
    /// If the machine cannot speak HTTPS.
    pub(crate) fn new(settings: &Settings) -> Result<Self, RequestError> {
        let http = Client::builder()
            .user_agent(AGENT)
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .redirect(Policy::none())
            .build()?;
        Ok(Self {
            http,
            endpoint: settings.endpoint.clone(),
            token: settings.token.clone(),
        })
    }

    pub(crate) const fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    pub(crate) const fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// The URL of these steps below the endpoint; a step keeps its slashes to itself.
    fn url<'a>(&self, steps: impl IntoIterator<Item = &'a str>) -> Result<Url, RequestError> {
        let mut url = self.endpoint.clone();
        url.path_segments_mut()
            .map_err(|()| RequestError::Redirect("an endpoint without paths"))?
            .pop_if_empty()
            .extend(steps);
        Ok(url)
    }

    /// What the hub says of itself at these steps, whole.
    pub(crate) async fn answer<'a>(
        &self,
        steps: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<u8>, RequestError> {
        let url = self.url(steps)?;
        let mut response = self.retried(Method::GET, &url, Follow::All).await?;
        let mut body = Vec::new();
        while let Some(bytes) = response.chunk().await? {
            body.extend_from_slice(&bytes);
            if body.len() > MAX_ANSWER {
                return Err(RequestError::TooLong);
            }
        }
        Ok(body)
    }

    /// The hub's own answer about these steps, where it redirects too: its headers tell what the store's do not.
    pub(crate) async fn head<'a>(
        &self,
        steps: impl IntoIterator<Item = &'a str>,
    ) -> Result<Response, RequestError> {
        let url = self.url(steps)?;
        self.retried(Method::HEAD, &url, Follow::Hub).await
    }

    /// A file's bytes, from `start` to the last of `size`. Tried once: whoever downloads knows where to go on.
    pub(crate) async fn download<'a>(
        &self,
        steps: impl IntoIterator<Item = &'a str>,
        start: u64,
        size: u64,
    ) -> Result<Response, RequestError> {
        let url = self.url(steps)?;
        let range = (start > 0).then(|| format!("bytes={start}-{}", size.saturating_sub(1)));
        self.once(Method::GET, &url, range.as_deref(), Follow::All).await
    }

    /// Of what is no download, tried again where that may help.
    async fn retried(&self, method: Method, url: &Url, follow: Follow) -> Result<Response, RequestError> {
        for retry in 0..RETRIES {
            match self.once(method.clone(), url, None, follow).await {
                Err(error) if error.is_transient() => tokio::time::sleep(BACKOFF * 2_u32.pow(retry)).await,
                outcome => return outcome,
            }
        }
        self.once(method, url, None, follow).await
    }

    /// One request and its redirects.
    async fn once(
        &self,
        method: Method,
        url: &Url,
        range: Option<&str>,
        follow: Follow,
    ) -> Result<Response, RequestError> {
        let mut url = url.clone();
        let mut token = self.token.as_deref();
        for _ in 0..=MAX_REDIRECTS {
            if url.origin() != self.endpoint.origin() {
                token = None;
            }
            let mut request = self.http.request(method.clone(), url.clone());
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            if let Some(range) = range {
                request = request.header(RANGE, range);
            }
            let response = request.send().await?;
            let status = response.status();
            if status.is_client_error() || status.is_server_error() {
                let code = response.headers().get("x-error-code");
                let code = code.and_then(|code| code.to_str().ok()).map(str::to_owned);
                return Err(RequestError::Status {
                    status: status.as_u16(),
                    code,
                });
            }
            match next(&response, &url)? {
                Some(next) if follow == Follow::All || next.origin() == self.endpoint.origin() => url = next,
                _ => return Ok(response),
            }
        }
        Err(RequestError::Redirect("redirects without end"))
    }
}

/// Where an answer sends its asker, if it does.
fn next(response: &Response, url: &Url) -> Result<Option<Url>, RequestError> {
    let nowhere = RequestError::Redirect("a redirect to nowhere");
    let is_redirect = matches!(
        response.status(),
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    if !is_redirect {
        return Ok(None);
    }
    let location = response
        .headers()
        .get(LOCATION)
        .and_then(|place| place.to_str().ok());
    let Some(mut next) = location.and_then(|location| url.join(location).ok()) else {
        return Err(nowhere);
    };
    if !matches!(next.scheme(), "http" | "https") {
        return Err(nowhere);
    }
    // A redirect does not say who we are.
    if next.set_username("").and(next.set_password(None)).is_err() {
        return Err(nowhere);
    }
    Ok(Some(next))
}
