//! Looks host names up. The addresses that are checked here are those that the connection is made to, so that a name whose
//! address changes between two looks gains nothing by it.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::watch;

use super::address::is_public;
use super::error::TransportError;

/// Looks a name up, and blocks meanwhile.
pub type Lookup = Arc<dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

type Found = Result<Vec<SocketAddr>, TransportError>;

/// Looks names up, each name once at a time: a name server that does not answer takes one thread for a name, however many
/// calls wait for it.
#[derive(Clone)]
pub(super) struct Names {
    lookup: Lookup,
    under_way: Arc<Mutex<HashMap<String, watch::Receiver<Option<Found>>>>>,
}

/// The names for one kind of endpoints.
#[derive(Clone)]
pub(super) struct Checked {
    pub(super) names: Names,
    /// Whether each address is good, not only those of the internet.
    pub(super) allow_private: bool,
}

/// Looks a name up as the system does.
pub(super) fn system() -> Lookup {
    Arc::new(|name| Ok((name, 0).to_socket_addrs()?.collect()))
}

impl Names {
    pub(super) fn new(lookup: Lookup) -> Self {
        Self { lookup, under_way: Arc::default() }
    }

    async fn find(&self, name: String) -> Found {
        let mut found = self.join(name);
        match found.wait_for(Option::is_some).await {
            Ok(found) => found.clone().unwrap_or(Err(TransportError::Dns)),
            // The look-up panicked.
            Err(_) => Err(TransportError::Dns),
        }
    }

    /// Joins the look-up of a name that is under way, or begins one.
    fn join(&self, name: String) -> watch::Receiver<Option<Found>> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = under_way.get(&name).filter(|found| found.has_changed().is_ok()) {
            return found.clone();
        }
        let (sender, receiver) = watch::channel(None);
        under_way.insert(name.clone(), receiver.clone());
        let names = self.clone();
        tokio::task::spawn_blocking(move || {
            let found = (names.lookup)(&name).map_err(|_| TransportError::Dns);
            names.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
            sender.send_replace(Some(found));
        });
        receiver
    }
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { names, allow_private } = self.clone();
        Box::pin(async move {
            let mut addresses = names.find(name.as_str().to_owned()).await?;
            if addresses.is_empty() {
                return Err(TransportError::Dns.into());
            }
            addresses.retain(|address| allow_private || is_public(address.ip()));
            if addresses.is_empty() {
                return Err(TransportError::ForbiddenAddress.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
