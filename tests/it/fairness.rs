//! One tenant's flood leaves another its turn. Against the real program, because in one process the flood's own clients
//! would be in the way.
//!
//! Time is counted in answers of the flood, not in milliseconds: other work on the machine slows both down alike.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::installation::{Installation, Service};
use crate::support::program::eventually;
use crate::support::wire::Endpoint;

const PATH: &str = "/extra/v2/credentials";
/// Connections of the flood.
const FLOOD: usize = 32;
/// Requests of the other tenant.
const ASKED: usize = 100;
/// Time between two of them, as from customers rather than from a queue.
const PACE: Duration = Duration::from_millis(10);
/// A request that is sent again and again.
#[derive(Clone)]
struct Asked {
    endpoint: Endpoint,
    body: Option<Value>,
}

impl Asked {
    async fn once(&self) -> u16 {
        let method = if self.body.is_some() { "POST" } else { "GET" };
        self.endpoint.send(method, PATH, self.body.as_ref()).await.unwrap().status.as_u16()
    }

    /// Sends it until it is not refused for lack of room, which a busy machine may cause.
    async fn served(&self) -> u16 {
        loop {
            match self.once().await {
                429 | 503 => {}
                status => return status,
            }
        }
    }

    /// Sends it on every connection until stopped, and counts the answers.
    async fn flood(self, stop: Arc<AtomicBool>, answered: Arc<AtomicUsize>) {
        let mut connections = JoinSet::new();
        for _ in 0..FLOOD {
            let (asked, stop, answered) = (self.clone(), Arc::clone(&stop), Arc::clone(&answered));
            connections.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let status = asked.served().await;
                    assert!(matches!(status, 200 | 201), "{status}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        connections.join_all().await;
    }
}

/// How many requests of the flood are answered during one request of the other tenant: the median.
async fn overtaken(flood: &Asked, other: &Asked) -> usize {
    other.served().await;
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let task = tokio::spawn(flood.clone().flood(Arc::clone(&stop), Arc::clone(&answered)));
    let so_far = || answered.load(Ordering::Relaxed);
    eventually("there is a flood", async || so_far() >= 2 * FLOOD).await;
    let mut overtaken = Vec::new();
    for _ in 0..ASKED {
        let before = so_far();
        assert!((200..300).contains(&other.served().await), "the other tenant is served");
        overtaken.push(so_far() - before);
        sleep(PACE).await;
    }
    stop.store(true, Ordering::Relaxed);
    task.await.unwrap();
    overtaken.sort_unstable();
    overtaken[ASKED / 2]
}

/// A service with few connections to its database, and keys of two tenants.
async fn service() -> (Service, Endpoint, Endpoint) {
    let installation = Installation::new().await.with("CREDENZA_DATABASE_CONNECTIONS", "8");
    let installation = installation.with("CREDENZA_RATE_LIMIT", "off");
    let (one, other) = (installation.account("Flood").await, installation.account("Other").await);
    let (one, other) = (installation.key(&one, &[]).await, installation.key(&other, &[]).await);
    let service = installation.serve().await;
    let endpoints = (service.public.with_key(&one), service.public.with_key(&other));
    (service, endpoints.0, endpoints.1)
}

fn pair() -> Value {
    json!({"supplier_code": "HIT", "production_username": "u", "production_password": "p"})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_writes_leaves_another_tenant_its_turn() {
    let (service, one, other) = service().await;
    let flood = Asked { endpoint: one, body: Some(pair()) };
    let overtaken = overtaken(&flood, &Asked { endpoint: other, body: Some(pair()) }).await;
    // In one queue with the flood, a request would wait for nearly all of it.
    assert!(overtaken <= FLOOD / 2, "{overtaken} writes of the flood come before one of the other tenant");
    service.program.stop().await.done();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_reads_leaves_another_tenant_its_turn() {
    let (service, one, other) = service().await;
    let flood = Asked { endpoint: one, body: None };
    let overtaken = overtaken(&flood, &Asked { endpoint: other, body: None }).await;
    assert!(overtaken <= FLOOD / 2, "{overtaken} reads of the flood come before one of the other tenant");
    service.program.stop().await.done();
}
