//! `allowed_ips`: where a key works from. The address is the peer's, or what a trusted proxy says.

use serde_json::json;

use crate::support::{Caller, TestApp};

const KEYS: &str = "/extra/v2/api-keys";

/// A key of the caller's account that works from these ranges alone.
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
async fn an_address_in_the_other_familys_clothes_is_taken_as_what_it_is() {
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

#[tokio::test]
async fn a_key_with_ranges_does_not_work_from_an_unknown_address() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    assert!(!works(&placed(&caller, &["0.0.0.0/0", "::/0"]).await).await);
    assert!(works(&placed(&caller, &[]).await).await);
}

#[tokio::test]
async fn a_forwarded_address_counts_only_behind_a_trusted_proxy() {
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
