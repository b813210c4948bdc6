//! Rotations that are killed at any moment, under load, with instances of the old and the new order side by side: nothing
//! that was acknowledged is lost, and everything opens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::installation::{Installation, Service};
use crate::support::program::Running;

const K1: &str = "k1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
const K2: &str = "k2:YGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn8=";
const KEYS: &str = "CREDENZA_KEY_ENCRYPTION_KEYS";
const ACCOUNTS: usize = 6;
const SUPPLIERS: [&str; 5] = ["HIT", "PCNA", "SanMar", "SS", "CAP"];

/// Writes to one account, each time with the next number as password, until it gets the signal to stop; returns the last number that
/// was acknowledged for each supplier, and the one that may or may not have been stored.
async fn write(service: Arc<Service>, key: String, stop: Arc<AtomicBool>) -> Vec<(usize, usize)> {
    let public = service.public.with_key(&key);
    let (mut acknowledged, mut number) = (vec![(0, 0); SUPPLIERS.len()], 0);
    while !stop.load(Ordering::SeqCst) || number < SUPPLIERS.len() {
        number += 1;
        let index = number % SUPPLIERS.len();
        let body = json!({"supplier_code": SUPPLIERS[index], "production_username": "u",
                          "production_password": number.to_string(),
                          "staging_username": "s", "staging_password": number.to_string()});
        acknowledged[index].1 = number;
        public.post("/extra/v2/credentials", &body).await.expect(201);
        acknowledged[index].0 = number;
    }
    acknowledged
}

/// A number that is different each time, without a generator to seed: the tests need any moment, not a certain one.
fn any_moment(round: u64, longest: u64) -> Duration {
    use std::hash::{BuildHasher, RandomState};
    Duration::from_millis(RandomState::new().hash_one(round) % longest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_under_load_nothing_is_lost() {
    let installation = Installation::new().await;
    let old = installation.with(KEYS, &format!("{K1},{K2}"));
    let new = installation.with(KEYS, &format!("{K2},{K1}"));
    let services = [Arc::new(old.serve().await), Arc::new(new.serve().await)];
    let mut keys = Vec::new();
    for number in 0..ACCOUNTS {
        let account = installation.account(&format!("A{number}")).await;
        let key = installation.key(&account, &["--scopes", "credentials:write,credentials:resolve"]).await;
        keys.push((account, key));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for (number, (_, key)) in keys.iter().enumerate() {
        let (service, key, stop) = (Arc::clone(&services[number % 2]), key.clone(), Arc::clone(&stop));
        writers.spawn(async move { (number, write(service, key, stop).await) });
    }

    let mut killed = 0;
    for round in 0..24 {
        // Back and forth, so that there is always something to move.
        let installation = if round % 4 < 2 { &new } else { &old };
        let command: &[&str] = if round % 2 == 0 { &["keys", "rewrap"] } else { &["keys", "rotate-data"] };
        let mut running = Running::start(installation.command(command));
        tokio::time::sleep(any_moment(round, 120)).await;
        if !running.has_ended() {
            running.signal(Signal::KILL);
            killed += 1;
        }
        running.end().await;
    }
    assert!(killed > 3, "hardly any was killed: {killed}");
    // Once more, to the end, while everybody still writes.
    new.run(&["keys", "rewrap"]).await.done();
    new.run(&["keys", "rotate-data"]).await.done();
    new.run(&["verify"]).await.done();
    let status = new.run(&["keys", "status"]).await;
    assert!(status.done().contains("key k1: 0 values need it; safe to remove\n"), "{status:?}");

    stop.store(true, Ordering::SeqCst);
    let written = writers.join_all().await;
    for service in services {
        Arc::into_inner(service).unwrap().program.stop().await.done();
    }
    // What was called safe to remove is removed.
    let alone = installation.with(KEYS, K2);
    alone.run(&["verify"]).await.done();
    let service = alone.serve().await;
    for (number, acknowledged) in written {
        let (account, key) = &keys[number];
        for (supplier, (last, tried)) in SUPPLIERS.iter().zip(acknowledged) {
            let found = service.resolve(key, account, supplier).await.expect(200);
            let found: usize = found["password"].as_str().unwrap().parse().unwrap();
            assert!(found == last || found == tried, "account {account}, {supplier}: {found}, not {last}");
        }
    }
    service.program.stop().await.done();
}
