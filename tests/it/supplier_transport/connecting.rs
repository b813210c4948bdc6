//! Which endpoints are connected to, and by whose certificate.

use std::sync::atomic::{AtomicUsize, Ordering};

use credenza::calls::transport::{Lookup, TlsError};

use super::*;
use crate::support::certificates::{Authority, EXPIRED, VALID};

/// A transport for which each name is this machine, and the number of look-ups.
fn everything_is_here() -> (TransportSettings, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let lookup: Lookup = Arc::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(vec!["127.0.0.1:0".parse().unwrap()])
    });
    (TransportSettings { lookup: Some(lookup), ..TransportSettings::default() }, count)
}

fn trusting(authority: &Authority) -> TransportSettings {
    let authorities = Some(authority.certificate.pem().into_bytes());
    TransportSettings { authorities, ..everything_is_here().0 }
}

async fn error(transport: &Transport, target: &Target<'_>) -> TransportError {
    call(transport, target).await.err().unwrap()
}

#[tokio::test]
async fn an_endpoint_needs_https_and_no_user_unless_its_row_allows_http() {
    let supplier = Supplier::answering(OK).await;
    let transport = transport();
    let forbidden = ["http://example.com/", "ftp://example.com/", "file:///etc/passwd", "data:,x", "unix:/tmp/socket"];
    for url in forbidden {
        assert_eq!(error(&transport, &strict(&url.parse().unwrap())).await, TransportError::Endpoint, "{url}");
    }
    for user in ["user", "user:password", ":password"] {
        let url = supplier.url(&format!("{user}@127.0.0.1"));
        assert_eq!(error(&transport, &target(&url)).await, TransportError::Endpoint, "{url}");
    }
    let url = supplier.url("127.0.0.1");
    for soap_action in ["a\"b", "a\r\nX: y", "a\0"] {
        let target = Target { soap_action, ..target(&url) };
        assert_eq!(error(&transport, &target).await, TransportError::Endpoint);
    }
    assert_eq!(supplier.seen().connections, 0);
    assert_eq!(supplier.ask(&transport).await, Ok((200, b"<a/>".to_vec())));
}

#[tokio::test]
async fn an_address_of_a_private_network_is_not_connected_to_in_any_spelling() {
    let supplier = Supplier::answering(OK).await;
    let transport = Transport::new(&everything_is_here().0).unwrap();
    let hosts = [
        "127.0.0.1",
        "127.1",
        "127.0.0.1.",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "[::127.0.0.1]",
        "127。0。0。1",
        "１２７.0.0.1",
        "%31%32%37.0.0.1",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "ｌｏｃａｌｈｏｓｔ",
        "local\u{ad}host",
        "169.254.169.254",
        "[fe80::1]",
        "[fd00:ec2::254]",
    ];
    for host in hosts {
        let url = supplier.secure_url(host);
        assert_eq!(error(&transport, &strict(&url)).await, TransportError::ForbiddenAddress, "{host} is {url}");
    }
    assert_eq!(supplier.seen().connections, 0);
    // The test would see the connections: with permission there is one.
    assert_eq!(supplier.ask(&transport).await.unwrap().0, 200);
    assert_eq!(supplier.seen().connections, 1);
}

#[tokio::test]
async fn the_addresses_that_are_checked_are_those_of_the_connection() {
    let supplier = Supplier::answering(OK).await;
    let (settings, lookups) = everything_is_here();
    let transport = Transport::new(&settings).unwrap();
    // A name that is public in one answer and private in the next gains nothing: there is one look-up for a connection.
    let url = supplier.url("supplier.example");
    assert_eq!(call(&transport, &target(&url)).await.unwrap().status, 200);
    assert_eq!(lookups.load(Ordering::SeqCst), 1);
    let url = supplier.secure_url("supplier.example");
    for times in 2..4 {
        assert_eq!(error(&transport, &strict(&url)).await, TransportError::ForbiddenAddress);
        assert_eq!(lookups.load(Ordering::SeqCst), times);
    }
    assert_eq!(supplier.seen().connections, 1);
}

#[tokio::test]
async fn a_kept_connection_to_a_private_address_serves_only_rows_that_allow_it() {
    let authority = Authority::new("authority");
    let supplier = Supplier::secure(&authority.sign_for("supplier.example", VALID)).await;
    let transport = Transport::new(&trusting(&authority)).unwrap();
    let url = supplier.secure_url("supplier.example");
    for _ in 0..2 {
        assert_eq!(read(call(&transport, &target(&url)).await.unwrap()).await.unwrap().0, 200);
    }
    assert_eq!(supplier.seen().connections, 1);
    assert_eq!(error(&transport, &strict(&url)).await, TransportError::ForbiddenAddress);
    assert_eq!(supplier.seen().requests.len(), 2);
}

