//! How `credenza dev` ends on a signal, or when it cannot start: with an exit code for each, and with
//! nothing left behind.

use std::net::TcpListener;

use rustix::process::Signal;
use serde_json::json;
use sqlx::{Connection, PgConnection};

use crate::support::dev::Folder;
use crate::support::program::{Running, credenza, eventually, processes_of, run, watchdog_of};
use crate::support::wire::Endpoint;

async fn ends_in_good_order_on(signal: Signal) {
    let folder = Folder::existing().await;
    let dev = folder.dev().await;
    let postmaster = folder.postmaster();
    // So that the search at the end is known to find what it looks for.
    if cfg!(target_os = "linux") {
        assert!(processes_of(&folder.0).contains(&postmaster));
        assert!(watchdog_of(postmaster).is_some());
    }
    dev.program.signal(signal);
    dev.program.end().await.done();
    folder.is_quiet(postmaster).await;
}

#[tokio::test]
async fn sigterm_stops_everything() {
    ends_in_good_order_on(Signal::TERM).await;
}

#[tokio::test]
async fn sigint_stops_everything() {
    ends_in_good_order_on(Signal::INT).await;
}

#[tokio::test]
async fn a_second_signal_waits_for_no_request_and_stops_everything_all_the_same() {
    let folder = Folder::existing().await;
    let dev = folder.dev().await;
    let postmaster = folder.postmaster();
    let mut lock = PgConnection::connect(dev.ready["database_url"].as_str().unwrap()).await.unwrap();
    sqlx::raw_sql("begin; lock table supplier_credentials in exclusive mode").execute(&mut lock).await.unwrap();
    let public = Endpoint::new(dev.ready["url"].as_str().unwrap());
    let asked = public.with_key(dev.ready["api_key"].as_str().unwrap());
    let request = tokio::spawn(async move {
        let body = json!({"supplier_code": "HIT", "production_username": "me", "production_password": "secret"});
        asked.try_post("/extra/v2/credentials", &body).await.is_ok()
    });
    eventually("the request waits for the lock", async || {
        let waiting = "select exists (select from pg_locks where not granted)";
        sqlx::query_scalar(waiting).fetch_one(&mut lock).await.unwrap()
    })
    .await;
    dev.program.signal(Signal::TERM);
    eventually("no new connection is taken", async || public.refuses().await).await;
    assert!(!request.is_finished());
    dev.program.signal(Signal::INT);
    let finished = dev.program.end().await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stderr.contains("told a second time to stop"), "{}", finished.stderr);
    assert!(!request.await.unwrap());
    folder.is_quiet(postmaster).await;
}

#[tokio::test]
async fn a_signal_in_the_middle_of_the_start_stops_everything() {
    let folder = Folder::existing().await;
    let mut dev = Running::start(folder.command());
    dev.says("that it starts Postgres", |dev| dev.stderr().contains("starting Postgres").then_some(())).await;
    dev.stop().await.done();
    eventually("nothing is left running", async || processes_of(&folder.0).is_empty()).await;
    folder.dev().await.stop().await.done();
}

#[tokio::test]
async fn a_port_in_use_is_named_and_no_server_stays() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = Folder::existing().await;
    for (listen, internal) in [(address.as_str(), "127.0.0.1:0"), ("127.0.0.1:0", &address)] {
        let mut command = credenza(["dev", "--listen", listen, "--internal-listen", internal, "--data-dir"]);
        command.arg(&folder.0);
        let sentence = format!("cannot listen on {address}; is another program using it? Choose another address");
        run(command, "").await.refused(1, &sentence);
        assert!(processes_of(&folder.0).is_empty());
    }
}
