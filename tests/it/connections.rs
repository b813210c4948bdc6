//! Connections to the real program: clients that close their half, send nothing, read nothing, or send too much, and
//! clients that are still connected when the service stops.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use sqlx::ConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

use crate::support::installation::{Installation, Service};
use crate::support::program::eventually;
use crate::support::wire::Endpoint;

/// Longer than the service's own patience. Only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(40);

/// Reads until the service ends the connection.
async fn to_the_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("the connection ends");
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads one answer of which the body is not longer than one read.
async fn one_answer(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    while !answer.contains("\r\n\r\n") {
        let mut part = [0; 4096];
        let count = timeout(PATIENCE, stream.read(&mut part)).await.expect("an answer").unwrap_or_default();
        if count == 0 {
            break;
        }
        answer.push_str(&String::from_utf8_lossy(&part[..count]));
    }
    answer
}

fn status(answer: &str) -> &str {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap_or("none")
}

fn closes(answer: &str) -> bool {
    answer.to_ascii_lowercase().contains("\r\nconnection: close\r\n")
}

#[tokio::test]
async fn a_client_that_has_sent_everything_and_closed_its_half_is_answered() {
    let installation = Installation::new().await;
    let account = installation.account("A").await;
    let key = installation.key(&account, &[]).await;
    let service = installation.serve().await;
    let half_closed = async |endpoint: &Endpoint, request: &str| {
        let mut stream = endpoint.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        to_the_end(&mut stream).await
    };
    eventually("it is ready", async || service.public.get("/readyz").await.status == 200).await;
    for endpoint in [&service.public, &service.internal] {
        for path in ["/healthz", "/readyz", "/openapi.json"] {
            for _ in 0..5 {
                let answer = half_closed(endpoint, &format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n")).await;
                // A busy machine may be without its lease for a moment.
                let is_served = status(&answer) == "200" || path == "/readyz" && status(&answer) == "503";
                assert!(is_served, "{path}: {answer}");
            }
        }
    }
    let body = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "p"}).to_string();
    let head = format!(
        "POST /extra/v2/credentials HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n"
    );
    let framed = [
        format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
    ];
    for request in framed {
        let answer = half_closed(&service.public, &request).await;
        assert_eq!(status(&answer), "201", "{answer}");
    }
    // Half a request is none.
    let answer = half_closed(&service.public, &format!("{head}Content-Length: {}\r\n\r\n{body}", body.len() + 1)).await;
    assert!(["400", "none"].contains(&status(&answer)), "{answer}");
    service.program.stop().await.done();
}

#[tokio::test]
async fn a_connection_may_be_idle_for_longer_than_a_head_may_take() {
    let installation = Installation::new().await.with("CREDENZA_IDLE_TIMEOUT", "4s");
    let service = installation.with("CREDENZA_REQUEST_TIMEOUT", "1s").serve().await;
    for endpoint in [&service.public, &service.internal] {
        let (mut idle, mut slow) = (endpoint.connect_and_ask("/healthz").await, endpoint.connect().await);
        slow.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
        let begun = Instant::now();
        assert_eq!(to_the_end(&mut slow).await, "");
        let slow_ended = begun.elapsed();
        // The other one is still there.
        idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n").await.unwrap();
        assert_eq!(status(&one_answer(&mut idle).await), "200");
        let begun = Instant::now();
        to_the_end(&mut idle).await;
        assert!(begun.elapsed() > Duration::from_secs(3) && slow_ended >= Duration::from_millis(900), "{slow_ended:?}");
    }
    service.program.stop().await.done();
}

#[tokio::test]
async fn an_answer_that_nobody_reads_ends_its_connection() {
    let service = Installation::new().await.with("CREDENZA_REQUEST_TIMEOUT", "1s").serve().await;
    let mut stream = service.public.connect().await;
    let broken = async { while stream.write_all(b"GET /openapi.json HTTP/1.1\r\nHost: here\r\n\r\n").await.is_ok() {} };
    timeout(PATIENCE, broken).await.expect("the connection ends");
    service.public.get("/healthz").await.expect(200);
    service.program.stop().await.done();
}

