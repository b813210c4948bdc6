//! One tenant's flood leaves another's p99 within twice its quiet value. Against the real program, because in one process the
//! flood's own clients would be in the way.
//!
//! Rounds alternate, quiet and flooded, so that what else the machine does meets both; medians of the rounds' p99s are
//! compared.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::installation::{Installation, Service};
use crate::support::wire::Endpoint;

const PATH: &str = "/extra/v2/credentials";
/// Connections of the flood.
const FLOOD: usize = 32;
const ROUNDS: usize = 5;
/// Comparisons before the service is called unfair.
const ATTEMPTS: usize = 4;
/// Requests of the other tenant in a round.
const ASKED: usize = 60;
/// Time between two of them, as from customers rather than from a queue.
const PACE: Duration = Duration::from_millis(10);
/// What the scheduler of a busy machine adds now and then, in either kind of round.
const NOISE: Duration = Duration::from_millis(10);

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

    /// p99 of one round.
    async fn p99(&self) -> Duration {
        let mut took = Vec::new();
        for _ in 0..ASKED {
            let start = Instant::now();
            assert!((200..300).contains(&self.once().await), "the other tenant is served");
            took.push(start.elapsed());
            sleep(PACE).await;
        }
        took.sort();
        took[ASKED * 99 / 100]
    }

    /// Goes on on every connection, until stopped; tells how many were answered.
    async fn flood(self, stop: Arc<AtomicBool>) -> usize {
        let answered = Arc::new(AtomicUsize::new(0));
        let mut connections = JoinSet::new();
        for _ in 0..FLOOD {
            let (asked, stop, answered) = (self.clone(), Arc::clone(&stop), Arc::clone(&answered));
            connections.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let status = asked.once().await;
                    assert!(matches!(status, 200 | 201 | 429), "{status}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        connections.join_all().await;
        answered.load(Ordering::Relaxed)
    }
}

/// One comparison: medians of p99s, quiet and flooded.
async fn measure(flood: &Asked, other: &Asked) -> (Duration, Duration) {
    let (mut quiet, mut flooded) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        quiet.push(other.p99().await);
        let stop = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(flood.clone().flood(Arc::clone(&stop)));
        sleep(Duration::from_millis(300)).await;
        flooded.push(other.p99().await);
        stop.store(true, Ordering::Relaxed);
        assert!(task.await.unwrap() >= FLOOD, "there was a flood");
    }
    quiet.sort();
    flooded.sort();
    (quiet[ROUNDS / 2], flooded[ROUNDS / 2])
}

/// Other tests that begin or end meanwhile can spoil a comparison, but they cannot make an unfair service look fair: one of
/// several has to succeed.
async fn compare(flood: &Asked, other: &Asked) {
    static ALONE: Mutex<()> = Mutex::const_new(());
    let _alone = ALONE.lock().await;
    other.p99().await;
    let mut measured = Vec::new();
    for _ in 0..ATTEMPTS {
        let (quiet, flooded) = measure(flood, other).await;
        if flooded <= quiet * 2 + NOISE {
            return;
        }
        measured.push((quiet, flooded));
    }
    panic!("p99 quiet and flooded: {measured:?}");
}

/// A service with few connections to its database, and keys of two tenants.
async fn service(rate: &str) -> (Service, Endpoint, Endpoint) {
    let installation = Installation::new().await.with("CREDENZA_DATABASE_CONNECTIONS", "8");
    let installation = installation.with("CREDENZA_RATE_LIMIT", rate);
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
async fn a_flood_of_writes_leaves_another_tenant_its_time() {
    let (service, one, other) = service("off").await;
    let flood = Asked { endpoint: one, body: Some(pair()) };
    compare(&flood, &Asked { endpoint: other, body: Some(pair()) }).await;
    service.program.stop().await.done();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_reads_leaves_another_tenant_its_time() {
    let (service, one, other) = service("100/s").await;
    let flood = Asked { endpoint: one, body: None };
    compare(&flood, &Asked { endpoint: other, body: None }).await;
    service.program.stop().await.done();
}
