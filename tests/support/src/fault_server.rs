//! A web site that breaks in every way a server can.

use std::{
    collections::HashMap,
    io::{self, Write},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{fault::Fault, loopback::Loopback};

/// A server on plain sockets, because a good HTTP library would not misbehave like this.
///
/// It takes requests in absolute form too, so it can stand in for an HTTP proxy.
#[derive(Debug)]
pub struct FaultServer {
    state: Arc<State>,
    server: Loopback,
}

#[derive(Debug)]
struct State {
    body: Bytes,
    requests: Mutex<HashMap<Fault, usize>>,
}

/// How long [`Fault::Drip`] waits between two bytes.
const DRIP: Duration = Duration::from_millis(20);

impl FaultServer {
    /// A server whose good answers have this body; give it more than 5 bytes.
    #[must_use]
    pub fn start(body: impl Into<Bytes>) -> Self {
        let state = Arc::new(State {
            body: body.into(),
            requests: Mutex::default(),
        });
        let served = Arc::clone(&state);
        let server = Loopback::accept(move |stream| {
            let state = Arc::clone(&served);
            async move {
                // The client goes away in the middle of most of this.
                let _ = state.serve(stream).await;
            }
        });
        Self { state, server }
    }

    /// The URL that has the fault.
    #[must_use]
    pub fn url(&self, fault: Fault) -> String {
        format!("http://{}{}", self.address(), fault.path())
    }

    /// Where the server listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// How often the fault was asked for.
    #[must_use]
    pub fn requests(&self, fault: Fault) -> usize {
        self.state
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&fault)
            .copied()
            .unwrap_or(0)
    }
}

impl State {
    async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let address = stream.local_addr()?;
        let Some(fault) = fault_asked_for(&mut stream).await? else {
            return stream.write_all(&answer("404 Not Found", &[], b"")).await;
        };
        let first = {
            let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
            let count = requests.entry(fault).or_default();
            *count += 1;
            *count == 1
        };
        match fault {
            Fault::StallBeforeHeaders => wait_for_close(&mut stream).await,
            Fault::StallInBody => {
                stream.write_all(&self.half()).await?;
                wait_for_close(&mut stream).await
            }
            Fault::ResetInBody => self.reset(stream).await,
            Fault::ResetInBodyOnce if first => self.reset(stream).await,
            Fault::Drip => {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
                    .await?;
                repeat(stream, b"x", DRIP).await
            }
            Fault::DripNoLength => {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")
                    .await?;
                repeat(stream, b"x", DRIP).await
            }
            Fault::EndlessBody => {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                    .await?;
                repeat(
                    stream,
                    &[b"4000\r\n", &[b'x'; 0x4000][..], b"\r\n"].concat(),
                    Duration::ZERO,
                )
                .await
            }
            Fault::EndlessHeaders => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
                repeat(stream, &b"x-more: and more\r\n".repeat(1000), Duration::ZERO).await
            }
            _ => {
                stream.write_all(&self.answer_to(fault, first, address)).await?;
                stream.shutdown().await
            }
        }
    }

    /// What a fault that is a matter of bytes alone sends before it closes.
    fn answer_to(&self, fault: Fault, first: bool, address: SocketAddr) -> Vec<u8> {
        let body = &self.body;
        let redirect = |location: &str| answer("302 Found", &[&format!("location: {location}")], b"");
        let raw =
            |head: &str, body: &[u8]| [b"HTTP/1.1 200 OK\r\n", head.as_bytes(), b"\r\n\r\n", body].concat();
        let half = &body[..body.len() / 2];
        match fault {
            Fault::LongContentLength => raw("content-length: 1000000", body),
            Fault::ShortContentLength => raw("content-length: 5\r\nconnection: close", body),
            Fault::NoContentLength => raw("connection: close", body),
            Fault::TwoContentLengths => raw("content-length: 5\r\ncontent-length: 6", body),
            Fault::HugeContentLength => raw("content-length: 1099511627776", b""),
            Fault::Chunked => raw(
                "transfer-encoding: chunked",
                &[&chunk(body)[..], b"0\r\n\r\n"].concat(),
            ),
            Fault::ChunkedGarbage => raw(
                "transfer-encoding: chunked",
                &[&chunk(half)[..], b"no number\r\n"].concat(),
            ),
            Fault::ChunkedBroken => raw("transfer-encoding: chunked", &chunk(half)),
            Fault::MegabyteHeaders => raw(&format!("x-big: {}", "x".repeat(1 << 20)), b""),
            Fault::GzipBomb => answer("200 OK", &["content-encoding: gzip"], &gzipped_zeros()),
            Fault::RedirectLoop => redirect(fault.path()),
            Fault::RedirectNowhere => answer("302 Found", &[], b""),
            Fault::RedirectToLoopback => redirect(&format!("http://{address}/")),
            Fault::RedirectToMetadata => redirect("http://169.254.169.254/latest/meta-data/"),
            Fault::RedirectToMappedPrivate => redirect("http://[::ffff:10.0.0.1]/"),
            Fault::RedirectToFile => redirect("file:///etc/passwd"),
            Fault::RedirectToMailPort => redirect("http://example.com:25/"),
            Fault::NotHttp => b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(),
            Fault::CloseAtOnce => Vec::new(),
            Fault::ErrorOnce if first => answer("500 Internal Server Error", &[], b""),
            Fault::UnavailableOnce if first => answer("503 Service Unavailable", &[], b""),
            Fault::TooManyRequestsOnce if first => answer("429 Too Many Requests", &["retry-after: 0"], b""),
            Fault::TooManyRequests => answer("429 Too Many Requests", &["retry-after: 3600"], b""),
            _ => answer("200 OK", &[], body),
        }
    }

    async fn reset(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.write_all(&self.half()).await?;
        // Makes the close a reset, of which the peer may lose even what was sent.
        stream.set_zero_linger()
    }

    /// An answer that ends in the middle of its body.
    fn half(&self) -> Vec<u8> {
        let mut whole = answer("200 OK", &[], &self.body);
        whole.truncate(whole.len() - self.body.len() / 2);
        whole
    }
}

/// Reads a request's head. None if its path is no fault's.
async fn fault_asked_for(stream: &mut TcpStream) -> io::Result<Option<Fault>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let head = String::from_utf8_lossy(&head);
    let target = head.split(' ').nth(1).unwrap_or_default();
    // `http://host/path`, as a proxy is asked, or `/path`.
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => target,
    };
    Ok(Fault::ALL.iter().copied().find(|fault| fault.path() == path))
}

async fn wait_for_close(stream: &mut TcpStream) -> io::Result<()> {
    while stream.read(&mut [0; 64]).await? > 0 {}
    Ok(())
}

async fn repeat(mut stream: TcpStream, bytes: &[u8], pause: Duration) -> io::Result<()> {
    loop {
        stream.write_all(bytes).await?;
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
}

fn answer(status: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let headers: String = headers.iter().flat_map(|header| [header, "\r\n"]).collect();
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn gzipped_zeros() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let zeros = [0; 1 << 16];
    (0..256)
        .try_for_each(|_| encoder.write_all(&zeros))
        .expect("compress into memory");
    encoder.finish().expect("compress into memory")
}
