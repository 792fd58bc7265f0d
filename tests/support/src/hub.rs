//! A hub of models, as the Hugging Face hub answers, with the store that it redirects to.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    Method, Request, Response,
    body::{Frame, Incoming},
    header::{AUTHORIZATION, RANGE},
    http::response::Builder,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;

use crate::loopback::Loopback;

/// A hub of one repository. Files that end in `.bin` or `.safetensors` lie in a store at another port, as large files
/// do; the others are answered by the hub itself.
#[derive(Debug)]
pub struct HubServer {
    state: Arc<Shared>,
    hub: Loopback,
    _store: Loopback,
}

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubRequest {
    /// Whether the store was asked, rather than the hub.
    pub at_store: bool,
    /// `GET` or `HEAD`.
    pub method: String,
    /// The path.
    pub path: String,
    /// The `Range` header.
    pub range: Option<String>,
    /// The `Authorization` header.
    pub authorization: Option<String>,
}

/// What a hub or its store does wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HubFault {
    /// The first body breaks off after so many bytes.
    CutOnce(usize),
    /// Every body breaks off after so many bytes.
    Cut(usize),
    /// Another byte stands at the end than the digest tells.
    WrongByte,
    /// The last byte is not sent.
    Short,
    /// Ranges are ignored: the whole file is sent.
    NoRanges,
}

#[derive(Debug, Default)]
struct State {
    repository: String,
    /// Commits by revision.
    revisions: HashMap<String, String>,
    /// Files by commit and path.
    files: HashMap<(String, String), Bytes>,
    token: Option<String>,
    is_gated: bool,
    faults: HashMap<String, HubFault>,
    seen: Vec<HubRequest>,
    store: String,
    wanders: bool,
    stated_size: Option<u64>,
}

type Shared = Mutex<State>;
type Body = BoxBody<Bytes, std::io::Error>;

impl HubServer {
    /// A hub with this repository, empty.
    #[must_use]
    pub fn start(repository: &str) -> Self {
        let state = Arc::<Shared>::default();
        let serve = |at_store: bool| {
            let state = Arc::clone(&state);
            Loopback::accept(move |stream| serve(stream, Arc::clone(&state), at_store))
        };
        let (hub, store) = (serve(false), serve(true));
        {
            let mut state = lock(&state);
            repository.clone_into(&mut state.repository);
            state.store = format!("http://{}", store.address());
        }
        Self {
            state,
            hub,
            _store: store,
        }
    }

    /// Lets `revision` stand at a commit that holds these files.
    pub fn publish(&self, revision: &str, commit: &str, files: &[(&str, Vec<u8>)]) {
        let mut state = lock(&self.state);
        state.revisions.insert(revision.to_owned(), commit.to_owned());
        state.revisions.insert(commit.to_owned(), commit.to_owned());
        for (path, bytes) in files {
            let key = (commit.to_owned(), (*path).to_owned());
            state.files.insert(key, bytes.clone().into());
        }
    }

    /// Shows nothing to requests without this token; a gated repository is seen, but not its files.
    pub fn require_token(&self, token: &str, is_gated: bool) {
        let mut state = lock(&self.state);
        state.token = Some(token.to_owned());
        state.is_gated = is_gated;
    }

    /// Lets the file be served with this fault from now on.
    pub fn break_file(&self, path: &str, fault: HubFault) {
        lock(&self.state).faults.insert(path.to_owned(), fault);
    }

    /// Lets the hub send all that is asked of it to the store, and the store everybody on to another path of its own
    /// first: a foreign host that redirects within itself.
    pub fn wander(&self) {
        lock(&self.state).wanders = true;
    }

    /// Lets the hub state this size of every large file.
    pub fn state_size(&self, bytes: u64) {
        lock(&self.state).stated_size = Some(bytes);
    }

    /// Serves all files as they are again.
    pub fn repair(&self) {
        lock(&self.state).faults.clear();
    }

    /// What to set `HF_ENDPOINT` to.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.hub.address())
    }

    /// The requests since this was called last.
    pub fn take_requests(&self) -> Vec<HubRequest> {
        std::mem::take(&mut lock(&self.state).seen)
    }
}

fn lock(state: &Shared) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(stream: TcpStream, state: Arc<Shared>, at_store: bool) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = lock(&state).answer(&request, at_store);
        async move { response }
    });
    // A body that breaks off ends its connection, as meant.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

