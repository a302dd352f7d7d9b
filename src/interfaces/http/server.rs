//! Listening, on a runtime of its own whose threads yield to the engine's, and stopping in order.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::parts::Parts;
use super::state::Api;
use super::{router, tls};
use crate::domain::limits;

/// How much of the processor's favour the server gives up for the engine: whoever watches must not slow what they watch.
const NICE: i32 = 10;
/// Threads of the server's runtime.
const THREADS: usize = 2;
/// Between two tries after the system refused a connection (no file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Most bytes that wait in a connection for a client to take them.
const WRITE_BYTES: usize = 64 * 1024;
/// Most bytes that wait in the kernel for the same; it takes twice as much for its own needs.
const SEND_BYTES: usize = 256 * 1024;

/// How connections are protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Security {
    /// Not at all: for this machine alone.
    Plain,
    /// With a certificate and its key.
    Tls {
        /// The chain, PEM.
        certificate: PathBuf,
        /// The key, PEM.
        key: PathBuf,
    },
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Others could reach it without encryption.
    #[error("{addr} can be reached from other machines, and connections would not be encrypted")]
    Exposed {
        /// Where it should have listened.
        addr: SocketAddr,
    },
    /// The certificate or its key cannot be used.
    #[error("the certificate cannot be used: {0}")]
    Certificate(String),
    /// The address cannot be had.
    #[error("cannot listen at {addr}")]
    Listen {
        /// Where.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused a thread.
    #[error("cannot start the server")]
    Start(#[source] io::Error),
}

/// Refuses to be reached from other machines without encryption.
pub fn check_exposure(addr: SocketAddr, security: &Security) -> Result<(), ServeError> {
    match security {
        Security::Plain if !addr.ip().is_loopback() => Err(ServeError::Exposed { addr }),
        Security::Plain | Security::Tls { .. } => Ok(()),
    }
}

/// A server at work. Dropping it leaves it running until the process ends; [`Running::stop`] ends it in order.
#[derive(Debug)]
pub struct Running {
    addr: SocketAddr,
    stopping: CancellationToken,
    thread: std::thread::JoinHandle<()>,
}

impl Running {
    /// Listens at `addr` and begins to serve.
    pub fn start(addr: SocketAddr, security: &Security, parts: Parts) -> Result<Self, ServeError> {
        check_exposure(addr, security)?;
        let acceptor = match security {
            Security::Plain => None,
            Security::Tls { certificate, key } => {
                Some(tls::acceptor(certificate, key).map_err(ServeError::Certificate)?)
            }
        };
        let refused = |source| ServeError::Listen { addr, source };
        let listener = TcpListener::bind(addr).map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        let addr = listener.local_addr().map_err(refused)?;
        let stopping = CancellationToken::new();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .worker_threads(THREADS)
            .thread_name("wfctl-http")
            .on_thread_start(|| {
                // Refused where the system does not know it: then all threads are equal.
                let _ = rustix::process::nice(NICE);
            })
            .build()
            .map_err(ServeError::Start)?;
        let stop = stopping.clone();
        let serve = move || {
            runtime.block_on(async move {
                match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => serve(listener, acceptor, Api::new(parts, stop.clone()), stop).await,
                    Err(error) => tracing::error!(%error, "the server does not listen"),
                }
            });
            runtime.shutdown_background();
        };
        let thread = std::thread::Builder::new().name("wfctl-http".to_owned()).spawn(serve);
        Ok(Self { addr, stopping, thread: thread.map_err(ServeError::Start)? })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Takes no more connections, ends the streams, lets requests finish for a bounded time.
    pub async fn stop(self) {
        self.stopping.cancel();
        // A panic of that thread was told already.
        let _ = tokio::task::spawn_blocking(move || self.thread.join()).await;
    }
}

async fn serve(
    listener: tokio::net::TcpListener,
    acceptor: Option<TlsAcceptor>,
    api: Arc<Api>,
    stopping: CancellationToken,
) {
    forget_old_requests(api.clone());
    let app = router::router(api);
    let places = Arc::new(Semaphore::new(limits::API_CONNECTIONS));
    let (graceful, connections) = (GracefulShutdown::new(), TaskTracker::new());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            tracing::warn!("a connection was refused: there are {} already", limits::API_CONNECTIONS);
            continue;
        };
        // An answer is written as soon as there is something of it.
        let _ = stream.set_nodelay(true);
        // Of what nobody reads the kernel keeps no more than this, where it would keep megabytes for each client.
        let _ = rustix::net::sockopt::set_socket_send_buffer_size(&stream, SEND_BYTES);
        let (app, acceptor, watcher) = (app.clone(), acceptor.clone(), graceful.watcher());
        connections.spawn(async move {
            let _place = place;
            match acceptor {
                None => connection(stream, app, watcher).await,
                Some(acceptor) => {
                    let shaking = acceptor.accept(stream);
                    match tokio::time::timeout(Duration::from_millis(limits::API_HEAD_MS), shaking).await {
                        Ok(Ok(stream)) => connection(stream, app, watcher).await,
                        Ok(Err(error)) => tracing::debug!(%error, "no encrypted connection"),
                        Err(_) => tracing::debug!("no encrypted connection in time"),
                    }
                }
            }
        });
    }
    drop(listener);
    connections.close();
    let stopped = async {
        graceful.shutdown().await;
        connections.wait().await;
    };
    if tokio::time::timeout(Duration::from_millis(limits::API_STOP_MS), stopped).await.is_err() {
        tracing::warn!("connections were still open when the server stopped");
    }
}

/// Clears up behind earlier servers, beside everything else.
fn forget_old_requests(api: Arc<Api>) {
    tokio::task::spawn_blocking(move || {
        if let Err(error) = api.remembered.forget_old(api.parts.launcher.now()) {
            tracing::warn!(%error, "old idempotency keys were not forgotten");
        }
    });
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, app: axum::Router, watcher: Watcher) {
    let mut builder = Builder::new(TokioExecutor::new());
    let head = Duration::from_millis(limits::API_HEAD_MS);
    builder.http1().timer(TokioTimer::new()).header_read_timeout(head).max_buf_size(WRITE_BYTES);
    builder.http2().timer(TokioTimer::new()).max_send_buf_size(WRITE_BYTES);
    let serving = builder.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(app));
    if let Err(error) = watcher.watch(serving.into_owned()).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_encryption_only_this_machine_is_served() {
        let tls = Security::Tls { certificate: "c".into(), key: "k".into() };
        for addr in ["127.0.0.1:1", "[::1]:1"] {
            assert!(check_exposure(addr.parse().unwrap(), &Security::Plain).is_ok(), "{addr}");
        }
        for addr in ["0.0.0.0:1", "[::]:1", "192.168.0.1:1"] {
            assert!(check_exposure(addr.parse().unwrap(), &Security::Plain).is_err(), "{addr}");
            assert!(check_exposure(addr.parse().unwrap(), &tls).is_ok(), "{addr}");
        }
    }
}
