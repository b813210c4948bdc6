//! Where a request comes from, when a trusted proxy writes something else than a bare address: what is readable is read, and
//! what is not is nobody, in limits on addresses, in the limit of failed attempts, and in the audit.

use serde_json::{Value, json};

use crate::support::{Caller, TestApp};

const KEYS: &str = "/extra/v2/api-keys";
const CREDENTIALS: &str = "/extra/v2/credentials";
/// The test's trusted proxy.
const PROXY: &str = "10.9.0.1";

/// An address as a proxy writes it, and as it is on record.
const READABLE: [(&str, &str); 12] = [
    ("203.0.113.7", "203.0.113.7"),
    ("203.0.113.7:51234", "203.0.113.7"),
    ("6.6.6.6, 203.0.113.7:51234", "203.0.113.7"),
    ("203.0.113.7:51234, 10.9.0.2:80", "203.0.113.7"),
    ("203.0.113.7,10.9.0.2", "203.0.113.7"),
    ("\"203.0.113.7:80\"", "203.0.113.7"),
    ("::ffff:203.0.113.7", "203.0.113.7"),
    ("[::ffff:203.0.113.7]:80", "203.0.113.7"),
    ("[2001:db8::7]", "2001:db8::7"),
    ("[2001:db8::7]:51234", "2001:db8::7"),
    ("2001:db8::7%eth0", "2001:db8::7"),
    ("[2001:db8::7%eth0]:443", "2001:db8::7"),
];

/// Entries that are no address, the last of their header.
const UNREADABLE: [&str; 10] = [
    "unknown",
    "_hidden",
    "",
    "203.0.113",
    "203.0.113.7:",
    "203.0.113.7:99999",
    "[203.0.113.7",
    "unix:",
    "10.9.0.1 x",
    "é",
];

async fn key<'a>(caller: &Caller<'a>, ranges: &[&str]) -> Caller<'a> {
    let (_, key) = caller.make_key(KEYS, json!({"scopes": [], "allowed_ips": ranges})).await;
    caller.with_key(&key).from(PROXY)
}

async fn status(caller: &Caller<'_>, forwarded: &[&str]) -> u16 {
    let caller = forwarded.iter().fold(caller.clone(), |caller, line| caller.with_header("x-forwarded-for", line));
    caller.get("/me").await.status.as_u16()
}

#[tokio::test]
async fn a_readable_address_is_read_with_port_brackets_and_zone() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let outside = key(&caller, &["203.0.113.7", "2001:db8::/32"]).await;
    let inside = key(&caller, &["10.0.0.0/8", "127.0.0.0/8", "::1"]).await;
    for (written, _) in READABLE {
        assert_eq!(status(&outside, &[written]).await, 200, "{written}");
        assert_eq!(status(&inside, &[written]).await, 403, "{written}");
    }
    // Several lines are one list.
    assert_eq!(status(&outside, &["6.6.6.6", "203.0.113.7:80", "10.9.0.2"]).await, 200);
    assert_eq!(status(&inside, &["10.9.0.3", "203.0.113.7:80", "10.9.0.2"]).await, 403);
}

#[tokio::test]
async fn an_unreadable_address_is_in_no_range() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let everywhere = key(&caller, &["0.0.0.0/0", "::/0"]).await;
    for written in UNREADABLE {
        for lines in [vec![written], vec!["203.0.113.7", written], vec![written, "10.9.0.2:80"]] {
            assert_eq!(status(&everywhere, &lines).await, 403, "{lines:?}");
        }
        assert_eq!(status(&everywhere, &[&format!("10.9.0.3, {written}")]).await, 403, "{written}");
    }
}

#[tokio::test]
async fn the_audit_has_the_address_or_the_text_in_its_place() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await.from(PROXY);
    let unreadable = UNREADABLE.map(|written| (written, if written == "é" { "\\xc3\\xa9" } else { written }));
    for (written, recorded) in READABLE.into_iter().chain(unreadable) {
        let caller = caller.with_header("x-forwarded-for", written);
        caller.post(CREDENTIALS, json!({"supplier_code": "HIT"})).await.expect(201);
        let events = caller.get("/extra/v2/audit-events?limit=1000").await.expect(200);
        let newest = events["results"].as_array().unwrap().last().unwrap();
        assert_eq!(newest["client_address"], Value::from(recorded), "{written}");
    }
    assert_eq!(app.audit_faults().await, [""; 0]);
}

#[tokio::test]
async fn an_unreadable_address_is_limited_by_itself() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await.from(PROXY);
    let hidden = caller.with_header("x-forwarded-for", "_hidden");
    let unknown = credenza::types::ClientAddress::read(b"_hidden");
    assert!((0..10_000).any(|_| app.app.failed_attempts.too_many(&unknown)));
    hidden.with_key("czs_noise").get("/me").await.expect(429);
    for other in ["unknown", "203.0.113.7:80"] {
        caller.with_key("czs_noise").with_header("x-forwarded-for", other).get("/me").await.expect(403);
    }
    caller.with_key("czs_noise").get("/me").await.expect(403);
}
