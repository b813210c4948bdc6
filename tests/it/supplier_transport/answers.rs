//! Answers that are well formed, and all the others.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::io::AsyncBufReadExt;

use super::*;

/// `<a/>` under gzip.
const SMALL_GZIP: &str = "H4sIAAAAAAAC/7NJ1LcDANQc0QEEAAAA";
/// The head of a file of gzip.
const GZIP: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
/// 64 KiB of zeros within such a file, as often as one likes.
const ZEROS: &str =
    "7MEBAQAAAICQ/q/uCAoAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABqAAAA//8=";

fn gzip(text: &str) -> Vec<u8> {
    BASE64_STANDARD.decode(text).unwrap()
}

fn with_body(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("{head}\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

#[tokio::test]
async fn an_answer_of_any_status_but_a_redirect_is_handed_over() {
    let transport = transport();
    for status in [200, 201, 400, 401, 404, 429, 500, 503] {
        let supplier = Supplier::sending(format!("HTTP/1.1 {status} X\r\nContent-Length: 4\r\n\r\n<a/>")).await;
        assert_eq!(supplier.ask(&transport).await, Ok((status, b"<a/>".to_vec())));
    }
    let elsewhere = Supplier::answering(OK).await;
    for status in [300, 301, 302, 303, 304, 307, 308, 399] {
        let head =
            format!("HTTP/1.1 {status} X\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", elsewhere.url("127.0.0.1"));
        let error = Supplier::sending(head).await.ask(&transport).await.unwrap_err();
        assert_eq!(error, TransportError::Redirect);
        assert!(!error.before_a_byte() && error.may_be_received() && !error.is_outage());
    }
    assert_eq!(elsewhere.seen().connections, 0);
}

#[tokio::test]
async fn the_head_is_reported() {
    let transport = transport();
    let head = |lines: &str| format!("HTTP/1.1 503 X\r\n{lines}Content-Length: 0\r\n\r\n");
    let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    let cases = [
        (String::new(), None),
        ("Retry-After: 120\r\n".to_owned(), Some(120)),
        ("Retry-After: -1\r\n".to_owned(), None),
        ("Retry-After: soon\r\n".to_owned(), None),
        (format!("{date}Retry-After: Sun, 06 Nov 1994 08:50:37 GMT\r\n"), Some(60)),
        (format!("{date}Retry-After: Sun, 06 Nov 1994 08:40:37 GMT\r\n"), Some(0)),
        ("Retry-After: Sun, 06 Nov 1994 08:50:37 GMT\r\n".to_owned(), None),
    ];
    for (lines, seconds) in cases {
        let supplier = Supplier::sending(head(&lines)).await;
        let reply = supplier.call(&transport).await.unwrap();
        assert_eq!(reply.retry_after, seconds.map(Duration::from_secs), "{lines}");
        assert_eq!(reply.content_type, None);
    }
    let supplier = Supplier::sending(head("Content-Type: multipart/related; type=\"x\"\r\n")).await;
    let reply = supplier.call(&transport).await.unwrap();
    assert_eq!(reply.content_type.as_deref(), Some("multipart/related; type=\"x\""));
}

#[tokio::test]
async fn old_and_odd_forms_of_http_are_read() {
    let transport = transport();
    let cases: [&[u8]; 5] = [
        b"HTTP/1.0 200 OK\r\n\r\n<a/>",
        b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\n<a/>",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<a/>",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n<\r\n3;x=y\r\na/>\r\n0\r\nTrailer: x\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 \r\nContent-Length: 4\r\n\r\n<a/>",
    ];
    for answer in cases {
        let supplier = Supplier::sending(answer).await;
        assert_eq!(supplier.ask(&transport).await, Ok((200, b"<a/>".to_vec())), "{}", String::from_utf8_lossy(answer));
    }
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_malformed() {
    let transport = transport();
    let cases: [&[u8]; 6] = [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"<html>not a head</html>\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n<a/>",
    ];
    for answer in cases {
        let error = Supplier::sending(answer).await.ask(&transport).await.unwrap_err();
        assert_eq!(error, TransportError::Malformed, "{}", String::from_utf8_lossy(answer));
        assert!(!error.before_a_byte() && error.may_be_received() && !error.is_outage());
    }
}

#[tokio::test]
async fn a_head_without_end_is_given_up() {
    let transport = transport();
    for line in [&b"X: y\r\n"[..], b"x"] {
        let supplier = Supplier::plain(move |mut connection| async move {
            connection.request().await;
            connection.send(b"HTTP/1.1 200 OK\r\nX: ").await;
            connection.send_forever(line).await;
        })
        .await;
        assert_eq!(supplier.ask(&transport).await, Err(TransportError::Malformed));
    }
}

#[tokio::test]
async fn a_connection_that_ends_before_a_head_is_reset() {
    let transport = transport();
    for head in ["", "HTTP/1.1 200 OK\r\nContent-"] {
        for is_reset in [false, true] {
            let supplier = Supplier::plain(move |mut connection| async move {
                connection.request().await;
                connection.send(head.as_bytes()).await;
                if is_reset {
                    connection.reset();
                }
            })
            .await;
            assert_eq!(supplier.ask(&transport).await, Err(TransportError::Reset), "{head}");
            assert_eq!(supplier.seen().requests.len(), 1);
        }
    }
}

#[tokio::test]
async fn an_answer_that_ends_too_early_is_an_error_and_not_a_shorter_answer() {
    let transport = transport();
    let cut = gzip(SMALL_GZIP);
    let cut = &cut[..cut.len() - 6];
    let cases = [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<a/>".to_vec(), TransportError::Truncated),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n<a/>\r\n".to_vec(), TransportError::Truncated),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n<a/>".to_vec(), TransportError::Truncated),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n<a/>x\r\n".to_vec(), TransportError::Malformed),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n<a/>".to_vec(), TransportError::Malformed),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n<a/>".to_vec(),
            TransportError::Malformed,
        ),
        (with_body("HTTP/1.1 200 OK\r\nContent-Encoding: gzip", cut), TransportError::Encoding),
        (with_body("HTTP/1.1 200 OK\r\nContent-Encoding: gzip", b"<a/>"), TransportError::Encoding),
    ];
    for (answer, expected) in cases {
        let error = Supplier::sending(answer.clone()).await.ask(&transport).await.unwrap_err();
        assert_eq!(error, expected, "{}", String::from_utf8_lossy(&answer));
        assert!(!error.before_a_byte() && error.may_be_received() && !error.is_outage());
    }
    let supplier = Supplier::plain(|mut connection| async move {
        connection.request().await;
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<a/>").await;
        connection.reset();
    })
    .await;
    let mut reply = supplier.call(&transport).await.unwrap();
    let mut body = Vec::new();
    // It goes on being an error, however often it is read.
    for _ in 0..2 {
        let error = reply.body.read_to_end(&mut body).await.unwrap_err();
        assert_eq!(TransportError::of(&error), Some(TransportError::Truncated));
    }
}

