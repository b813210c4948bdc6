//! `allowed_ips`: where a key works from. The address is the peer's, or the one that a trusted proxy sends.

use credenza::http::Listener;
use serde_json::json;

use crate::support::openapi::document;
use crate::support::{Caller, TestApp};

const KEYS: &str = "/extra/v2/api-keys";

/// Ranges and what resembles them, between blanks.
const RANGES: &str = "
    10.0.0.1 10.0.0.0/8 0.0.0.0/0 10.0.0.0/32 10.0.0.0/33 10.0.0.0/08 10.0.0.0/ 010.0.0.0/8 10.0.0 10.0.0.256 ::
    ::/0 ::/00 ::/032 ::1 1:: ::/128 ::/129 2001:db8::/32 2001:DB8::/32 1:2:3:4:5:6:7:8 1:2:3:4:5:6:7::
    ::2:3:4:5:6:7:8 1:2:3:4:5:6:7 1:2:3:4:5:6:7:8:9 1::2::3 12345:: g:: ::192.0.2.1 ::192.0.2.1/64
    64:ff9b::192.0.2.1 64:ff9b::192.0.2.1/96 1:2:3:4:5:6:192.0.2.1 1::192.0.2.1 1:2:3:4:5::192.0.2.1
    1:2:3:4:5:6::192.0.2.1 1:2:3:4:5:192.0.2.1 ::1:2:3:4:5:192.0.2.1 ::1:2:3:4:5:6:192.0.2.1 1::2:3:4:5:192.0.2.1
    1::2:3:4:5:6:192.0.2.1 192.0.2.1:: ::192.0.2.1:1 ::192.0.2.01 ::fffe:192.0.2.1/8 ::fff:192.0.2.1/8
    ::ffff:192.0.2.1 ::FFFF:192.0.2.1/128 ::ffff:192.0.2.1/96 ::ffff:192.0.2.1/95 ::ffff:192.0.2.1/8
    ::ffff:192.0.2.1/0 ::1:ffff:192.0.2.1/8 fe80::1%eth0 localhost
";

/// A key of the caller's account that works only from these ranges.
async fn placed<'a>(caller: &Caller<'a>, ranges: &[&str]) -> Caller<'a> {
    let (_, key) = caller.make_key(KEYS, json!({"scopes": [], "allowed_ips": ranges})).await;
    caller.with_key(&key)
}

async fn works(caller: &Caller<'_>) -> bool {
    let answer = caller.get("/me").await;
    if answer.status != 200 {
        answer.expect_error(403, "This API key is not allowed from your address");
    }
    answer.status == 200
}

#[tokio::test]
async fn a_key_works_from_its_ranges_and_from_nowhere_else() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let key = placed(&caller, &["192.0.2.0/24", "198.51.100.7", "2001:db8::/32"]).await;
    for inside in ["192.0.2.0", "192.0.2.255", "198.51.100.7", "2001:db8::1", "2001:db8:ffff::1"] {
        assert!(works(&key.from(inside)).await, "{inside}");
    }
    for outside in ["192.0.3.0", "198.51.100.8", "2001:db9::1", "::1", "::192.0.2.1", "127.0.0.1"] {
        assert!(!works(&key.from(outside)).await, "{outside}");
    }
}

#[tokio::test]
async fn an_ipv4_address_written_as_ipv6_counts_as_ipv4() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let v4 = placed(&caller, &["192.0.2.0/24"]).await;
    assert!(works(&v4.from("::ffff:192.0.2.1")).await);
    assert!(!works(&v4.from("::ffff:192.0.3.1")).await);
    let mapped = placed(&caller, &["::ffff:192.0.2.0/120"]).await;
    for address in ["192.0.2.1", "::ffff:192.0.2.1"] {
        assert!(works(&mapped.from(address)).await, "{address}");
    }
    // Every IPv6 address is not every address.
    let all_v6 = placed(&caller, &["::/0"]).await;
    assert!(works(&all_v6.from("2001:db8::1")).await);
    assert!(!works(&all_v6.from("::ffff:192.0.2.1")).await);
}

/// A form that is made from the document's pattern accepts the same ranges as the service.
#[tokio::test]
async fn the_documents_pattern_and_the_service_read_the_same_ranges() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let texts: Vec<_> = RANGES.split_whitespace().chain(["", "10.0.0.0/8 "]).collect();
    let document = document(Listener::Public);
    let pattern = document.pointer("/components/schemas/AddressRange/pattern").unwrap().as_str().unwrap();
    let list = texts.iter().map(|text| format!("'{text}'")).collect::<Vec<_>>().join(", ");
    let query = format!("select text from unnest(array[{list}]) as texts(text) where text !~ '{pattern}'");
    let rows = app.rows(&query).await;
    let forbidden: Vec<_> = rows.iter().map(|row| row["text"].as_str().unwrap()).collect();
    let answer = caller.post(KEYS, json!({"allowed_ips": texts})).await.expect(400);
    let refused = answer["errors"].as_array().unwrap().iter().map(|error| {
        let place = error["field"].as_str().unwrap().trim_matches(|c: char| !c.is_ascii_digit());
        texts[place.parse::<usize>().unwrap()]
    });
    assert_eq!(refused.collect::<Vec<_>>(), forbidden);
    let allowed: Vec<_> = texts.iter().filter(|text| !forbidden.contains(text)).collect();
    assert!(allowed.len() > 25, "{allowed:?}");
    caller.post(KEYS, json!({"allowed_ips": allowed})).await.expect(201);
}

#[tokio::test]
async fn a_key_with_ranges_does_not_work_from_an_unknown_address() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    assert!(!works(&placed(&caller, &["0.0.0.0/0", "::/0"]).await).await);
    assert!(works(&placed(&caller, &[]).await).await);
}

#[tokio::test]
async fn a_forwarded_address_counts_only_from_a_trusted_proxy() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let key = placed(&caller, &["192.0.2.0/24"]).await;
    let says = |forwarded: &str| key.with_header("x-forwarded-for", forwarded);
    assert!(works(&says("192.0.2.1").from("10.9.0.1")).await);
    assert!(works(&says("192.0.2.1").from("::ffff:10.9.0.1")).await);
    assert!(works(&says("203.0.113.1, 192.0.2.1, 10.9.0.2").from("10.9.0.1")).await);
    // Anybody can write the header, and the front of it.
    assert!(!works(&says("192.0.2.1").from("203.0.113.1")).await);
    assert!(!works(&says("192.0.2.1, 203.0.113.1").from("10.9.0.1")).await);
    assert!(works(&says("203.0.113.1").from("192.0.2.1")).await);
    // Without a peer nobody vouches for the header.
    assert!(!works(&says("192.0.2.1")).await);
}

#[tokio::test]
async fn the_resellers_form_is_held_to_the_ranges_as_well() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let (id, key) = caller.make_key(KEYS, json!({"allowed_ips": ["192.0.2.0/24"]})).await;
    let reseller = app.nobody().with_reseller_key(id, &key);
    assert!(works(&reseller.from("192.0.2.1")).await);
    assert!(!works(&reseller.from("192.0.3.1")).await);
}
