//! A thread that listens on loopback and ends, with all its connections, when dropped.

use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr, TcpListener as StdListener},
    thread::JoinHandle,
};

use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    sync::oneshot,
};

/// A server thread with its own runtime.
#[derive(Debug)]
pub(crate) struct Loopback {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Loopback {
    /// Accepts connections and gives each to `serve`, as a task of its own.
    pub(crate) fn accept<Serve, Served>(serve: Serve) -> Self
    where
        Serve: Fn(TcpStream) -> Served + Send + 'static,
        Served: Future<Output = ()> + Send + 'static,
    {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a port on loopback");
        listener
            .set_nonblocking(true)
            .expect("make the listener non-blocking");
        let address = listener.local_addr().expect("read the listener's address");
        Self::run(address, async move {
            let listener = TcpListener::from_std(listener).expect("register the listener");
            loop {
                // A connection that dies before it is accepted is the peer's affair.
                if let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream));
                }
            }
        })
    }

    /// Runs `work`, which listens on `address`, until dropped.
    pub(crate) fn run(address: SocketAddr, work: impl Future<Output = ()> + Send + 'static) -> Self {
        let (stop, stopped) = oneshot::channel();
        let runtime: Runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("build a runtime");
        let thread = std::thread::Builder::new()
            .name("test-server".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    tokio::select! {
                        _ = stopped => (),
                        () = work => (),
                    }
                });
            })
            .expect("start the server's thread");
        Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread's panic has been printed by then; a second one here would abort the test run.
            let _ = thread.join();
        }
    }
}
