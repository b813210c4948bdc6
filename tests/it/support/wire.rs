//! HTTP over a real connection: as much of HTTP/1.1 as a test of the real program needs, one connection per request.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::response::Answer;

/// Longer than the service itself takes to give up. Only a failing test waits that long.
const PATIENCE: Duration = Duration::from_mins(2);

/// A listener and the headers that every request to it carries.
#[derive(Clone)]
pub struct Endpoint {
    address: SocketAddr,
    headers: String,
}

impl Endpoint {
    /// From `http://address`.
    pub fn new(url: &str) -> Self {
        let address = url.strip_prefix("http://").and_then(|address| address.parse().ok());
        Self { address: address.unwrap_or_else(|| panic!("no address: {url}")), headers: String::new() }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn with_key(&self, key: &str) -> Self {
        self.with_header("X-API-Key", key)
    }

    pub fn with_header(&self, name: &str, value: &str) -> Self {
        Self { headers: format!("{}{name}: {value}\r\n", self.headers), ..self.clone() }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None).await.unwrap()
    }

    /// Returns whether the service is ready, and answers from memory.
    pub async fn is_at_full_speed(&self) -> bool {
        let answer = self.get("/readyz").await;
        answer.status == 200 && !answer.body.contains("degraded")
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.try_post(path, body).await.unwrap()
    }

    /// For tests that kill the process that should answer.
    pub async fn try_post(&self, path: &str, body: &Value) -> io::Result<Answer> {
        self.send("POST", path, Some(body)).await
    }

    /// A connection on which nothing has been sent yet.
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A connection that was used once and is kept for more.
    pub async fn connect_and_ask(&self, path: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").as_bytes()).await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        stream
    }

    /// Whether nobody listens there any more.
    pub async fn refuses(&self) -> bool {
        TcpStream::connect(self.address).await.is_err()
    }

    /// Any request, for tests that kill the process that should answer.
    pub async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Answer> {
        timeout(PATIENCE, self.exchange(method, path, body)).await.expect("an answer in time")
    }

    /// Sends a file.
    pub async fn post_csv(&self, path: &str, file: &str) -> Answer {
        timeout(PATIENCE, self.exchange_as("text/csv", "POST", path, file)).await.expect("an answer in time").unwrap()
    }

    async fn exchange(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Answer> {
        let body = body.map(Value::to_string).unwrap_or_default();
        self.exchange_as("application/json", method, path, &body).await
    }

    async fn exchange_as(&self, media: &str, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        let mut stream = TcpStream::connect(self.address).await?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{}\
             Content-Type: {media}\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            self.headers,
            body.len(),
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        parse(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "half an answer"))
    }
}

/// The answer, if it is whole: a killed server may leave half of one.
fn parse(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = StatusCode::from_bytes(lines.next()?.split(' ').nth(1)?.as_bytes()).ok()?;
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        headers.append(name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?);
    }
    let length = headers.get("content-length").and_then(|length| length.to_str().ok()?.parse().ok());
    // An answer without a body has no length either.
    let whole = if status == StatusCode::NO_CONTENT { body.is_empty() } else { length == Some(body.len()) };
    whole.then(|| Answer { status, headers, body: body.to_owned() })
}
