//! The limits of a credential hold for all that is made with it: nobody makes, or is shown by a rotation, what is less limited than
//! they are.

use std::time::Duration;

use credenza::principal::Scope;
use serde_json::{Value, json};

use crate::outside_issuer::{believing, claims, file_of};
use crate::support::forge::FOREIGN_RSA;
use crate::support::oauth::CLIENTS;
use crate::support::subaccounts::SUBACCOUNTS;
use crate::support::{Caller, TestApp};

const KEYS: &str = "/extra/v2/api-keys";
const ENDS: &str = "2026-01-02T04:00:00Z";
const BEYOND: &str = "You are limited by addresses or an end, and what you make or rotate must be as well";

/// A key of the caller's account with all but the resolving scope, limited like this.
async fn limited<'a>(owner: &Caller<'a>, limits: Value) -> (String, Caller<'a>) {
    let mut body = json!({"name": "limited"});
    body.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
    let (id, key) = owner.make_key(KEYS, body).await;
    (id.to_string(), owner.with_key(&key).from("10.1.0.1"))
}

#[tokio::test]
async fn a_key_inherits_the_limits_that_it_does_not_name() {
    let app = TestApp::start().await;
    let owner = app.account("devs@platform.example").await;
    let limits = json!({"expires_at": ENDS, "allowed_ips": ["10.1.0.0/16", "10.2.0.0/16"]});
    let (_, maker) = limited(&owner, limits).await;
    let ranges = json!(["10.1.0.0/16", "10.2.0.0/16"]);
    let made = maker.post(KEYS, json!({})).await.expect(201);
    assert_eq!((&made["expires_at"], &made["allowed_ips"]), (&json!(ENDS), &ranges));
    let narrower = json!({"expires_at": "2026-01-02T03:59:59Z", "allowed_ips": ["10.2.3.0/24", "10.1.0.1"]});
    let made = maker.post(KEYS, narrower).await.expect(201);
    assert_eq!(made["allowed_ips"], json!(["10.2.3.0/24", "10.1.0.1/32"]));
    // And so on: what was made is limited as well.
    let child = owner.with_key(made["key"].as_str().unwrap()).from("10.1.0.1");
    child.post(KEYS, json!({"expires_at": ENDS})).await.expect_error(403, BEYOND);
    let public = maker.post(KEYS, json!({"public": true})).await.expect(201);
    assert_eq!((&public["expires_at"], &public["allowed_ips"]), (&json!(ENDS), &ranges));
    let child = app.subaccount(&owner, "client-a").await;
    let path = format!("{SUBACCOUNTS}/{}/api-keys", child.account);
    let made = maker.post(&path, json!({})).await.expect(201);
    assert_eq!((&made["expires_at"], &made["allowed_ips"]), (&json!(ENDS), &ranges));
    maker.post(&path, json!({"expires_at": "2026-01-03T00:00:00Z"})).await.expect_error(403, BEYOND);
    app.advance(Duration::from_hours(1));
    child.with_key(made["key"].as_str().unwrap()).from("10.1.0.1").get("/me").await.expect(403);
}

#[tokio::test]
async fn nobody_makes_what_is_less_limited_than_they_are() {
    let app = TestApp::start().await;
    let owner = app.account("devs@platform.example").await;
    let (_, maker) = limited(&owner, json!({"expires_at": ENDS, "allowed_ips": ["10.1.0.0/16"]})).await;
    for wider in [
        json!({"expires_at": "2026-01-02T04:00:01Z"}),
        json!({"allowed_ips": ["10.0.0.0/8"]}),
        json!({"allowed_ips": ["10.1.0.0/24", "10.3.0.0/24"]}),
        json!({"allowed_ips": ["::/0"]}),
    ] {
        maker.post(KEYS, wider).await.expect_error(403, BEYOND);
    }
    maker.post(CLIENTS, json!({"name": "unlimited"})).await.expect_error(403, BEYOND);
}

#[tokio::test]
async fn nobody_rotates_what_is_less_limited_than_they_are() {
    let app = TestApp::start().await;
    let owner = app.account("devs@platform.example").await;
    let client = owner.client().await;
    let (unlimited, _) = owner.make_key(KEYS, json!({})).await;
    let (own, maker) = limited(&owner, json!({"expires_at": ENDS, "allowed_ips": ["10.1.0.0/16"]})).await;
    maker.post(&format!("{KEYS}/{unlimited}/rotate"), json!({})).await.expect_error(403, BEYOND);
    maker.post(&format!("{CLIENTS}/{}/rotate", client.id), json!({})).await.expect_error(403, BEYOND);
    let successor = maker.post(&format!("{KEYS}/{own}/rotate"), json!({})).await.expect(201);
    assert_eq!(successor["expires_at"], ENDS);
    // The unlimited owner may do all of it.
    owner.post(&format!("{KEYS}/{unlimited}/rotate"), json!({})).await.expect(201);
}

