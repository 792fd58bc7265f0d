//! A web site in memory.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    HeaderMap, Request, Response, StatusCode, Version,
    body::Incoming,
    header::{AUTHORIZATION, RANGE},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{Barrier, watch},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    certificate::{CertificateKind, Identity},
    loopback::Loopback,
    reply::Reply,
};

/// A web site whose pages stand in memory: paths answer with the replies put there, everything else with 404. `HEAD` and
/// a range of bytes (`bytes=FIRST-LAST`) of a page that is there are answered as the page's.
#[derive(Debug)]
pub struct StaticSite {
    pages: Arc<Pages>,
    server: Loopback,
    authority_pem: Option<String>,
}

/// What the last request for a path looked like.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The protocol it came by.
    pub version: Version,
    /// Its headers.
    pub headers: HeaderMap,
    /// What stood behind the path's `?`.
    pub query: Option<String>,
}

#[derive(Debug, Default)]
struct Pages {
    state: Mutex<State>,
    /// Replies sent so far.
    sent: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    pages: HashMap<String, Page>,
    requests: HashMap<String, usize>,
    last: HashMap<String, Asked>,
    connections: usize,
    in_flight: usize,
    most_in_flight: usize,
}

#[derive(Debug)]
struct Page {
    replies: Vec<Reply>,
    together: Arc<Barrier>,
}

impl StaticSite {
    /// An empty site over plain HTTP/1.1.
    #[must_use]
    pub fn start() -> Self {
        let pages = Arc::<Pages>::default();
        let served = Arc::clone(&pages);
        let server = Loopback::accept(move |stream| serve(stream, Arc::clone(&served), false));
        Self {
            pages,
            server,
            authority_pem: None,
        }
    }

    /// An empty site over TLS as `localhost`, by HTTP/2 or HTTP/1.1 as the client prefers.
    #[must_use]
    pub fn start_tls(certificate: CertificateKind) -> Self {
        let Identity {
            acceptor,
            authority_pem,
        } = Identity::new(certificate);
        let pages = Arc::<Pages>::default();
        let served = Arc::clone(&pages);
        let server = Loopback::accept(move |stream| serve_tls(stream, acceptor.clone(), Arc::clone(&served)));
        Self {
            pages,
            server,
            authority_pem: Some(authority_pem),
        }
    }

    /// The authority that vouches for the site's certificate, in PEM form; none for a site without TLS.
    #[must_use]
    pub fn authority_pem(&self) -> Option<&str> {
        self.authority_pem.as_deref()
    }

    /// Lets `path` (with its leading `/`, without a query) answer `reply` from now on.
    pub fn put(&self, path: impl Into<String>, reply: Reply) {
        self.put_sequence(path, [reply]);
    }

    /// Lets `path` answer one reply after the other, and then the last one for ever.
    pub fn put_sequence(&self, path: impl Into<String>, replies: impl IntoIterator<Item = Reply>) {
        let replies: Vec<Reply> = replies.into_iter().collect();
        let count = replies.iter().map(|reply| reply.together).max().unwrap_or(1);
        self.pages.lock().pages.insert(
            path.into(),
            Page {
                replies,
                together: Arc::new(Barrier::new(count)),
            },
        );
    }

    /// The URL of `path`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        let address = self.address();
        match self.authority_pem {
            Some(_) => format!("https://localhost:{}{path}", address.port()),
            None => format!("http://{address}{path}"),
        }
    }

    /// Where the site listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// How often `path` was asked for.
    #[must_use]
    pub fn requests(&self, path: &str) -> usize {
        self.pages.lock().requests.get(path).copied().unwrap_or(0)
    }

    /// How often anything was asked for.
    #[must_use]
    pub fn total_requests(&self) -> usize {
        self.pages.lock().requests.values().sum()
    }

    /// How many connections were made.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.pages.lock().connections
    }

    /// The most requests that were being answered at one time.
    #[must_use]
    pub fn most_in_flight(&self) -> usize {
        self.pages.lock().most_in_flight
    }

    /// The last request for `path`, if there was one.
    #[must_use]
    pub fn last_request(&self, path: &str) -> Option<Asked> {
        self.pages.lock().last.get(path).cloned()
    }
}

impl Pages {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request and finds the reply that is due, with the barrier to wait at before it is sent.
    fn begin(&self, request: &Request<Incoming>) -> Option<(Reply, Arc<Barrier>)> {
        let path = request.uri().path();
        let asked = Asked {
            version: request.version(),
            headers: request.headers().clone(),
            query: request.uri().query().map(str::to_owned),
        };
        let mut guard = self.lock();
        let state = &mut *guard;
        state.in_flight += 1;
        state.most_in_flight = state.most_in_flight.max(state.in_flight);
        state.last.insert(path.to_owned(), asked);
        let count = state.requests.entry(path.to_owned()).or_default();
        let place = *count;
        *count += 1;
        let page = state.pages.get(path)?;
        let reply = page.replies.get(place).or(page.replies.last())?;
        Some((reply.clone(), Arc::clone(&page.together)))
    }
}

async fn serve_tls(stream: TcpStream, acceptor: TlsAcceptor, pages: Arc<Pages>) {
    // A client that does not trust the certificate goes away here.
    if let Ok(stream) = acceptor.accept(stream).await {
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        serve(stream, pages, http2).await;
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, pages: Arc<Pages>, http2: bool) {
    pages.lock().connections += 1;
    let service = service_fn(move |request| answer(Arc::clone(&pages), request));
    let stream = TokioIo::new(stream);
    // A client that goes away early is no failure of the site.
    let _ = if http2 {
        http2::Builder::new(TokioExecutor::new())
            .serve_connection(stream, service)
            .await
    } else {
        http1::Builder::new().serve_connection(stream, service).await
    };
}

async fn answer(pages: Arc<Pages>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let due = pages.begin(&request);
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let (range, authorization) = (header(RANGE), header(AUTHORIZATION));
    let response = match due {
        Some((reply, together)) => {
            together.wait().await;
            // It fails only when the sender is gone, which is here.
            let _ = pages.sent.subscribe().wait_for(|sent| *sent >= reply.after).await;
            let reply = reply.for_whom(authorization);
            response_of(match range {
                Some(range) => reply.part(range),
                None => reply,
            })
        }
        None => response_of(Reply::status(404)),
    };
    pages.lock().in_flight -= 1;
    pages.sent.send_modify(|sent| *sent += 1);
    Ok(response)
}

fn response_of(reply: Reply) -> Response<Full<Bytes>> {
    let built = reply
        .headers
        .iter()
        .fold(
            Response::builder().status(reply.status),
            |builder, (name, value)| builder.header(name, value),
        )
        .body(Full::new(reply.body));
    built.unwrap_or_else(|error| {
        let mut response = Response::new(Full::new(Bytes::from(error.to_string())));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}
