//! The state after a crash: no server, and every write that was acknowledged.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::dev::{Dev, Folder};
use crate::support::program::{eventually, processes_of, watchdog_of};
use crate::support::wire::Endpoint;

const SUPPLIERS: [&str; 8] = ["SanMar", "HIT", "PCNA", "Ariel", "ETS", "SS", "snugz", "Hirsch"];
const SERVICES: [&str; 8] = ["Product", "MED", "INV", "PPC", "PO", "OSN", "OSTAT", "Invoice"];

/// Writes until the service is gone: for each place (supplier and service) the number of the last write that was
/// acknowledged. A write's number is its password.
struct Writer {
    acknowledged: Arc<AtomicUsize>,
    task: JoinHandle<HashMap<(&'static str, &'static str), usize>>,
}

impl Writer {
    async fn start(dev: &Dev) -> Self {
        for supplier in SUPPLIERS {
            dev.store(supplier, "base", "base").await.expect(201);
        }
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(write(dev.public(), Arc::clone(&acknowledged)));
        Self { acknowledged, task }
    }

    /// A moment that nobody can foresee, in the middle of the writing.
    async fn random_moment(&self) {
        let enough = 10 + rand::random::<u8>() as usize % 90;
        eventually("the writes are acknowledged", async || self.acknowledged.load(Ordering::SeqCst) >= enough).await;
    }

    /// Every acknowledged write is there and opens.
    async fn lost_nothing(self, dev: &Dev) {
        let acknowledged = self.task.await.unwrap();
        assert!(!acknowledged.is_empty());
        let account = &dev.ready["account_id"];
        let places: Vec<_> = acknowledged.keys().collect();
        let calls = places.iter().map(|(supplier, service)| {
            json!({"account_id": account, "supplier_code": supplier, "service": service, "environment": "PROD"})
        });
        let answers = dev.internal().post("/internal/v1/resolve/batch", &calls.collect::<Value>()).await.expect(200);
        for (place, answer) in places.iter().zip(answers.as_array().unwrap()) {
            let password: Option<usize> = answer["password"].as_str().and_then(|password| password.parse().ok());
            // A later one was on its way when the service died, and may have got through.
            assert!(
                password >= Some(acknowledged[place]),
                "{place:?}: {} was acknowledged, {answer}",
                acknowledged[place]
            );
        }
    }
}

async fn write(public: Endpoint, count: Arc<AtomicUsize>) -> HashMap<(&'static str, &'static str), usize> {
    let mut acknowledged = HashMap::new();
    for number in 0.. {
        let place = (SUPPLIERS[number / SERVICES.len() % SUPPLIERS.len()], SERVICES[number % SERVICES.len()]);
        let (supplier, service) = place;
        let body = json!({
            "service": service, "environment": "PROD", "username": "me", "password": number.to_string(),
        });
        let path = format!("/extra/v2/credentials/{supplier}/services");
        match public.try_post(&path, &body).await {
            Ok(answer) if answer.status == 201 => acknowledged.insert(place, number),
            _ => break,
        };
        count.fetch_add(1, Ordering::SeqCst);
    }
    acknowledged
}

#[tokio::test]
async fn a_killed_service_takes_its_postgres_along_and_loses_no_acknowledged_write() {
    let folder = Folder::existing().await;
    let dev = folder.dev().await;
    let postmaster = folder.postmaster();
    let writer = Writer::start(&dev).await;
    writer.random_moment().await;
    dev.kill().await;
    folder.is_quiet(postmaster).await;

    let dev = folder.dev().await;
    writer.lost_nothing(&dev).await;
    dev.stop().await.done();
}

#[tokio::test]
async fn when_postgres_and_its_watchdog_are_killed_as_well_no_acknowledged_write_is_lost() {
    let folder = Folder::existing().await;
    let dev = folder.dev().await;
    let postmaster = folder.postmaster();
    let writer = Writer::start(&dev).await;
    writer.random_moment().await;
    // The watchdog first: it must not come to end the server in good order.
    for pid in watchdog_of(postmaster).into_iter().chain([postmaster]).chain(processes_of(&folder.0)) {
        let _ = kill_process(pid, Signal::KILL);
    }
    assert_eq!(dev.program.end().await.code, None);
    assert!(folder.path("postgres/data/postmaster.pid").exists(), "Postgres had time to stop");

    let dev = folder.dev().await;
    writer.lost_nothing(&dev).await;
    dev.stop().await.done();
}

#[tokio::test]
async fn a_start_right_after_a_kill_takes_over() {
    let folder = Folder::existing().await;
    let dev = folder.dev().await;
    dev.store("HIT", "me", "secret").await.expect(201);
    dev.kill().await;
    // The old server is still stopping, and its watchdog still there.
    let dev = folder.dev().await;
    assert_eq!(dev.resolve("HIT").await.expect(200)["password"], "secret");
    dev.stop().await.done();
}
