//! The two listeners: bound, served, stopped. On hyper itself, because a slow or silent client has to be cut off while it
//! still sends headers, before any router sees it.

pub mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use rustix::process::{Resource, getrlimit};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

use self::tls::{Tls, TlsError};
use super::routes::{ListenerService, internal_router, public_router};
use crate::app::App;
use crate::config::{Shutdown, TlsFiles};

/// Longest time for the headers of a request, and longest silence between two requests on a connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest head of a request, in bytes: request line, all headers, and the line that ends them. hyper refuses a larger one
/// with 431 by itself. Its buffer has the same size, and alone would let through what the last read added to it.
const HEADER_LIMIT: usize = 32 << 10;
/// Most connections of a listener, where the system's limit of open files does not ask for fewer. Further ones wait in
/// the listener's queue.
const MAX_CONNECTIONS: u64 = 10_000;

/// Both listeners, bound and not yet served.
pub struct Listeners {
    public: TcpListener,
    internal: TcpListener,
    certificates: Certificates,
}

/// The TLS of the listeners that have any. Cheap to clone.
#[derive(Clone, Default)]
pub struct Certificates {
    /// Of the public listener.
    pub public: Option<Arc<Tls>>,
    /// Of the internal listener.
    pub internal: Option<Arc<Tls>>,
}

impl Certificates {
    /// Reads the files of both.
    pub fn load(public: Option<TlsFiles>, internal: Option<TlsFiles>) -> Result<Self, TlsError> {
        let load = |files: Option<TlsFiles>| files.map(Tls::load).transpose().map(|tls| tls.map(Arc::new));
        Ok(Self { public: load(public)?, internal: load(internal)? })
    }

    /// Reads the files of both again. Files that cannot be used change nothing, and are logged.
    pub fn reload(&self) {
        for (listener, tls) in [("public", &self.public), ("internal", &self.internal)] {
            match tls.as_ref().map(|tls| tls.reload()) {
                None => {}
                Some(Ok(())) => tracing::info!(listener, "certificates were read again"),
                Some(Err(error)) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(listener, error, "certificates could not be read again, the old ones stay");
                }
            }
        }
    }
}

impl Listeners {
    /// Takes both addresses. Port 0 picks a free one.
    pub async fn bind(public: SocketAddr, internal: SocketAddr) -> Result<Self, BindError> {
        let bind = async |address| TcpListener::bind(address).await.map_err(|source| BindError { address, source });
        let certificates = Certificates::default();
        Ok(Self { public: bind(public).await?, internal: bind(internal).await?, certificates })
    }

    /// The same with TLS.
    #[must_use]
    pub fn with_tls(self, certificates: Certificates) -> Self {
        Self { certificates, ..self }
    }

    /// The addresses that were taken: public, internal.
    pub fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.public.local_addr()?, self.internal.local_addr()?))
    }

    /// Serves until `stop` completes. Then goes on for a moment, but says that it is not ready; then takes no new
    /// connections and lets requests under way end; then cuts off those that did not. Dropped, it cuts them off at once.
    pub async fn serve(self, app: Arc<App>, shutdown: Shutdown, stop: impl Future<Output = ()>) {
        let (stopping, stopped) = watch::channel(false);
        let Certificates { public, internal } = self.certificates;
        let mut servers = JoinSet::new();
        servers.spawn(serve(self.public, public, public_router(Arc::clone(&app)), stopped.clone()));
        servers.spawn(serve(self.internal, internal, internal_router(Arc::clone(&app)), stopped));
        stop.await;
        app.stopping.begin();
        tracing::info!(grace = ?shutdown.grace, drain = ?shutdown.drain, "stopping");
        sleep(shutdown.grace).await;
        stopping.send_replace(true);
        if timeout(shutdown.drain, async { while servers.join_next().await.is_some() {} }).await.is_err() {
            tracing::warn!("requests were still under way after {:?} and are cut off", shutdown.drain);
            servers.shutdown().await;
        }
    }
}

/// Serves one listener until it is stopped, and returns when its connections have ended. They end with it, if it is
/// aborted.
async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    service: ListenerService,
    mut stopped: watch::Receiver<bool>,
) {
    let shutdown = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(connection_limit()));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (listener.accept().await, slot)
        };
        let (accepted, slot) = tokio::select! {
            accepted = accepted => accepted,
            // An error says that the sender is gone, which means the same.
            _ = stopped.wait_for(|stopped| *stopped) => break,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Answers are small and whole; waiting for more to send only delays them. A failure costs no more than that.
                let _ = stream.set_nodelay(true);
                let (tls, service, watcher, stopped) =
                    (tls.clone(), service.clone(), shutdown.watcher(), stopped.clone());
                connections.spawn(async move {
                    // What a client does to its connection is not our failure.
                    match tls {
                        None => drop(watcher.watch(connection(stream, peer, service)).await),
                        Some(tls) => {
                            if let Some(stream) = handshake(&tls, stream, stopped).await {
                                drop(watcher.watch(connection(stream, peer, service)).await);
                            }
                        }
                    }
                    drop(slot);
                });
            }
            // Out of open files, most likely: connections that end make room.
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a connection could not be accepted");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    shutdown.shutdown().await;
}

/// A connection made secure; none if that failed, or if the listener was stopped meanwhile.
async fn handshake(tls: &Tls, stream: TcpStream, mut stopped: watch::Receiver<bool>) -> Option<TlsStream<TcpStream>> {
    tokio::select! {
        done = tls.accept(stream) => match done {
            Ok(stream) => Some(stream),
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "a handshake failed");
                None
            }
        },
        _ = stopped.wait_for(|stopped| *stopped) => None,
    }
}

/// One connection, with as many requests as the client sends on it.
fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    service: ListenerService,
) -> impl GracefulConnection<Error = hyper::Error> {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        service.clone().oneshot(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    http.max_header_size(HEADER_LIMIT).max_buf_size(HEADER_LIMIT);
    http.serve_connection(TokioIo::new(stream), service)
}

/// Two listeners may not use up the files that the database needs.
fn connection_limit() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from((files / 5 * 2).clamp(16, MAX_CONNECTIONS)).unwrap_or(16)
}

/// An address that cannot be taken.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}; is another program using it? Choose another address")]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}
