//! Binds, serves and stops the two listeners. On hyper itself, because a slow or silent client has to be cut off while it
//! still sends headers, before any router sees it.

mod activity;
mod connection;
mod connections;
mod leftover;
mod socket;
pub mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;

use self::activity::{Activity, Patience};
use self::connection::Connection;
use self::connections::{Connections, Place};
use self::socket::Socket;
use self::tls::{Tls, TlsError};
use super::listener::Listener;
use super::routes::{ListenerService, internal_router, public_router};
use crate::app::App;
use crate::clock::Monotonic;
use crate::config::{Shutdown, TlsFiles};

/// Time between two looks for room, and for the last clients that the system connects.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Both listeners, bound and not yet served.
pub struct Listeners {
    public: TcpListener,
    internal: TcpListener,
    certificates: Certificates,
}

/// The TLS of the listeners that have any. Cheap to clone.
#[derive(Clone, Default)]
pub struct Certificates {
    /// TLS of the public listener.
    pub public: Option<Arc<Tls>>,
    /// TLS of the internal listener.
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

    /// Adds TLS.
    #[must_use]
    pub fn with_tls(self, certificates: Certificates) -> Self {
        Self { certificates, ..self }
    }

    /// Returns the addresses that were taken: public, internal.
    pub fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        Ok((self.public.local_addr()?, self.internal.local_addr()?))
    }

    /// Serves until `stop` completes. Then goes on for a moment and is not ready; then takes no new connections and lets
    /// requests under way end; then cuts off those that did not. Cuts them off at once when it is dropped.
    pub async fn serve(self, app: Arc<App>, shutdown: Shutdown, stop: impl Future<Output = ()>) {
        let (stopping, stopped) = watch::channel(false);
        let Certificates { public, internal } = self.certificates;
        let mut servers = JoinSet::new();
        servers.spawn(Listening::new(Listener::Public, &app, public, stopped.clone()).serve(self.public));
        servers.spawn(Listening::new(Listener::Internal, &app, internal, stopped).serve(self.internal));
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

/// A listener and the state that its connections share.
struct Listening {
    tls: Option<Arc<Tls>>,
    service: ListenerService,
    app: Arc<App>,
    connections: Arc<Connections>,
    patience: Patience,
    clock: Monotonic,
    /// Counts the connections that got no place.
    refused: metrics::Counter,
    stopped: watch::Receiver<bool>,
}

impl Listening {
    /// Prepares a listener. Only the public one has strangers, each of whom has a share of the connections.
    fn new(listener: Listener, app: &Arc<App>, tls: Option<Arc<Tls>>, stopped: watch::Receiver<bool>) -> Self {
        let settings = &app.settings;
        let most = connection_limit(settings.connections.most);
        let (service, are_shared) = match listener {
            Listener::Public => (public_router(Arc::clone(app)), true),
            Listener::Internal => (internal_router(Arc::clone(app)), false),
        };
        let connections = Connections::new(most, are_shared, settings.trusted_proxies.clone());
        let patience = Patience { idle: settings.connections.idle, stalled: settings.admission.request_timeout };
        // There from the start, so that an alert sees the first of them.
        let refused = metrics::counter!("credenza_connections_refused_total");
        refused.increment(0);
        Self { tls, service, app: Arc::clone(app), connections, patience, clock: Monotonic::system(), refused, stopped }
    }

    /// Serves until it is stopped, and returns when its connections have ended. They end with it, if it is aborted.
    async fn serve(self, listener: TcpListener) {
        let mut stopped = self.stopped.clone();
        let mut tasks = JoinSet::new();
        loop {
            let has_room = !self.connections.is_full();
            tokio::select! {
                () = until(&mut stopped) => break,
                Some(_) = tasks.join_next() => {}
                accepted = listener.accept(), if has_room => match accepted {
                    Ok((stream, peer)) => self.take(stream, peer, &mut tasks),
                    // Out of open files, most likely: connections that end make room.
                    Err(error) => {
                        tracing::warn!(error = &error as &dyn std::error::Error, "a connection could not be accepted");
                        sleep(LOOK_AGAIN).await;
                    }
                },
                () = sleep(LOOK_AGAIN), if !has_room => {}
            }
        }
        // Clients that the system has connected already would find their connections broken.
        let connected = async {
            while let Ok((stream, peer)) = listener.accept().await {
                self.take(stream, peer, &mut tasks);
            }
        };
        let _ = timeout(LOOK_AGAIN, connected).await;
        drop(listener);
        while tasks.join_next().await.is_some() {}
    }

    /// Takes a connection, unless its address has enough of them.
    fn take(&self, stream: TcpStream, peer: SocketAddr, tasks: &mut JoinSet<()>) {
        let activity = Activity::new(&self.clock);
        let Some(place) = self.connections.enter(peer.ip(), &activity) else {
            self.refused.increment(1);
            return;
        };
        // Answers are small and whole; waiting for more to send only delays them. A failure costs no more than that.
        let _ = stream.set_nodelay(true);
        let stream = Arc::new(stream);
        let connection = Connection {
            stream: Arc::clone(&stream),
            peer,
            activity: Arc::clone(&activity),
            place,
            patience: self.patience,
            app: Arc::clone(&self.app),
            service: self.service.clone(),
            stopped: self.stopped.clone(),
        };
        let socket = Socket::new(stream, activity);
        match &self.tls {
            None => tasks.spawn(connection.serve(socket)),
            Some(tls) => {
                let (tls, stopped) = (Arc::clone(tls), self.stopped.clone());
                tasks.spawn(async move {
                    if let Some(stream) = handshake(&tls, socket, &connection.place, stopped).await {
                        connection.serve(stream).await;
                    }
                })
            }
        };
    }
}

/// Makes a connection secure. Returns none if that fails, if the listener is stopped, or if the place is needed.
async fn handshake(
    tls: &Tls,
    socket: Socket,
    place: &Place,
    mut stopped: watch::Receiver<bool>,
) -> Option<TlsStream<Socket>> {
    tokio::select! {
        done = tls.accept(socket) => match done {
            Ok(stream) => Some(stream),
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "a handshake failed");
                None
            }
        },
        () = until(&mut stopped) => None,
        () = place.evicted() => None,
    }
}

/// Returns when the listener is stopped.
async fn until(stopped: &mut watch::Receiver<bool>) {
    // An error says that the sender is gone, which means the same.
    drop(stopped.wait_for(|stopped| *stopped).await);
}

/// Limits the connections of a listener so that both listeners leave the files that the database needs.
fn connection_limit(most: usize) -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    most.min(usize::try_from(files / 5 * 2).unwrap_or(usize::MAX)).max(16)
}

/// An address that cannot be taken.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}; is another program using it? Choose another address")]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}