#[tokio::test]
async fn a_supplier_that_is_away_has_received_nothing() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let refused = error(&transport(), &target(&format!("http://{nobody}").parse().unwrap())).await;
    assert_eq!(refused, TransportError::Refused);

    let no_name: [fn() -> std::io::Result<Vec<SocketAddr>>; 3] =
        [|| Err(std::io::ErrorKind::NotFound.into()), || Ok(vec![]), || panic!("the system's library fails")];
    for lookup in no_name {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let lookup: Lookup = Arc::new(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            lookup()
        });
        let settings = TransportSettings { lookup: Some(lookup), ..TransportSettings::default() };
        let transport = Transport::new(&settings).unwrap();
        for times in 1..3 {
            let unknown = error(&transport, &target(&"http://supplier.example".parse().unwrap())).await;
            assert_eq!(unknown, TransportError::Dns);
            assert!(unknown.before_a_byte() && !unknown.may_be_received() && unknown.is_outage());
            assert_eq!(count.load(Ordering::SeqCst), times);
        }
    }
    assert!(refused.before_a_byte() && !refused.may_be_received() && refused.is_outage());
}

#[tokio::test]
async fn a_name_server_that_does_not_answer_takes_one_thread_for_all_calls_of_a_name() {
    let (asked, answers) = std::sync::mpsc::channel::<()>();
    let (count, answers) = (Arc::new(AtomicUsize::new(0)), Mutex::new(answers));
    let counted = Arc::clone(&count);
    let lookup: Lookup = Arc::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        let _ = answers.lock().unwrap().recv();
        Ok(vec!["127.0.0.1:0".parse().unwrap()])
    });
    let settings = TransportSettings { lookup: Some(lookup), ..TransportSettings::default() };
    let transport = Transport::with_connect_timeout(&settings, Duration::from_millis(100)).unwrap();
    let supplier = Supplier::answering(OK).await;
    let url = supplier.url("supplier.example");
    let calls = (0..20).map(|_| {
        let (transport, url) = (transport.clone(), url.clone());
        tokio::spawn(async move { error(&transport, &target(&url)).await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), TransportError::ConnectTimedOut);
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
    // When it answers again, so does the name.
    drop(asked);
    assert_eq!(call(&transport, &target(&url)).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_certificate_is_always_verified() {
    let (authority, stranger) = (Authority::new("authority"), Authority::new("stranger"));
    let transport = Transport::new(&trusting(&authority)).unwrap();
    let good = authority.sign_for("supplier.example", VALID);
    let certificates = [
        (stranger.sign_for("supplier.example", VALID), TlsError::UnknownIssuer),
        (authority.sign_for("supplier.example", EXPIRED), TlsError::Expired),
        (authority.sign_for("supplier.example", (2100, 2120)), TlsError::Expired),
        (authority.sign_for("other.example", VALID), TlsError::WrongName),
        (Authority::new("self-signed").certificate, TlsError::Certificate),
    ];
    for (certificate, reason) in certificates {
        let supplier = Supplier::secure(&certificate).await;
        let url = supplier.secure_url("supplier.example");
        let refused = error(&transport, &target(&url)).await;
        assert_eq!(refused, TransportError::Tls(reason));
        assert!(refused.before_a_byte() && !refused.may_be_received() && refused.is_outage());
        assert_eq!(supplier.seen().requests.len(), 0);
    }
    let supplier = Supplier::secure(&good).await;
    let url = supplier.secure_url("supplier.example");
    assert_eq!(call(&transport, &target(&url)).await.unwrap().status, 200);
    // Without the authority it is a stranger's.
    let (settings, _) = everything_is_here();
    let refused = error(&Transport::new(&settings).unwrap(), &target(&url)).await;
    assert_eq!(refused, TransportError::Tls(TlsError::UnknownIssuer));
}

#[tokio::test]
async fn a_handshake_fails_where_nobody_uses_tls() {
    let greeting = Supplier::plain(|mut connection| async move {
        connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        connection.wait_for_end().await;
    });
    let closing = Supplier::plain(|connection| async { drop(connection) });
    let resetting = Supplier::plain(|mut connection| async {
        let _ = connection.stream.read_u8().await;
        connection.reset();
    });
    let transport = transport();
    for supplier in [greeting.await, closing.await, resetting.await] {
        let refused = error(&transport, &target(&supplier.secure_url("127.0.0.1"))).await;
        assert_eq!(refused, TransportError::Tls(TlsError::Handshake));
    }
    // A connection that is made, and then nothing.
    let silent = Supplier::plain(|mut connection| async move { connection.wait_for_end().await }).await;
    let settings = TransportSettings::default();
    let transport = Transport::with_connect_timeout(&settings, Duration::from_millis(100)).unwrap();
    let refused = error(&transport, &target(&silent.secure_url("127.0.0.1"))).await;
    assert_eq!(refused, TransportError::ConnectTimedOut);
    assert!(refused.before_a_byte() && !refused.may_be_received() && refused.is_outage());
}
