//! The two listeners: bound, served, drained.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{internal_router, public_router};
use crate::app::App;

/// Longest wait for requests under way when the service is told to stop.
const DRAIN: Duration = Duration::from_secs(10);

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
    pub async fn serve(self, app: Arc<App>, stop: impl Future<Output = ()>) -> io::Result<()> {
        let (stopping, stopped) = watch::channel(false);
        let mut servers = JoinSet::new();
        servers.spawn(serve(self.public, public_router(Arc::clone(&app)), stopped.clone()));
        servers.spawn(serve(self.internal, internal_router(app), stopped));
        tokio::select! {
            () = stop => {}
            // Neither ends by itself unless its listener breaks.
            Some(ended) = servers.join_next() => return ended.unwrap_or_else(|error| Err(io::Error::other(error))),
        }
        stopping.send_replace(true);
        let drained = timeout(DRAIN, async {
            while let Some(ended) = servers.join_next().await {
                ended.map_err(io::Error::other)??;
            }
            Ok(())
        });
        drained.await.unwrap_or_else(|_| {
            tracing::warn!("requests were still under way after {DRAIN:?} and were cut off");
            Ok(())
        })
    }
}

async fn serve(listener: TcpListener, router: Router, mut stopped: watch::Receiver<bool>) -> io::Result<()> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service)
        .with_graceful_shutdown(async move {
            // An error says that the sender is gone, which means the same.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        })
        .await
}

/// An address that cannot be taken.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}; is another program using it? Choose another address")]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}