#[tokio::test]
async fn gzip_is_read_piece_by_piece() {
    let transport = transport();
    let supplier = Supplier::sending(with_body("HTTP/1.1 200 OK\r\nContent-Encoding: gzip", &gzip(SMALL_GZIP))).await;
    assert_eq!(supplier.ask(&transport).await, Ok((200, b"<a/>".to_vec())));

    // A gigabyte, of which a reader takes as much as it likes.
    let bomb = [GZIP, &gzip(ZEROS).repeat(1 << 14)].concat();
    let supplier = Supplier::sending(with_body("HTTP/1.1 200 OK\r\nContent-Encoding: gzip", &bomb)).await;
    let mut reply = supplier.call(&transport).await.unwrap();
    let (mut all, mut largest) = (0, 0);
    while all < 8 << 20 {
        let piece = reply.body.fill_buf().await.unwrap().len();
        assert!(piece > 0);
        reply.body.consume(piece);
        (all, largest) = (all + piece, largest.max(piece));
    }
    assert!(largest <= 64 << 10, "{largest}");
}

#[tokio::test]
async fn a_call_ends_with_its_time_wherever_the_supplier_is() {
    let transport = transport();
    let silent = Supplier::plain(|mut connection| async move {
        connection.request().await;
        connection.wait_for_end().await;
    });
    let without_end_of_head = Supplier::plain(|mut connection| async move {
        connection.request().await;
        connection.send(b"HTTP/1.1 200 OK\r\n").await;
        connection.wait_for_end().await;
    });
    let always_continuing = Supplier::plain(|mut connection| async move {
        connection.request().await;
        connection.send_forever(b"HTTP/1.1 100 Continue\r\n\r\n").await;
    });
    for supplier in [silent.await, without_end_of_head.await, always_continuing.await] {
        let url = supplier.url("127.0.0.1");
        let begun = Instant::now();
        let error = call(&transport, &hurried(&url)).await.err().unwrap();
        assert_eq!(error, TransportError::TimedOut);
        assert!(begun.elapsed() < MINUTE / 6);
        assert!(!error.before_a_byte() && error.may_be_received() && error.is_outage());
    }
}

#[tokio::test]
async fn a_body_ends_with_the_calls_time_however_fast_or_slowly_it_comes() {
    let transport = transport();
    let stalling = Supplier::plain(|mut connection| async move {
        connection.request().await;
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n<a>").await;
        connection.wait_for_end().await;
    });
    let dripping = Supplier::plain(|mut connection| async move {
        connection.request().await;
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while connection.stream.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let flooding = Supplier::plain(|mut connection| async move {
        connection.request().await;
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n").await;
        connection.send_forever(&[b' '; 1 << 14]).await;
    });
    for supplier in [stalling.await, dripping.await, flooding.await] {
        let url = supplier.url("127.0.0.1");
        let mut reply = call(&transport, &hurried(&url)).await.unwrap();
        let error = loop {
            match reply.body.fill_buf().await.map(<[u8]>::len) {
                Ok(0) => panic!("it ended"),
                Ok(piece) => reply.body.consume(piece),
                Err(error) => break error,
            }
        };
        assert_eq!(TransportError::of(&error), Some(TransportError::TimedOut));
    }
}
