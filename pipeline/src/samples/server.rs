//! The set behind HTTP/1 on a local address.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::set::{SampleResponse, SampleSet};

/// How long accepting rests when the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running server of a [`SampleSet`]. Dropping it stops it: nothing more is accepted, answers in work go out.
#[derive(Debug)]
pub struct SampleServer {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl SampleServer {
    /// Listens on `address` (port 0: any free one) and serves the set until stopped.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub async fn start(set: SampleSet, address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(accept(listener, Arc::new(set), stop.clone(), tasks.clone()));
        Ok(Self { address, stop, tasks })
    }

    /// The set's URL, without a slash at its end.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops, and waits until the last answer has gone out.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for SampleServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(listener: TcpListener, set: Arc<SampleSet>, stop: CancellationToken, tasks: TaskTracker) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    tasks.spawn(serve(stream, Arc::clone(&set), stop.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the sample server could not accept a connection");
                    stop.run_until_cancelled(tokio::time::sleep(ACCEPT_PAUSE)).await;
                }
            }
        }
    }
}

/// Serves one connection until the client closes it or the server stops.
async fn serve(stream: TcpStream, set: Arc<SampleSet>, stop: CancellationToken) {
    let service = service_fn(move |request| answer(request, Arc::clone(&set)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the sample server broke");
    }
}

async fn answer<Body>(
    request: Request<Body>,
    set: Arc<SampleSet>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() != Method::GET {
        let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is served here");
        refusal
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET"));
        return Ok(refusal);
    }
    let path = request.uri().path().to_owned();
    // Drawing and encoding take milliseconds of work: not on the runtime's threads.
    let made = tokio::task::spawn_blocking(move || set.response(&path)).await;
    Ok(match made {
        Ok(Ok(response)) => to_http(response),
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    })
}

fn to_http(sample: SampleResponse) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(sample.body));
    *response.status_mut() = sample.status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(sample.content_type));
    if let Some(location) = sample
        .location
        .and_then(|location| HeaderValue::try_from(location).ok())
    {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn failed(error: &(dyn std::error::Error + 'static)) -> Response<Full<Bytes>> {
    tracing::error!(error, "a sample could not be made");
    plain(StatusCode::INTERNAL_SERVER_ERROR, "the sample could not be made")
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    /// The whole answer, head and body, to one request.
    async fn ask(address: SocketAddr, method: &str, path: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\nhost: samples\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn pictures_come_over_http_as_the_set_has_them() {
        let server = SampleServer::start(SampleSet::new(8), ANY_PORT).await.unwrap();
        let set = SampleSet::new(8);
        for sample in set.samples() {
            let answer = ask(server.address, "GET", &sample.path).await;
            let expected = set.response(&sample.path).unwrap();
            let status = format!("HTTP/1.1 {} ", expected.status.as_str());
            assert!(answer.starts_with(status.as_bytes()), "{}", sample.path);
            assert!(answer.ends_with(&expected.body), "{}", sample.path);
            let head = String::from_utf8_lossy(&answer);
            assert_eq!(
                head.contains("location: /moved/pictures/"),
                expected.location.is_some()
            );
        }
        server.stop().await;
    }

    #[tokio::test]
    async fn what_is_not_a_get_is_refused() {
        let server = SampleServer::start(SampleSet::new(1), ANY_PORT).await.unwrap();
        assert!(
            ask(server.address, "DELETE", "/")
                .await
                .starts_with(b"HTTP/1.1 405 ")
        );
    }

    #[tokio::test]
    async fn a_stopped_server_ends_its_tasks_and_closes_idle_connections() {
        let server = SampleServer::start(SampleSet::new(1), ANY_PORT).await.unwrap();
        let address = server.address;
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(b"GET / HTTP/1.1\r\nhost: samples\r\n\r\n")
            .await
            .unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"</html>\n") {
            assert_ne!(
                idle.read_buf(&mut answer).await.unwrap(),
                0,
                "the answer was cut off"
            );
        }
        server.stop().await;
        assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0);
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn a_dropped_server_stops_listening() {
        let server = SampleServer::start(SampleSet::new(1), ANY_PORT).await.unwrap();
        let (address, tasks) = (server.address, server.tasks.clone());
        drop(server);
        tasks.close();
        tasks.wait().await;
        assert!(TcpStream::connect(address).await.is_err());
    }
}
