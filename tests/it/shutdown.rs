//! How `credenza serve` stops: load balancers are informed first, requests have their time, and nothing holds up the end.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use sqlx::{ConnectOptions, Connection, query, query_scalar};
use tokio::time::{Instant, timeout};

use crate::support::installation::{Installation, Service};
use crate::support::program::{PATIENCE, eventually};

#[tokio::test]
async fn it_is_unready_before_it_takes_no_more_connections() {
    let installation = Installation::new().await.with("CREDENZA_SHUTDOWN_GRACE", "10m");
    let account = installation.account("A").await;
    let key = installation.key(&account, &[]).await;
    let mut service = installation.serve().await;
    eventually("it is ready", async || service.public.is_at_full_speed().await).await;
    service.program.signal(Signal::TERM);
    for endpoint in [&service.public, &service.internal] {
        eventually("it is not ready", async || endpoint.get("/readyz").await.status == 503).await;
        let answer = endpoint.get("/readyz").await.expect(503);
        let all_is_well = json!({
            "detail": "Stopping", "database": "ok", "schema": "ok", "listener": "ok", "lease": "ok"
        });
        assert_eq!(answer, all_is_well);
        endpoint.get("/healthz").await.expect(200);
    }
    // It serves on, also on new connections.
    let body = json!({"supplier_code": "HIT", "production_username": "me", "production_password": "secret"});
    service.public.with_key(&key).post("/extra/v2/credentials", &body).await.expect(201);
    assert!(!service.program.has_ended());

    // Long before its grace of ten minutes is over.
    service.program.signal(Signal::TERM);
    let finished = service.program.end().await;
    finished.done();
    assert!(finished.stderr.contains("told a second time to stop"), "{}", finished.stderr);
}

#[tokio::test]
async fn after_its_grace_it_takes_no_more_connections() {
    let installation = Installation::new().await.with("CREDENZA_SHUTDOWN_GRACE", "700ms");
    let mut service = installation.serve().await;
    let begun = Instant::now();
    service.program.signal(Signal::INT);
    while !service.public.refuses().await {}
    assert!(begun.elapsed() >= Duration::from_millis(700), "{:?}", begun.elapsed());
    eventually("it ends", async || service.program.has_ended()).await;
    service.program.end().await.done();
}

/// A service with a request that waits for a lock, which the answer is given together with.
async fn with_a_stuck_request(
    installation: &Installation,
) -> (Service, sqlx::PgConnection, tokio::task::JoinHandle<bool>) {
    let account = installation.account("A").await;
    let key = installation.key(&account, &[]).await;
    let service = installation.serve().await;
    let mut lock = installation.database.admin.connect().await.unwrap();
    sqlx::raw_sql("begin; lock table supplier_credentials in exclusive mode").execute(&mut lock).await.unwrap();
    let public = service.public.with_key(&key);
    let request = tokio::spawn(async move {
        let body = json!({"supplier_code": "HIT", "production_username": "me", "production_password": "secret"});
        public.try_post("/extra/v2/credentials", &body).await.is_ok()
    });
    let mut admin = installation.database.admin.connect().await.unwrap();
    eventually("the request waits for the lock", async || {
        let waiting = "select exists (select from pg_locks where not granted
             and relation = 'supplier_credentials'::regclass
             and database = (select oid from pg_database where datname = current_database()))";
        query_scalar(waiting).fetch_one(&mut admin).await.unwrap()
    })
    .await;
    admin.close().await.unwrap();
    (service, lock, request)
}

#[tokio::test]
async fn a_request_that_holds_a_connection_to_the_database_is_cut_off_at_the_limit() {
    let installation = Installation::new().await.with("CREDENZA_DRAIN_LIMIT", "500ms");
    let (service, mut lock, request) = with_a_stuck_request(&installation).await;
    service.program.signal(Signal::TERM);
    // Its client gets no answer, and the service ends, while the database still holds the lock.
    assert!(!timeout(PATIENCE, request).await.expect("the client is cut off").unwrap());
    let finished = service.program.end().await;
    finished.done();
    assert!(finished.stderr.contains("are cut off"), "{}", finished.stderr);
    // Nobody waits for the instance that is gone.
    let left: i64 = query_scalar("select count(*) from instances").fetch_one(&mut lock).await.unwrap();
    assert_eq!(left, 0);
    query("rollback").execute(&mut lock).await.unwrap();
    let stored: i64 = query_scalar("select count(*) from supplier_credentials").fetch_one(&mut lock).await.unwrap();
    assert_eq!(stored, 0);
}

#[tokio::test]
async fn a_second_signal_waits_for_no_request() {
    let installation = Installation::new().await.with("CREDENZA_DRAIN_LIMIT", "10m");
    let (mut service, _lock, request) = with_a_stuck_request(&installation).await;
    service.program.signal(Signal::TERM);
    eventually("no new connection is taken", async || service.public.refuses().await).await;
    assert!(!service.program.has_ended() && !request.is_finished());
    // Long before the limit of ten minutes.
    service.program.signal(Signal::INT);
    service.program.end().await.done();
    assert!(!request.await.unwrap());
}
