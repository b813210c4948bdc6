//! `Idempotency-Key` across the deaths of the program: what was not committed is done by the next request, and what was
//! committed is answered again.

use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, query_scalar};
use tokio::io::AsyncWriteExt;

use crate::support::cluster::in_tests;
use crate::support::installation::{Installation, Service};
use crate::support::program::eventually;

const BASE: &str = "/extra/v2/credentials";

fn body() -> Value {
    json!({"supplier_code": "HIT", "production_username": "me", "production_password": "secret"})
}

async fn count(installation: &Installation, rows: &str) -> i64 {
    let mut admin = installation.database.admin.connect().await.unwrap();
    query_scalar(in_tests(format!("select count(*) from {rows}"))).fetch_one(&mut admin).await.unwrap()
}

/// An installation with a key, and a program on it.
async fn start() -> (Installation, String, Service) {
    let installation = Installation::new().await;
    let account = installation.account("A").await;
    let key = installation.key(&account, &[]).await;
    let service = installation.serve().await;
    (installation, key, service)
}

#[tokio::test]
async fn an_uncommitted_request_of_a_killed_program_is_done_by_the_next() {
    let (installation, key, service) = start().await;
    let mut lock = installation.database.admin.connect().await.unwrap();
    sqlx::raw_sql("begin; lock table supplier_credentials in exclusive mode").execute(&mut lock).await.unwrap();
    let public = service.public.with_key(&key).with_header("Idempotency-Key", "k");
    let request = tokio::spawn(async move { public.try_post(BASE, &body()).await.is_ok() });
    eventually("the request waits for the lock", async || {
        let here = "(select oid from pg_database where datname = current_database())";
        count(&installation, &format!("pg_locks where not granted and locktype = 'relation' and database = {here}"))
            .await
            > 0
    })
    .await;
    service.program.signal(Signal::KILL);
    assert!(!request.await.unwrap());
    service.program.end().await;

    let next = installation.serve().await;
    let public = next.public.with_key(&key).with_header("Idempotency-Key", "k");
    // The server has not noticed yet that nobody waits for the first one.
    public.post(BASE, &body()).await.expect(409);
    sqlx::raw_sql("commit").execute(&mut lock).await.unwrap();
    let mut answer = public.post(BASE, &body()).await;
    eventually("the key is free", async || {
        answer = public.post(BASE, &body()).await;
        answer.status != 409
    })
    .await;
    answer.expect(201);
    assert_eq!(count(&installation, "audit_events where action like 'credentials.%'").await, 1);
    public.post(BASE, &body()).await.expect(201);
    assert_eq!(count(&installation, "audit_events where action like 'credentials.%'").await, 1);
    next.program.stop().await.done();
}

#[tokio::test]
async fn a_committed_request_of_a_killed_program_is_answered_by_the_next() {
    let (installation, key, service) = start().await;
    // Somebody who sends, and never reads the answer.
    let mut client = service.public.connect().await;
    let text = body().to_string();
    let request = format!(
        "POST {BASE} HTTP/1.1\r\nHost: here\r\nX-API-Key: {key}\r\nIdempotency-Key: k\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    );
    client.write_all(request.as_bytes()).await.unwrap();
    eventually("the outcome is stored", async || count(&installation, "idempotency_keys").await == 1).await;
    service.program.signal(Signal::KILL);
    service.program.end().await;

    let next = installation.serve().await;
    let public = next.public.with_key(&key).with_header("Idempotency-Key", "k");
    let answer = public.post(BASE, &body()).await;
    assert_eq!(answer.header("idempotent-replayed"), Some("true"));
    assert_eq!(answer.expect(201)["has_production_credentials"], true);
    assert!(answer.header("etag").is_some());
    assert_eq!(count(&installation, "audit_events where action like 'credentials.%'").await, 1);
    next.program.stop().await.done();
}
