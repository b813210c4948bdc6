//! The two listeners: bound, served, drained. On hyper itself, because a slow or silent client has to be cut off while it
//! still sends headers, before any router sees it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

use super::{internal_router, public_router};
use crate::app::App;

/// Longest time for the headers of a request, and longest silence between two requests on a connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest head of a request, in bytes: request line and all headers. hyper refuses a larger one with 431 by itself.
const HEADER_LIMIT: usize = 32 << 10;
/// Longest wait for requests under way when the service is told to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// Most connections of a listener, where the system's limit of open files does not ask for fewer. Further ones wait in
/// the listener's queue.
const MAX_CONNECTIONS: u64 = 10_000;

/// Both listeners, bound and not yet served.
pub struct Listeners {
    public: TcpListener,
    internal: TcpListener,
}

impl Listeners {
    /// Takes both addresses. Port 0 picks a free one.
    pub async fn bind(public: SocketAddr, internal: SocketAddr) -> Result<Self, BindError> {
        let bind = async |address| TcpListener::bind(address).await.map_err(|source| BindError { address, source });
        Ok(Self { public: bind(public).await?, internal: bind(internal).await? })
    }

    /// The addresses that were taken: public, internal.
    pub fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.public.local_addr()?, self.internal.local_addr()?))
    }

    /// Serves until `stop` completes, then lets requests under way end, for ten seconds at most.
    pub async fn serve(self, app: Arc<App>, stop: impl Future<Output = ()>) {
        let (stopping, stopped) = watch::channel(false);
        let mut servers = JoinSet::new();
        servers.spawn(serve(self.public, public_router(Arc::clone(&app)), stopped.clone()));
        servers.spawn(serve(self.internal, internal_router(app), stopped));
        stop.await;
        stopping.send_replace(true);
        if timeout(DRAIN, servers.join_all()).await.is_err() {
            tracing::warn!("requests were still under way after {DRAIN:?} and were cut off");
        }
    }
}

/// Serves one listener until it is stopped, and returns when its connections have ended.
async fn serve(listener: TcpListener, router: Router, mut stopped: watch::Receiver<bool>) {
    let connections = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(connection_limit()));
    loop {
        let accepted = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (listener.accept().await, slot)
        };
        let (accepted, slot) = tokio::select! {
            accepted = accepted => accepted,
            // An error says that the sender is gone, which means the same.
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = connections.watch(connection(stream, peer, router.clone()));
                tokio::spawn(async move {
                    // What a client does to its connection is not our failure.
                    let _ = connection.await;
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
    connections.shutdown().await;
}

/// One connection, with as many requests as the client sends on it.
fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
    // Answers are small and whole; waiting for more to send only delays them. A failure costs no more than that.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(HEADER_LIMIT);
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