#[tokio::test]
async fn idle_connections_of_one_address_leave_room_for_another() {
    let installation = Installation::new().await.with("CREDENZA_MAX_CONNECTIONS", "40");
    let service = installation.serve().await;
    let mut strangers = vec![];
    for number in 0..80 {
        let mut stream = service.public.connect().await;
        // Some of them begin a request.
        if number % 2 == 0 {
            let _ = stream.write_all(b"G").await;
        }
        strangers.push(stream);
    }
    let asked_from = async |last: u8| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, last], 0).into()).unwrap();
        let mut stream = socket.connect(service.public.address()).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").await.unwrap();
        to_the_end(&mut stream).await
    };
    for last in 2..10 {
        assert_eq!(status(&asked_from(last).await), "200");
    }
    // Also for the address itself: its longest idle connection goes.
    assert_eq!(status(&asked_from(1).await), "200");
    drop(strangers);
    service.program.stop().await.done();
}

/// Sends a head, all of a body, and reads only then, as many clients do.
async fn sends_all_first(service: &Service, head: &str, bytes: usize) -> String {
    let mut stream = service.public.connect().await;
    let head = format!("{head}Host: here\r\nContent-Length: {bytes}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let part = vec![b'x'; 1 << 16];
    let mut left = bytes;
    while left > 0 {
        let count = left.min(part.len());
        timeout(PATIENCE, stream.write_all(&part[..count])).await.expect("is read").expect("is not broken off");
        left -= count;
    }
    one_answer(&mut stream).await
}

#[tokio::test]
async fn a_client_that_sends_all_of_a_refused_body_first_sees_the_refusal() {
    let installation = Installation::new().await;
    let account = installation.account("A").await;
    let key = installation.key(&account, &[]).await;
    let service = installation.serve().await;
    let import = |key: &str, media: &str| {
        format!("POST /extra/v2/credentials/import HTTP/1.1\r\nX-API-Key: {key}\r\nContent-Type: {media}\r\n")
    };
    let upsert =
        format!("POST /extra/v2/credentials HTTP/1.1\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n");
    for (head, bytes, expected) in [
        (import(&key, "text/csv"), 15_000_000, "413"),
        (import("czs_wrong", "text/csv"), 5_000_000, "403"),
        (import(&key, "text/plain"), 5_000_000, "415"),
        (upsert.clone(), 8_000_000, "413"),
        (upsert.replace("application/json", "text/plain"), 60_000, "415"),
        ("POST /nowhere HTTP/1.1\r\n".to_owned(), 5_000_000, "404"),
        ("PUT /healthz HTTP/1.1\r\n".to_owned(), 5_000_000, "405"),
    ] {
        let answer = sends_all_first(&service, &head, bytes).await;
        assert_eq!(status(&answer), expected, "{head} {answer}");
        assert_eq!(closes(&answer), bytes > 64 << 10, "{head} {answer}");
    }
    service.program.stop().await.done();
}

#[tokio::test]
async fn a_client_that_waits_for_leave_is_refused_without_it() {
    let installation = Installation::new().await;
    let account = installation.account("A").await;
    let key = installation.key(&account, &[]).await;
    let service = installation.serve().await;
    let ask = async |key: &str, media: &str, bytes: usize| {
        let mut stream = service.public.connect().await;
        let head = format!(
            "POST /extra/v2/credentials/import HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Type: {media}\r\n\
             Expect: 100-continue\r\nContent-Length: {bytes}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        (one_answer(&mut stream).await, stream)
    };
    for (key, media, bytes, expected) in
        [("czs_wrong", "text/csv", 99_999_999, "403"), (key.as_str(), "text/plain", 100, "415")]
    {
        let (answer, mut stream) = ask(key, media, bytes).await;
        assert_eq!(status(&answer), expected, "{answer}");
        assert!(closes(&answer), "{answer}");
        to_the_end(&mut stream).await;
    }
    let file = "supplier_code,staging_username,staging_password,production_username,production_password\nHIT,,,u,p\n";
    let (leave, mut stream) = ask(&key, "text/csv", file.len()).await;
    assert_eq!(leave, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(file.as_bytes()).await.unwrap();
    assert_eq!(status(&one_answer(&mut stream).await), "200");
    service.program.stop().await.done();
}

#[tokio::test]
async fn answers_on_kept_connections_ask_to_close_from_the_signal_on() {
    let service = Installation::new().await.with("CREDENZA_SHUTDOWN_GRACE", "10m").serve().await;
    let ask = async |stream: &mut TcpStream| {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n").await.unwrap();
        one_answer(stream).await
    };
    let endpoints = [&service.public, &service.internal];
    let mut kept = vec![];
    for endpoint in endpoints {
        let mut stream = endpoint.connect().await;
        assert!(!closes(&ask(&mut stream).await));
        kept.push(stream);
    }
    service.program.signal(Signal::TERM);
    eventually("it is stopping", async || service.public.get("/readyz").await.status == 503).await;
    for stream in &mut kept {
        let answer = ask(stream).await;
        assert!(status(&answer) == "200" && closes(&answer), "{answer}");
        to_the_end(stream).await;
    }
    // New connections are served as well, once.
    let mut stream = service.public.connect().await;
    assert!(closes(&ask(&mut stream).await));
    let program = service.program;
    program.signal(Signal::TERM);
    program.end().await.done();
}

/// Clients under load, each with a connection that it keeps until an answer asks to close it.
#[tokio::test]
async fn no_request_is_lost_on_a_kept_connection_when_the_service_stops() {
    let service = Installation::new().await.with("CREDENZA_SHUTDOWN_GRACE", "1s").serve().await;
    let mut clients = tokio::task::JoinSet::new();
    for endpoint in [&service.public, &service.internal] {
        for _ in 0..3 {
            let mut stream = endpoint.connect().await;
            clients.spawn(async move {
                let mut asked = 0;
                loop {
                    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n").await.unwrap();
                    let answer = one_answer(&mut stream).await;
                    assert_eq!(status(&answer), "200", "after {asked} requests");
                    asked += 1;
                    if closes(&answer) {
                        return asked;
                    }
                }
            });
        }
    }
    // A connection that was never used serves its first request after the signal.
    let mut fresh = service.public.connect().await;
    service.program.signal(Signal::TERM);
    assert!(clients.join_all().await.into_iter().all(|asked| asked > 0));
    fresh.write_all(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n").await.unwrap();
    assert_eq!(status(&one_answer(&mut fresh).await), "200");
    let program = service.program;
    program.end().await.done();
}

/// A method is the client's own text, and may be a secret.
#[tokio::test]
async fn the_log_has_known_methods_only() {
    let service = Installation::new().await.serve().await;
    service.public.send("Hunter2Trace", "/healthz", None).await.unwrap().expect(405);
    service.public.get("/healthz").await.expect(200);
    let finished = service.program.stop().await;
    finished.done();
    assert!(!finished.stderr.contains("Hunter2Trace"), "{}", finished.stderr);
    assert!(finished.stderr.contains("\"method\":\"GET\""), "{}", finished.stderr);
}

#[tokio::test]
async fn a_write_whose_client_left_keeps_its_turn_until_it_has_ended() {
    // One turn for the writes of an account.
    let installation = Installation::new().await.with("CREDENZA_DATABASE_CONNECTIONS", "4");
    let account = installation.account("A").await;
    let key = installation.key(&account, &["--scopes", "credentials:read,credentials:write"]).await;
    let service = installation.serve().await;
    eventually("it is ready", async || service.public.is_at_full_speed().await).await;
    let public = service.public.with_key(&key);
    let body = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "p"});

    // No commit gets through.
    let mut admin = installation.database.admin.connect().await.unwrap();
    sqlx::raw_sql("begin; lock table membership in exclusive mode").execute(&mut admin).await.unwrap();
    let text = body.to_string();
    let head = format!("POST /extra/v2/credentials HTTP/1.1\r\nHost: here\r\nX-API-Key: {key}\r\n");
    let mut stream = service.public.connect().await;
    let rest = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}", text.len());
    stream.write_all((head + &rest).as_bytes()).await.unwrap();
    let waiting = "select count(*) from pg_locks join pg_database on pg_database.oid = database
                   where datname = current_database() and not granted";
    eventually("the write waits for its commit", async || {
        let mut other = installation.database.admin.connect().await.unwrap();
        sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut other).await.unwrap() > 0
    })
    .await;
    // The client resets the connection, which says that it left.
    stream.set_zero_linger().unwrap();
    drop(stream);
    let next = public.post("/extra/v2/credentials", &body).await;
    assert_eq!(next.status, 429, "the turn is taken: {next:?}");
    sqlx::raw_sql("rollback").execute(&mut admin).await.unwrap();
    eventually("the turn is free", async || public.post("/extra/v2/credentials", &body).await.status == 201).await;
    service.program.stop().await.done();
}
