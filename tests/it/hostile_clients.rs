//! Clients that try to take the service down, on real connections to the real program: each is refused or cut off, the
//! service answers others all the while, and its memory stays small.

use std::time::Duration;

use rustix::process::Pid;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::installation::{Installation, Service};
use crate::support::skip::skip;

/// Longer than the service's own patience. Only a failing test waits that long.
const PATIENCE: Duration = Duration::from_mins(2);
/// A request whose body is read before anybody asks who sends it.
const WITH_A_BODY: &str = "POST /oauth/introspect HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n";

/// Sends as much as the service takes, and returns all that it answers until it closes the connection.
async fn answer_to(service: &Service, bytes: &[u8]) -> String {
    let (mut from, mut to) = service.public.connect().await.into_split();
    // Whoever is refused early may be cut off before everything is sent.
    let send = async {
        let _ = to.write_all(bytes).await;
    };
    let receive = async {
        let mut answer = Vec::new();
        let _ = from.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    timeout(PATIENCE, async { tokio::join!(send, receive).1 }).await.expect("it is cut off")
}

fn status(answer: &str) -> &str {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap_or("none")
}

/// Most memory that a process has had, in bytes; none where the system does not report it.
fn peak_memory(process: Pid) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.as_raw_pid())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
}

async fn still_answers(service: &Service) {
    service.public.get("/healthz").await.expect(200);
}

#[tokio::test]
async fn floods_of_headers_and_lines_without_end_are_refused() {
    let service = Installation::new().await.serve().await;
    let headers = |count: usize, length: usize| {
        let header = |number| format!("X-{number}: {}\r\n", "x".repeat(length));
        format!("GET /healthz HTTP/1.1\r\nHost: here\r\n{}\r\n", (0..count).map(header).collect::<String>())
    };
    let of_size = |bytes: usize| {
        let start = "GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\nX: ";
        format!("{start}{}\r\n\r\n", "x".repeat(bytes - start.len() - 4))
    };
    for (flood, expected) in [
        (headers(98, 1).replace("Host", "Connection: close\r\nHost"), "200"),
        (of_size(32 << 10), "200"),
        (of_size((32 << 10) + 1), "431"),
        (headers(101, 1), "431"),
        (headers(90, 4 << 10), "431"),
        (headers(1, 1 << 20), "431"),
        (format!("GET /{} HTTP/1.1\r\nHost: here\r\n\r\n", "x".repeat(1 << 20)), "431"),
        (format!("GET /healthz?{}", "x&".repeat(1 << 20)), "431"),
        ("x".repeat(1 << 20), "431"),
    ] {
        let answer = answer_to(&service, flood.as_bytes()).await;
        let start = &flood[..flood.len().min(60)];
        assert_eq!(status(&answer), expected, "{start:?} {answer:?}");
    }
    still_answers(&service).await;
    service.program.stop().await.done();
}