#[tokio::test]
async fn keys_and_clients_made_with_an_outside_token_end_within_the_operators_bound() {
    let app = TestApp::start_with(|settings| {
        believing(file_of(&[FOREIGN_RSA.jwk("rsa-1")]))(settings);
        settings.outside_issuer.as_mut().unwrap().made_keys_last = Duration::from_hours(1);
    })
    .await;
    let owner = app.account("devs@platform.example").await;
    let mut claims = claims(json!(owner.account));
    claims["scope"] = "api-keys:manage subaccounts:manage".into();
    let outside = owner.bearing(&FOREIGN_RSA.token("rsa-1", &claims));
    let made = outside.post(KEYS, json!({})).await.expect(201);
    assert_eq!(made["expires_at"], "2026-01-02T04:04:05Z");
    outside.post(KEYS, json!({"expires_at": "2026-01-02T04:04:06Z"})).await.expect_error(403, BEYOND);
    outside.post(CLIENTS, json!({"name": "x"})).await.expect_error(403, BEYOND);
    let child = app.subaccount(&owner, "client-a").await;
    let made = outside.post(&format!("{SUBACCOUNTS}/{}/api-keys", child.account), json!({"scopes": []})).await;
    assert_eq!(made.expect(201)["expires_at"], "2026-01-02T04:04:05Z");
    let signed = owner.with_scopes(&[Scope::ApiKeysManage]).await;
    assert_eq!(signed.post(KEYS, json!({})).await.expect(201)["expires_at"], Value::Null);
}

#[tokio::test]
async fn a_key_made_with_an_outside_token_is_on_record_as_that_of_its_subject() {
    let app = TestApp::start_with(believing(file_of(&[FOREIGN_RSA.jwk("rsa-1")]))).await;
    let owner = app.account("devs@platform.example").await;
    let mut claims = claims(json!(owner.account));
    // A subject that looks like a user of the account is still told from that user.
    claims["sub"] = "devs@platform.example".into();
    claims["scope"] = "api-keys:manage credentials:read credentials:write".into();
    let outside = owner.bearing(&FOREIGN_RSA.token("rsa-1", &claims));
    let subject = "devs@platform.example (https://login.corp.example)";
    let made = outside.post(KEYS, json!({})).await.expect(201);
    assert_eq!(made["created_by"], subject);
    let key = owner.with_key(made["key"].as_str().unwrap());
    let body = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "p"});
    key.post("/extra/v2/credentials", body).await.expect(201);
    assert_eq!(owner.get("/extra/v2/credentials/HIT/audit").await.expect(200)["created_by"], subject);
    let rotated = owner.post(&format!("{KEYS}/{}/rotate", made["id"].as_str().unwrap()), json!({})).await.expect(201);
    assert_eq!(rotated["created_by"], subject);
    let listed = owner.get(KEYS).await.expect(200).to_string();
    assert_eq!(listed.matches(subject).count(), 2);
    app.sql("update api_keys set owner = null").await;
    app.forget();
    key.get("/me").await.expect(403);
}

#[tokio::test]
async fn an_account_claim_is_digits() {
    let app = TestApp::start_with(believing(file_of(&[FOREIGN_RSA.jwk("rsa-1")]))).await;
    let owner = app.account("devs@platform.example").await;
    let me = async |account: String| app.me(&FOREIGN_RSA.token("rsa-1", &claims(account))).await.status.as_u16();
    assert_eq!(me(owner.account.to_string()).await, 200);
    for other in ["+1", "-1", " 1", "1 ", "", "0x1"] {
        assert_eq!(me(other.replace('1', &owner.account.to_string())).await, 403, "{other:?}");
    }
}

#[tokio::test]
async fn a_key_has_at_most_a_hundred_ranges() {
    let app = TestApp::start().await;
    let owner = app.account("devs@platform.example").await;
    let ranges = |count: usize| (0..count).map(|index| format!("10.0.{index}.0/24")).collect::<Vec<_>>();
    owner.post(KEYS, json!({"allowed_ips": ranges(100)})).await.expect(201);
    let refused = owner.post(KEYS, json!({"allowed_ips": ranges(101)})).await;
    refused.expect_error(400, "allowed_ips: must be at most 100 ranges");
}