impl State {
    fn answer(
        &mut self,
        request: &Request<Incoming>,
        at_store: bool,
    ) -> Result<Response<Body>, hyper::http::Error> {
        let header = |name| {
            let value = request.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let seen = HubRequest {
            at_store,
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            range: header(RANGE),
            authorization: header(AUTHORIZATION),
        };
        self.seen.push(seen.clone());
        let is_head = request.method() == Method::HEAD;
        let path = seen.path.trim_start_matches('/').to_owned();
        if at_store {
            return self.answer_as_store(&path, &seen, is_head);
        }
        if self.wanders && path.starts_with("api/") {
            return sent_on(&format!("{}/{path}", self.store));
        }
        let is_known = self
            .token
            .as_ref()
            .is_none_or(|token| seen.authorization == Some(format!("Bearer {token}")));
        if let Some(rest) = path.strip_prefix("api/models/") {
            return match rest.split_once("/revision/") {
                Some((repository, _)) if repository != self.repository => refusal(404, "RepoNotFound"),
                _ if !is_known && !self.is_gated => refusal(401, "RepoNotFound"),
                Some((_, revision)) => self.info(&revision.replace("%2F", "/")),
                None => refusal(404, "RepoNotFound"),
            };
        }
        let resolve = format!("{}/resolve/", self.repository);
        let place = path.strip_prefix(&resolve).and_then(|rest| rest.split_once('/'));
        match place.and_then(|(revision, file)| self.file(self.revisions.get(revision)?, file)) {
            Some(_) if !is_known => refusal(401, "GatedRepo"),
            Some((file, bytes)) => self.resolve(&file, &bytes, &seen, is_head),
            None => refusal(404, "EntryNotFound"),
        }
    }

    fn answer_as_store(
        &mut self,
        path: &str,
        seen: &HubRequest,
        is_head: bool,
    ) -> Result<Response<Body>, hyper::http::Error> {
        let path = match path.strip_prefix("again/") {
            Some(path) => path,
            None if self.wanders => return sent_on(&format!("/again/{path}")),
            None => path,
        };
        if let Some((_, revision)) = path.split_once("/revision/") {
            return self.info(&revision.replace("%2F", "/"));
        }
        match path
            .split_once('/')
            .and_then(|(commit, file)| self.file(commit, file))
        {
            Some((file, bytes)) => self.content(Response::builder(), &file, &bytes, seen, is_head),
            None => refusal(404, "EntryNotFound"),
        }
    }

    fn file(&self, commit: &str, file: &str) -> Option<(String, Bytes)> {
        let bytes = self.files.get(&(commit.to_owned(), file.to_owned()))?;
        Some((file.to_owned(), bytes.clone()))
    }

    /// `/api/models/REPOSITORY/revision/REVISION`
    fn info(&self, revision: &str) -> Result<Response<Body>, hyper::http::Error> {
        let Some(commit) = self.revisions.get(revision) else {
            return refusal(404, "RevisionNotFound");
        };
        let files: Vec<String> = self
            .files
            .keys()
            .filter(|(at, _)| at == commit)
            .map(|(_, path)| format!("{{\"rfilename\":\"{path}\"}}"))
            .collect();
        let json = format!(
            "{{\"_id\":\"0\",\"id\":\"{}\",\"sha\":\"{commit}\",\"siblings\":[{}]}}",
            self.repository,
            files.join(",")
        );
        Response::builder()
            .header("content-type", "application/json")
            .body(full(json.into()))
    }

    /// `/REPOSITORY/resolve/REVISION/FILE`
    fn resolve(
        &mut self,
        file: &str,
        bytes: &Bytes,
        seen: &HubRequest,
        is_head: bool,
    ) -> Result<Response<Body>, hyper::http::Error> {
        let rest = seen.path.rsplit_once("/resolve/").map_or("", |(_, rest)| rest);
        let revision = rest.split('/').next().unwrap_or_default();
        let commit = self.revisions.get(revision).cloned().unwrap_or_default();
        let builder = Response::builder().header("x-repo-commit", &commit);
        if file.ends_with(".bin") || file.ends_with(".safetensors") {
            let digest = hexadecimal(&Sha256::digest(bytes));
            return builder
                .status(302)
                .header("location", format!("{}/{commit}/{file}", self.store))
                .header("x-linked-etag", format!("\"{digest}\""))
                .header("x-linked-size", self.stated_size.unwrap_or(bytes.len() as u64))
                .header("etag", "\"the pointer's\"")
                .body(full(Bytes::new()));
        }
        let object = Sha1::new()
            .chain_update(format!("blob {}\0", bytes.len()))
            .chain_update(bytes);
        let builder = builder.header("etag", format!("\"{}\"", hexadecimal(&object.finalize())));
        self.content(builder, file, bytes, seen, is_head)
    }

    /// The bytes, or the range asked for.
    fn content(
        &mut self,
        builder: Builder,
        file: &str,
        bytes: &Bytes,
        seen: &HubRequest,
        is_head: bool,
    ) -> Result<Response<Body>, hyper::http::Error> {
        let fault = self.faults.get(file).copied();
        let first = seen
            .range
            .as_ref()
            .filter(|_| fault != Some(HubFault::NoRanges))
            .and_then(|range| range.strip_prefix("bytes=")?.split('-').next()?.parse().ok());
        let start: usize = first.unwrap_or(0);
        let mut sent = bytes.slice(start..).to_vec();
        match fault {
            Some(HubFault::WrongByte) => sent.last_mut().into_iter().for_each(|byte| *byte ^= 1),
            Some(HubFault::Short) => drop(sent.pop()),
            _ => {}
        }
        let builder = builder.header("content-length", sent.len());
        let builder = match first {
            Some(_) => builder.status(206).header(
                "content-range",
                format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len()),
            ),
            None => builder,
        };
        if is_head {
            return builder.body(full(Bytes::new()));
        }
        match fault {
            Some(HubFault::CutOnce(length) | HubFault::Cut(length)) => {
                if matches!(fault, Some(HubFault::CutOnce(_))) {
                    self.faults.remove(file);
                }
                sent.truncate(length);
                builder.body(broken(sent.into()))
            }
            _ => builder.body(full(sent.into())),
        }
    }
}

fn sent_on(location: &str) -> Result<Response<Body>, hyper::http::Error> {
    Response::builder()
        .status(302)
        .header("location", location)
        .body(full(Bytes::new()))
}

fn refusal(status: u16, code: &str) -> Result<Response<Body>, hyper::http::Error> {
    Response::builder()
        .status(status)
        .header("x-error-code", code)
        .body(full(Bytes::new()))
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

/// A body that is sent as far as it goes, and then fails.
fn broken(bytes: Bytes) -> Body {
    let frames = stream::unfold(Some(bytes), |left| async move {
        match left {
            Some(bytes) => Some((Ok(Frame::data(bytes)), None)),
            None => {
                // Waiting once lets the server send what it has.
                tokio::task::yield_now().await;
                Some((Err(std::io::ErrorKind::ConnectionReset.into()), None))
            }
        }
    });
    StreamBody::new(frames).boxed()
}

fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