#[tokio::test]
async fn bodies_without_end_and_frames_that_contradict_each_other_are_refused() {
    let service = Installation::new().await.serve().await;
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let chunked = |rest: &str| format!("{WITH_A_BODY}Transfer-Encoding: chunked\r\n\r\n{rest}");
    let with_length = |length: &str, body: &str| format!("{WITH_A_BODY}Content-Length: {length}\r\n\r\n{body}");
    for (request, expected) in [
        (chunked(&chunk.repeat(1000)), "413"),
        (chunked(&format!("1;{}\r\nx\r\n", "x".repeat(1 << 20))), "400"),
        (chunked("ffffffffffffffff1\r\n"), "400"),
        (chunked("zz\r\n"), "400"),
        (chunked(&format!("0\r\n{}\r\n", "X: y\r\n".repeat(100_000))), "400"),
        (with_length("99999999999", &"x".repeat(1 << 20)), "413"),
        (with_length("99999999999999999999999", ""), "400"),
        (with_length("-1", ""), "400"),
        (with_length("5\r\nContent-Length: 6", "hello"), "400"),
        (format!("{WITH_A_BODY}Transfer-Encoding: gzip, chunked\r\nContent-Encoding: gzip\r\n\r\n0\r\n\r\n"), "400"),
        (format!("{WITH_A_BODY}Transfer-Encoding: gzip\r\n\r\n"), "400"),
    ] {
        let answer = answer_to(&service, request.as_bytes()).await;
        let start = &request[WITH_A_BODY.len()..request.len().min(WITH_A_BODY.len() + 60)];
        assert_eq!(status(&answer), expected, "{start:?} {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "one request, one answer: {start:?} {answer:?}");
    }
    still_answers(&service).await;
    service.program.stop().await.done();
}

#[tokio::test]
async fn requests_that_are_sent_at_once_are_answered_in_their_order() {
    let service = Installation::new().await.serve().await;
    let request = |number: usize, more: &str| {
        format!("GET /healthz HTTP/1.1\r\nHost: here\r\nX-Request-Id: number-{number}\r\n{more}\r\n")
    };
    let all: String = (0..999).map(|number| request(number, "")).collect();
    let answers = answer_to(&service, (all + &request(999, "Connection: close\r\n")).as_bytes()).await;
    let ids = answers.split("x-request-id: number-").skip(1);
    let ids: Vec<usize> = ids.map(|rest| rest.split("\r\n").next().unwrap().parse().unwrap()).collect();
    assert_eq!(ids, (0..1000).collect::<Vec<_>>());
    service.program.stop().await.done();
}

/// Clients that send slowly or not at all, and many at once: what each of them has sent before it waits.
fn slow_starts() -> Vec<String> {
    vec![
        String::new(),
        "GET /healthz HTTP/1.1\r\nHost: he".to_owned(),
        format!("{WITH_A_BODY}Content-Length: 100\r\n\r\nhalf a bo"),
        format!("{WITH_A_BODY}Transfer-Encoding: chunked\r\n\r\nffff\r\nhe"),
    ]
}

/// Sends a byte now and then, and returns when the service has closed the connection.
async fn drip(mut connection: TcpStream, start: String) -> String {
    let _ = connection.write_all(start.as_bytes()).await;
    let (mut from, mut to) = connection.into_split();
    let mut answer = Vec::new();
    let dripping = async {
        while to.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = dripping => {}
        _ = from.read_to_end(&mut answer) => {}
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn slow_clients_are_cut_off_and_many_of_them_cost_little_memory() {
    let service = Installation::new().await.serve().await;
    still_answers(&service).await;
    let before = peak_memory(service.program.pid());
    let mut clients = JoinSet::new();
    for start in slow_starts() {
        for _ in 0..50 {
            clients.spawn(drip(service.public.connect().await, start.clone()));
        }
    }
    // Among them some that want much memory, each in its own way.
    let flood = format!("GET / HTTP/1.1\r\nHost: here\r\nX: {}", "x".repeat(30 << 10));
    let body = format!("{WITH_A_BODY}Content-Length: 65536\r\n\r\n{}", "[".repeat(60 << 10));
    for start in [flood, body] {
        for _ in 0..50 {
            clients.spawn(drip(service.public.connect().await, start.clone()));
        }
    }
    still_answers(&service).await;
    let answers = timeout(PATIENCE, clients.join_all()).await.expect("all of them are cut off");
    for answer in &answers {
        assert!(["none", "408", "503"].contains(&status(answer)), "{answer:?}");
    }
    assert_eq!(answers.iter().filter(|answer| status(answer) == "503").count(), 150, "those whose headers were whole");
    still_answers(&service).await;
    if let (Some(before), Some(after)) = (before, peak_memory(service.program.pid())) {
        let more = (after - before) >> 10;
        assert!(more < 64 << 10, "{more} KiB more than the {} KiB before", before >> 10);
    } else {
        skip!("no /proc to read the memory of a process in");
    }
    service.program.stop().await.done();
}

#[tokio::test]
async fn json_that_exhausts_the_stack_or_the_heap_is_refused() {
    let installation = Installation::new().await;
    let account = installation.account("A").await;
    let key = installation.key(&account, &[]).await;
    let service = installation.serve().await;
    service.public.with_key(&key).post("/extra/v2/credentials", &json!({"supplier_code": "HIT"})).await.expect(201);
    let before = peak_memory(service.program.pid());
    for body in [
        "[".repeat(60_000),
        "{\"a\":".repeat(12_000),
        format!("{{\"supplier_code\": {}1{}}}", "[".repeat(30_000), "]".repeat(30_000)),
        format!("{{\"supplier_code\": {}}}", "9".repeat(60_000)),
        format!("{{{}}}", "\"a\":1,".repeat(9_000)),
    ] {
        let request = format!(
            "POST /extra/v2/credentials HTTP/1.1\r\nHost: here\r\nConnection: close\r\nX-API-Key: {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        assert_eq!(status(&answer_to(&service, request.as_bytes()).await), "400");
    }
    if let (Some(before), Some(after)) = (before, peak_memory(service.program.pid())) {
        assert!(after - before < 16 << 20, "{} bytes more", after - before);
    }
    service.program.stop().await.done();
}
