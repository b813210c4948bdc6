//! Traces, as an OTLP endpoint of the test's own receives them. With the feature `otel`; without it the setting is refused.

use crate::support::installation::Installation;

#[cfg(not(feature = "otel"))]
#[tokio::test]
async fn a_build_without_traces_refuses_the_setting_for_them() {
    let installation = Installation::new().await.with("CREDENZA_OTLP_ENDPOINT", "http://localhost:4318");
    let way_out = "CREDENZA_OTLP_ENDPOINT is set, and this build sends no traces: build it with `--features otel`";
    installation.run(&["serve"]).await.refused(1, way_out);
}

#[cfg(feature = "otel")]
mod sent {
    use std::sync::{Arc, Mutex};

    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::Installation;

    /// The posted bodies, one request after the other.
    type Received = Arc<Mutex<Vec<u8>>>;

    async fn receiver() -> (String, Received) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Received::default();
        let sink = Arc::clone(&received);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(receive(stream, Arc::clone(&sink)));
            }
        });
        (url, received)
    }

    /// Takes requests of one connection: heads that end with an empty line, bodies of the length that they declare.
    async fn receive(mut stream: TcpStream, sink: Received) -> std::io::Result<()> {
        let mut buffer = Vec::new();
        loop {
            let end = loop {
                if let Some(end) = buffer.windows(4).position(|part| part == b"\r\n\r\n") {
                    break end + 4;
                }
                if stream.read_buf(&mut buffer).await? == 0 {
                    return Ok(());
                }
            };
            let head = String::from_utf8_lossy(&buffer[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.unwrap().trim().parse().unwrap();
            while buffer.len() < end + length {
                stream.read_buf(&mut buffer).await?;
            }
            sink.lock().unwrap().extend(buffer.drain(..end + length));
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
        }
    }

    fn holds(received: &[u8], part: &[u8]) -> bool {
        received.windows(part.len()).any(|window| window == part)
    }

    #[tokio::test]
    async fn a_request_is_a_span_of_its_callers_trace_and_holds_no_secret() {
        let (url, received) = receiver().await;
        let installation = Installation::new().await;
        let account = installation.account("A").await;
        let scopes = "credentials:read,credentials:write,credentials:resolve";
        let key = installation.key(&account, &["--scopes", scopes]).await;
        let service = installation.with("CREDENZA_OTLP_ENDPOINT", &url).serve().await;
        let caller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let traced = service.public.with_key(&key).with_header("traceparent", caller);
        let body = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "Sentinel-9f3Z"});
        traced.post("/extra/v2/credentials", &body).await.expect(201);
        service.resolve(&key, &account, "HIT").await.expect(200);
        service.public.with_header("traceparent", "noise").get("/Sentinel-9f3Z?x=Sentinel-9f3Z").await.expect(404);
        service.program.stop().await.done();

        let received = received.lock().unwrap().clone();
        assert!(received.starts_with(b"POST /v1/traces HTTP/1.1\r\n"), "{}", String::from_utf8_lossy(&received));
        let trace: Vec<u8> = (0..16).map(|i| u8::from_str_radix(&caller[3 + 2 * i..5 + 2 * i], 16).unwrap()).collect();
        let parent: Vec<u8> =
            (0..8).map(|i| u8::from_str_radix(&caller[36 + 2 * i..38 + 2 * i], 16).unwrap()).collect();
        assert!(holds(&received, &trace) && holds(&received, &parent), "the caller's trace goes on");
        for part in ["POST /extra/v2/credentials", "POST /internal/v1/resolve", "commit", "http.response.status_code"] {
            assert!(holds(&received, part.as_bytes()), "{part}: {}", String::from_utf8_lossy(&received));
        }
        for secret in ["Sentinel", &key, &key[4..12]] {
            assert!(!holds(&received, secret.as_bytes()), "{secret}");
        }
    }
}
