//! An S3-compatible store in memory that fails when it is told to.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::bucket::{Answer, Bucket};
use crate::loopback::Loopback;

/// A store that knows gets, lists, puts with `If-None-Match: *`, copies, uploads in parts and deletes: what a run asks of
/// S3. It believes every signature.
#[derive(Debug)]
pub struct StoreServer {
    shared: Arc<Shared>,
    server: Loopback,
}

/// How one request goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFault {
    /// 503, nothing done: a client asks again.
    Unavailable,
    /// 403, nothing done: no client asks again.
    Denied,
    /// The connection ends before the store has read the request to its end.
    RequestLost,
    /// The store does what it was asked to, and the connection ends before it has said so.
    AnswerLost,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    bucket: Bucket,
    /// Every request since the start: its method and key.
    requests: Vec<String>,
    authorizations: Vec<String>,
    fault: Option<(usize, StoreFault)>,
    hold: Option<(String, String)>,
    held_reads: Option<String>,
}

impl StoreServer {
    /// A store with nothing in it; every bucket is there.
    #[must_use]
    pub fn start() -> Self {
        let shared = Arc::<Shared>::default();
        let served = Arc::clone(&shared);
        let server = Loopback::accept(move |stream| serve(stream, Arc::clone(&served)));
        Self { shared, server }
    }

    /// What `AWS_ENDPOINT_URL` is to be.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Puts an object there, at `bucket/key`.
    pub fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        let objects = &mut self.shared.lock().bucket.objects;
        objects.insert(key.to_owned(), bytes.into());
    }

    /// Lets the request of this number go wrong, counted from 0 and from now on. Forgets the requests so far.
    pub fn fail(&self, number: usize, fault: StoreFault) {
        let mut state = self.shared.lock();
        state.requests.clear();
        state.fault = Some((number, fault));
    }

    /// From now on nothing goes wrong.
    pub fn heal(&self) {
        self.shared.lock().fault = None;
    }

    /// From now on what is there is written over even where it is asked not to.
    pub fn ignore_conditions(&self) {
        self.shared.lock().bucket.ignores_conditions = true;
    }

    /// Lets uploads to keys that contain `slow` wait until there is an object whose key contains `until`.
    pub fn hold(&self, slow: &str, until: &str) {
        self.shared.lock().hold = Some((slow.to_owned(), until.to_owned()));
    }

    /// Lets those who ask for keys that contain `key` wait until [`StoreServer::let_go`].
    pub fn hold_reads(&self, key: &str) {
        self.shared.lock().held_reads = Some(key.to_owned());
    }

    /// Answers all who wait.
    pub fn let_go(&self) {
        self.shared.lock().held_reads = None;
        self.shared.changed.notify_waiters();
    }

    /// The requests since the start or the last [`StoreServer::fail`]: `PUT bucket/key`.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.shared.lock().requests.clone()
    }

    /// The `Authorization` headers of all requests.
    #[must_use]
    pub fn authorizations(&self) -> Vec<String> {
        self.shared.lock().authorizations.clone()
    }

    /// All objects, by `bucket/key`.
    #[must_use]
    pub fn objects(&self) -> BTreeMap<String, Bytes> {
        self.shared.lock().bucket.objects.clone()
    }

    /// The number of uploads in parts that were begun and neither completed nor taken back.
    #[must_use]
    pub fn unfinished_uploads(&self) -> usize {
        self.shared.lock().bucket.uploads.len()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request, and says what will go wrong with it.
    fn begin(&self, request: &Request<Incoming>) -> Option<StoreFault> {
        let mut state = self.lock();
        let number = state.requests.len();
        let name = format!(
            "{} {}",
            request.method(),
            request.uri().path().trim_start_matches('/')
        );
        state.requests.push(name);
        if let Some(authorization) = request.headers().get(hyper::header::AUTHORIZATION) {
            let text = String::from_utf8_lossy(authorization.as_bytes()).into_owned();
            state.authorizations.push(text);
        }
        state
            .fault
            .filter(|(at, _)| *at == number)
            .map(|(_, fault)| fault)
    }

    /// Whether a request for this key is to wait still.
    fn is_held(&self, method: &hyper::Method, key: &str) -> bool {
        let state = self.lock();
        if *method != hyper::Method::PUT {
            return state.held_reads.as_ref().is_some_and(|held| key.contains(held));
        }
        let Some((slow, until)) = &state.hold else {
            return false;
        };
        key.contains(slow) && !state.bucket.objects.keys().any(|key| key.contains(until))
    }

    async fn answer(&self, request: Request<Incoming>) -> io::Result<Answer> {
        let fault = self.begin(&request);
        match fault {
            Some(StoreFault::RequestLost) => return Err(io::ErrorKind::ConnectionReset.into()),
            Some(StoreFault::Unavailable) => {
                return Ok((StatusCode::SERVICE_UNAVAILABLE, Vec::new(), Bytes::new()));
            }
            Some(StoreFault::Denied) => return Ok((StatusCode::FORBIDDEN, Vec::new(), Bytes::new())),
            Some(StoreFault::AnswerLost) | None => (),
        }
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        loop {
            let changed = self.changed.notified();
            if !self.is_held(&parts.method, parts.uri.path()) {
                break;
            }
            changed.await;
        }
        let answer = self
            .lock()
            .bucket
            .answer(&parts.method, &parts.uri, &parts.headers, body);
        self.changed.notify_waiters();
        match fault {
            Some(_) => Err(io::ErrorKind::ConnectionReset.into()),
            None => Ok(answer),
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move {
            let (status, headers, body) = shared.answer(request).await?;
            let builder = Response::builder().status(status);
            let response = headers
                .into_iter()
                .fold(builder, |builder, (name, value)| builder.header(name, value));
            response.body(Full::new(body)).map_err(io::Error::other)
        }
    });
    // A client that goes away early, and an answer that is lost, are no failures of the store.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
