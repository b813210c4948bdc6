//! A network that falls silent in the middle of a statement: nothing comes any more, and no connection ends. Work that waits for
//! the answer is given up after the time that a statement may take, long before the request's own limit, and with it its
//! connection.

use std::time::Duration;

use serde_json::json;
use sqlx::{Connection, PgConnection};

use crate::support::cluster::{Database, server};
use crate::support::installation::Installation;
use crate::support::program::{eventually, within};
use crate::which_server::{Fixture, is_refused_for_now};

/// A service whose requests may take longer than any of these tests, and which a single lost connection would hurt.
async fn patient() -> Fixture {
    let installation = Installation::new().await;
    let patient = installation.with("CREDENZA_REQUEST_TIMEOUT", "1h").with("CREDENZA_DATABASE_CONNECTIONS", "2");
    Fixture::with(patient).await
}

/// A lock of a whole table, which statements wait for.
async fn lock(database: &Database, table: &'static str) -> PgConnection {
    let mut admin = sqlx::ConnectOptions::connect(&database.admin).await.unwrap();
    sqlx::raw_sql("begin").execute(&mut admin).await.unwrap();
    let lock = sqlx::raw_sql(match table {
        "supplier_credentials" => "lock table supplier_credentials in access exclusive mode",
        "audit_events" => "lock table audit_events in access exclusive mode",
        other => panic!("{other}"),
    });
    lock.execute(&mut admin).await.unwrap();
    admin
}

/// Waits until so many statements wait for locks in the database.
async fn wait_for_waiters(database: &Database, count: i64) {
    let waiting = "select count(*) from pg_locks join pg_database on pg_database.oid = database
                   where datname = current_database() and not granted";
    eventually("statements wait", async || {
        let mut admin: PgConnection = sqlx::ConnectOptions::connect(&database.admin).await.unwrap();
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut admin).await.unwrap() >= count
    })
    .await;
}

#[tokio::test]
async fn a_list_and_a_use_case_whose_answers_do_not_come_are_given_up() {
    let _server = server().await;
    let fixture = patient().await;
    fixture.write("old").await.expect(201);
    let held = lock(&fixture.installation.database, "supplier_credentials").await;
    let public = fixture.service.public.with_key(&fixture.key);
    let writer = public.clone();
    let list = tokio::spawn(async move { public.get("/extra/v2/credentials").await });
    let write = tokio::spawn(async move {
        let body = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "new"});
        writer.post("/extra/v2/credentials", &body).await
    });
    wait_for_waiters(&fixture.installation.database, 2).await;
    // The feed stays, and with it the lease: nothing but the statement itself tells.
    fixture.pool.fall_silent();
    held.close().await.unwrap();
    let answers = tokio::time::timeout(Duration::from_mins(1), async { [list.await.unwrap(), write.await.unwrap()] });
    for answer in answers.await.expect("both are given up") {
        assert!(is_refused_for_now(&answer), "{answer:?}");
    }
    // Neither keeps a connection, nor a turn, from those that come after it.
    for number in 0..8 {
        within(Duration::from_secs(20), "writes go on", async || {
            fixture.write(&format!("p{number}")).await.status == 201
        })
        .await;
    }
    fixture.service.program.stop().await.done();
}

#[tokio::test]
async fn events_of_resolves_whose_answer_does_not_come_are_written_on_another_connection() {
    let fixture = patient().await;
    fixture.write("old").await.expect(201);
    fixture.reads("old").await;
    let held = lock(&fixture.installation.database, "audit_events").await;
    // Answered from memory; its event waits for the lock.
    fixture.read().await;
    wait_for_waiters(&fixture.installation.database, 1).await;
    fixture.pool.fall_silent();
    held.close().await.unwrap();
    eventually("no password leaves", async || is_refused_for_now(&fixture.read().await)).await;
    within(Duration::from_mins(1), "resolves are recorded again", async || fixture.read().await.status == 200).await;
    eventually("everything is written", async || {
        let metrics = fixture.service.internal.get("/metrics").await.body;
        metrics.lines().any(|line| line == "credenza_audit_backlog 0")
    })
    .await;
    fixture.installation.run(&["audit", "verify"]).await.done();
    fixture.service.program.stop().await.done();
}
