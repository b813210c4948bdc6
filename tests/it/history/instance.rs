//! One of the processes: `credenza serve` with a listener connection that leads through a proxy.

use std::path::Path;
use std::sync::{PoisonError, RwLock};

use rustix::process::Signal;
use tokio::sync::Mutex;

use super::proxy::Proxy;
use crate::support::installation::{Installation, Service};
use crate::support::wire::Endpoint;

pub struct Instance {
    installation: Installation,
    /// The way of its listener connection.
    pub proxy: Proxy,
    running: Mutex<Option<Service>>,
    /// Where it serves; after a kill, where it served.
    endpoints: RwLock<(Endpoint, Endpoint)>,
}

impl Instance {
    pub async fn start(installation: &Installation, postgres: &Path) -> Self {
        let proxy = Proxy::open(postgres);
        let url = proxy.url(installation.setting("DATABASE_URL"));
        let installation = installation.with("CREDENZA_LISTENER_DATABASE_URL", &url);
        let service = installation.serve().await;
        let endpoints = RwLock::new((service.public.clone(), service.internal.clone()));
        Self { installation, proxy, running: Mutex::new(Some(service)), endpoints }
    }

    pub fn public(&self) -> Endpoint {
        self.endpoints.read().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    pub fn internal(&self) -> Endpoint {
        self.endpoints.read().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    pub async fn signal(&self, signal: Signal) {
        if let Some(service) = &*self.running.lock().await {
            service.program.signal(signal);
        }
    }

    /// Ends it without a warning.
    pub async fn kill(&self) {
        if let Some(service) = self.running.lock().await.take() {
            service.program.signal(Signal::KILL);
            service.program.end().await;
        }
    }

    /// Starts it again after [`Instance::kill`]. The database has to be there.
    pub async fn restart(&self) {
        let service = self.installation.serve().await;
        let endpoints = (service.public.clone(), service.internal.clone());
        *self.endpoints.write().unwrap_or_else(PoisonError::into_inner) = endpoints;
        *self.running.lock().await = Some(service);
    }

    /// The last lines that it logged.
    pub async fn last_words(&self) -> String {
        let running = self.running.lock().await;
        let log = running.as_ref().map(|service| service.program.stderr()).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }
}
