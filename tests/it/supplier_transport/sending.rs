//! The request as the supplier receives it, and how often.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[tokio::test]
async fn a_request_is_soap_1_1_and_has_nothing_else_in_its_head() {
    let supplier = Supplier::answering(OK).await;
    let mut url = supplier.url("127.0.0.1");
    url.set_fragment(Some("fragment"));
    let transport = transport();
    read(call(&transport, &target(&url)).await.unwrap()).await.unwrap();
    let request = supplier.seen().requests[0].clone();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.split("\r\n").map(str::to_owned).collect();
    assert_eq!(lines.remove(0), "POST /ws?x=1 HTTP/1.1");
    lines.sort();
    let expected = [
        "accept-encoding: gzip".to_owned(),
        "accept: text/xml".to_owned(),
        format!("content-length: {}", ENVELOPE.len()),
        "content-type: text/xml; charset=utf-8".to_owned(),
        format!("host: {}", supplier.address),
        "soapaction: \"getProduct\"".to_owned(),
        format!("user-agent: credenza/{}", env!("CARGO_PKG_VERSION")),
    ];
    assert_eq!(lines, expected);
    assert_eq!(body, ENVELOPE);
}

#[tokio::test]
async fn cookies_are_not_kept() {
    let answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n";
    let supplier = Supplier::answering(answer).await;
    let transport = transport();
    for _ in 0..2 {
        read(supplier.call(&transport).await.unwrap()).await.unwrap();
    }
    assert!(supplier.seen().requests.iter().all(|request| !request.to_lowercase().contains("cookie")));
}

/// Runs another test with proxies in the environment, at a port where nobody listens.
#[test]
fn proxies_of_the_environment_are_not_used() {
    let mut program = std::process::Command::new(std::env::current_exe().unwrap());
    program.args(["--exact", "supplier_transport::sending::cookies_are_not_kept"]);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        program.env(name, "http://127.0.0.1:1");
    }
    for name in ["NO_PROXY", "no_proxy", "REQUEST_METHOD"] {
        program.env_remove(name);
    }
    let output = program.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
}

#[tokio::test]
async fn a_large_request_arrives_whole() {
    let supplier = Supplier::answering(OK).await;
    let envelope = vec![b'x'; 3 << 20];
    let url = supplier.url("127.0.0.1");
    transport().post(&target(&url), Zeroizing::new(envelope.clone())).await.unwrap();
    assert!(supplier.seen().requests[0].ends_with(std::str::from_utf8(&envelope).unwrap()));
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_call_but_not_for_an_order() {
    let supplier = Supplier::answering(OK).await;
    let transport = transport();
    for _ in 0..3 {
        read(supplier.call(&transport).await.unwrap()).await.unwrap();
    }
    assert_eq!(supplier.seen().connections, 1);
    let url = supplier.url("127.0.0.1");
    for connections in 2..4 {
        let order = Target { new_connection: true, ..target(&url) };
        read(call(&transport, &order).await.unwrap()).await.unwrap();
        assert_eq!(supplier.seen().connections, connections);
    }
    assert_eq!(supplier.seen().requests.len(), 5);
}

/// A supplier whose connections end at the second request, when it has been received.
#[tokio::test]
async fn a_request_that_was_received_on_a_kept_connection_is_not_sent_again() {
    for is_reset in [false, true] {
        let supplier = Supplier::plain(move |mut connection| async move {
            connection.request().await;
            connection.send(OK).await;
            connection.request().await;
            if is_reset {
                connection.reset();
            }
        })
        .await;
        let transport = transport();
        read(supplier.call(&transport).await.unwrap()).await.unwrap();
        let error = supplier.call(&transport).await.err().unwrap();
        assert_eq!(error, TransportError::Reset);
        assert!(error.before_a_byte() && error.may_be_received() && error.is_outage());
        let seen = supplier.seen();
        assert_eq!((seen.connections, seen.requests.len()), (1, 2));
    }
}

/// A supplier that closes a connection at any moment after its first answer, and the next request at the same moment.
#[tokio::test]
async fn no_request_is_received_twice_when_a_kept_connection_closes_at_the_same_moment() {
    let steps = Arc::new(AtomicUsize::new(0));
    let of_supplier = Arc::clone(&steps);
    let supplier = Supplier::plain(move |mut connection| {
        let steps = of_supplier.load(Ordering::SeqCst);
        async move {
            connection.request().await;
            connection.send(OK).await;
            for _ in 0..steps {
                tokio::task::yield_now().await;
            }
            // One that arrived in time is received, without an answer.
            let mut rest = [0; 4096];
            if connection.stream.tcp().try_read(&mut rest).is_ok_and(|count| count > 0) {
                let request = String::from_utf8_lossy(&rest).trim_end_matches('\0').to_owned();
                connection.seen.lock().unwrap().requests.push(request);
            }
        }
    })
    .await;
    let url = supplier.url("127.0.0.1");
    let transport = transport();
    let mut outcomes = [0, 0];
    for round in 0..300 {
        steps.store(round % 12, Ordering::SeqCst);
        for call in 0..2 {
            let envelope = Zeroizing::new(format!("<{round}-{call}/>").into_bytes());
            let reply = transport.post(&target(&url), envelope).await;
            match reply {
                Ok(reply) => {
                    let _ = read(reply).await;
                    outcomes[0] += 1;
                }
                Err(error) => {
                    assert_eq!(error, TransportError::Reset);
                    outcomes[1] += 1;
                }
            }
        }
    }
    let seen = supplier.seen();
    for round in 0..300 {
        for call in 0..2 {
            let body = format!("<{round}-{call}/>");
            let received = seen.requests.iter().filter(|request| request.ends_with(&body)).count();
            assert!(received <= 1, "{body} was received {received} times");
        }
    }
    // Both happened, or the test shows nothing.
    assert!(outcomes.iter().all(|count| *count > 0), "{outcomes:?}");
}

#[tokio::test]
async fn an_order_never_meets_a_kept_connection_that_was_just_closed() {
    let supplier = Supplier::plain(|mut connection| async move {
        connection.request().await;
        connection.send(OK).await;
    })
    .await;
    let url = supplier.url("127.0.0.1");
    let transport = transport();
    for orders in 1..100 {
        read(call(&transport, &target(&url)).await.unwrap_or_else(|_| panic!())).await.ok();
        let order = Target { new_connection: true, ..target(&url) };
        assert_eq!(call(&transport, &order).await.unwrap().status, 200, "{orders}");
    }
}
