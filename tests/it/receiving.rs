//! Bodies that are being received, and work that goes on: an account has its part of both, with its sub-accounts, and leaves
//! the others theirs.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::TestApp;
use crate::support::installation::{Installation, Service};
use crate::support::program::eventually;

const PATH: &str = "/extra/v2/credentials";
const FILE: &str =
    "supplier_code,staging_username,staging_password,production_username,production_password\nHIT,,,u,p\n";
const PATIENCE: Duration = Duration::from_secs(40);
const TOO_MANY: &str = "Too many requests at once, please slow down";

fn pair() -> Value {
    json!({"supplier_code": "HIT", "production_username": "u", "production_password": "p"})
}

/// Begins an import of ten mebibytes that never comes to its end.
async fn stalled_import(service: &Service, key: &str) -> TcpStream {
    let mut stream = service.public.connect().await;
    let head = format!(
        "POST {PATH}/import HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Type: text/csv\r\n\
         Content-Length: {}\r\n\r\n{FILE}",
        10 << 20
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn imports_that_stall_take_their_accounts_part_of_the_bytes_and_nobody_elses() {
    let installation = Installation::new().await;
    let (one, other) = (installation.account("One").await, installation.account("Other").await);
    let (one, other) = (installation.key(&one, &[]).await, installation.key(&other, &[]).await);
    let service = installation.serve().await;
    let mut stalled = JoinSet::new();
    for _ in 0..12 {
        let mut stream = stalled_import(&service, &one).await;
        stalled.spawn(async move {
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await.unwrap();
            answer
        });
    }
    // All but the one that has the account's bytes are refused, without their bodies.
    for _ in 0..11 {
        let answer = timeout(PATIENCE, stalled.join_next()).await.expect("an answer").unwrap().unwrap();
        assert_eq!(&answer, b"HTTP/1.1 429");
    }
    service.public.with_key(&other).post_csv(&format!("{PATH}/import"), FILE).await.expect(200);
    // Small bodies of the same account have room beside it.
    service.public.with_key(&one).post(PATH, &pair()).await.expect(201);
    drop(stalled);
    eventually("the bytes are given back", async || {
        let answer = service.public.with_key(&one).post_csv(&format!("{PATH}/import"), FILE).await;
        answer.status == 200
    })
    .await;
    service.program.stop().await.done();
}

#[tokio::test]
async fn bodies_of_strangers_leave_accounts_and_other_addresses_theirs() {
    let installation = Installation::new().await;
    let account = installation.account("A").await;
    let key = installation.key(&account, &[]).await;
    let service = installation.serve().await;
    let mut strangers = JoinSet::new();
    for _ in 0..100 {
        let mut stream = service.public.connect().await;
        let head =
            "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 65536\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b'['; 65_535]).await.unwrap();
        strangers.spawn(async move {
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await.unwrap();
            answer
        });
    }
    // The address has its part: bodies beyond it are refused.
    for _ in 0..20 {
        let answer = timeout(PATIENCE, strangers.join_next()).await.expect("an answer").unwrap().unwrap();
        assert_eq!(&answer, b"HTTP/1.1 429");
    }
    service.public.with_key(&key).post(PATH, &pair()).await.expect(201);
    service.program.stop().await.done();
}

#[tokio::test]
async fn sub_accounts_have_their_parents_turns_and_not_a_set_each() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let other = app.account("other@platform.example").await;
    let (first, second) = (app.subaccount(&parent, "1").await, app.subaccount(&parent, "2").await);
    let (reads, writes) = (&app.app.admission.reads, &app.app.admission.writes);
    let mut turns = vec![];
    for _ in 0..app.app.settings.admission.at_once {
        turns.push(reads.acquire(parent.account).await.unwrap_or_else(|_| panic!("a turn")));
        turns.push(writes.acquire(parent.account).await.unwrap_or_else(|_| panic!("a turn")));
    }
    let requests = [&first, &second, &parent]
        .into_iter()
        .flat_map(|caller| [caller.request(Method::GET, PATH, None), caller.request(Method::POST, PATH, Some(pair()))]);
    for answer in app.send_each_once(requests).await {
        answer.expect_error(429, TOO_MANY);
    }
    other.post(PATH, pair()).await.expect(201);
    drop(turns);
    first.post(PATH, pair()).await.expect(201);
}
