//! Refused callers: every refusal is 403 with a sentence, and every bad key gets the same one.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Method, Request};
use credenza::api_credentials;
use credenza::api_key::{ApiKey, Kind};
use credenza::principal::Scope;
use serde_json::json;

use crate::support::operator;
use crate::support::{Caller, TestApp};

const BASE: &str = "/extra/v2/credentials";
const BAD_KEY: &str = r#"{"detail":"Invalid API key"}"#;
const PUBLIC_KEY: &str = "Public API keys are not supported for this endpoint";

/// The id of the account's newest key.
async fn newest_key(app: &TestApp, caller: &Caller<'_>) -> uuid::Uuid {
    api_credentials::list(&app.app, caller.account).await.unwrap().last().unwrap().id
}

async fn revoke_newest_key(app: &TestApp, caller: &Caller<'_>) {
    let id = newest_key(app, caller).await;
    operator::revoke_key(&app.app, caller.account, id).await.unwrap();
}

/// A request for the listing with these headers and this query.
fn listing(headers: &[&str], query: &str) -> Request<Body> {
    let mut request = Request::builder().uri(format!("{BASE}{query}"));
    for key in headers {
        request = request.header("x-api-key", HeaderValue::from_bytes(key.as_bytes()).unwrap());
    }
    request.body(Body::empty()).unwrap()
}

/// The key with another last character, which belongs to its checksum.
fn with_wrong_checksum(key: &str) -> String {
    let (rest, last) = key.split_at(key.len() - 1);
    format!("{rest}{}", if last == "a" { "b" } else { "a" })
}

#[tokio::test]
async fn nobody_gets_403_on_every_operation() {
    let app = TestApp::start().await;
    for (method, path, body, _) in operations() {
        let answer = app.nobody().send(method, path, body).await;
        answer.expect_text(403, r#"{"detail":"Not authenticated"}"#);
    }
    // Before anything else is looked at: neither the body nor the path tells a stranger more.
    let nobody = app.nobody();
    nobody.post(BASE, json!("nonsense")).await.expect_error(403, "Not authenticated");
    nobody.get(&format!("{BASE}/%FF")).await.expect_error(403, "Not authenticated");
    nobody.delete(&format!("{BASE}/HIT?dry_run=true")).await.expect_error(403, "Not authenticated");
}

#[tokio::test]
async fn every_bad_key_gets_the_same_bytes() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let good = caller.key.clone().unwrap();
    let revoked = app.key(caller.account, Kind::Private, &Scope::ALL, false).await;
    revoke_newest_key(&app, &caller).await;
    let unknown = ApiKey::generate(Kind::Private);
    let wrong_checksum = with_wrong_checksum(&good);
    let upper = good.to_uppercase();
    let bad = [
        listing(&[""], ""),
        listing(&["your-api-key-here"], ""),
        listing(&["czs_"], ""),
        listing(&["czs_\u{e9}"], ""),
        listing(&[&upper], ""),
        listing(&[&format!("{good}x")], ""),
        listing(&[&good[..good.len() - 1]], ""),
        listing(&[&wrong_checksum], ""),
        listing(&[unknown.expose()], ""),
        listing(&[&revoked], ""),
        listing(&[&good, &good], ""),
        listing(&[&good, unknown.expose()], ""),
        listing(&[&good], &format!("?pub_api_key={good}")),
        listing(&[], &format!("?pub_api_key={good}")),
        listing(&[], "?pub_api_key="),
        listing(&[], "?pub_api_key=nonsense"),
    ];
    for request in bad {
        let asked = format!("{request:?}");
        let answer = app.send(request).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (403, BAD_KEY), "{asked}");
    }
    caller.get(BASE).await.expect(200);
}

#[tokio::test]
async fn a_key_ends_at_its_expiry() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    app.sql_authenticated("update api_keys set expires_at = '2026-01-02T03:05:05Z'").await;
    caller.get(BASE).await.expect(200);
    app.advance(Duration::from_secs(59));
    caller.get(BASE).await.expect(200);
    app.advance(Duration::from_secs(1));
    caller.get(BASE).await.expect_text(403, BAD_KEY);
}

#[tokio::test]
async fn public_keys_are_refused_by_name_wherever_they_stand() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let public = app.key(caller.account, Kind::Public, &[], false).await;
    for (method, path, body, _) in operations() {
        caller.with_key(&public).send(method, path, body).await.expect_error(403, PUBLIC_KEY);
    }
    app.send(listing(&[], &format!("?pub_api_key={public}"))).await.expect_error(403, PUBLIC_KEY);
    app.send(listing(&[], &format!("?pub_api_key={}", with_wrong_checksum(&public)))).await.expect_text(403, BAD_KEY);
}

/// Every operation, with the one scope that it needs.
fn operations() -> Vec<(Method, &'static str, Option<serde_json::Value>, Scope)> {
    use Scope::{CredentialsRead, CredentialsResolve, CredentialsWrite};
    let service = json!({"service": "INV", "environment": "PROD", "username": "u", "password": "p"});
    vec![
        (Method::POST, "/extra/v2/credentials", Some(json!({"supplier_code": "HIT"})), CredentialsWrite),
        (Method::POST, "/extra/v2/credentials/HIT/services", Some(service), CredentialsWrite),
        (Method::GET, "/extra/v2/credentials", None, CredentialsRead),
        (Method::GET, "/extra/v2/credentials/HIT", None, CredentialsRead),
        (Method::GET, "/extra/v2/credentials/HIT/audit", None, CredentialsRead),
        (Method::GET, "/extra/v2/credentials/HIT/resolution", None, CredentialsRead),
        (Method::POST, "/internal/v1/resolve", Some(json!({})), CredentialsResolve),
        (Method::POST, "/internal/v1/resolve/batch", Some(json!([])), CredentialsResolve),
        (Method::DELETE, "/extra/v2/credentials/HIT/services/INV/PROD", None, CredentialsWrite),
        (Method::DELETE, "/extra/v2/credentials/HIT", None, CredentialsWrite),
    ]
}

#[tokio::test]
async fn each_operation_needs_its_scope_and_no_other() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    for (method, path, body, needed) in operations() {
        let others: Vec<_> = Scope::ALL.into_iter().filter(|scope| *scope != needed).collect();
        let refused = caller.with_scopes(&others).await.send(method.clone(), path, body.clone()).await;
        refused.expect_error(403, &format!("The scope {needed} is required"));
        revoke_newest_key(&app, &caller).await;

        let answer = caller.with_scopes(&[needed]).await.send(method, path, body).await;
        assert_ne!(answer.status, 403, "{path} {answer:?}");
        revoke_newest_key(&app, &caller).await;
    }
}

#[tokio::test]
async fn a_private_key_is_not_given_passwords_unless_it_was_made_for_that() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    caller.resolve("HIT", "INV", "PROD").await.expect_error(403, "The scope credentials:resolve is required");
}

#[tokio::test]
async fn an_inactive_account_is_refused_everywhere() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await.with_scopes(&Scope::ALL).await;
    app.sql_authenticated(&format!("update accounts set is_active = false where id = {}", caller.account)).await;
    for (method, path, body, _) in operations() {
        caller.send(method, path, body).await.expect_text(403, r#"{"detail":"Account is inactive"}"#);
    }
}

#[tokio::test]
async fn an_inactive_parent_takes_its_sub_accounts_along() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let child = app.account("client@distributor.example").await;
    let sibling = app.account("other@distributor.example").await;
    let (parent_id, child_id) = (parent.account, child.account);
    app.sql_authenticated(&format!(
        "update accounts set external_customer_id = id::text, parent_id = {parent_id} where id = {child_id}"
    ))
    .await;
    app.sql_authenticated(&format!("update accounts set is_active = false where id = {parent_id}")).await;
    child.get(BASE).await.expect_error(403, "Account is inactive");
    sibling.get(BASE).await.expect(200);
}

#[tokio::test]
async fn a_malformed_key_costs_the_database_nothing() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let well_formed = ApiKey::generate(Kind::Private).expose().to_owned();
    app.app.pool.close().await;
    for key in ["noise", "czs_", &with_wrong_checksum(&well_formed)] {
        caller.with_key(key).get(BASE).await.expect_text(403, BAD_KEY);
    }
    caller.with_key(ApiKey::generate(Kind::Public).expose()).get(BASE).await.expect_error(403, PUBLIC_KEY);
    // The proof that the database would have been missed.
    caller.with_key(&well_formed).get(BASE).await.expect(503);
}

#[tokio::test]
async fn a_revocation_counts_at_once() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let revoked = caller.with_scopes(&Scope::ALL).await;
    revoked.get(BASE).await.expect(200);
    revoke_newest_key(&app, &caller).await;
    revoked.get(BASE).await.expect_text(403, BAD_KEY);
    caller.get(BASE).await.expect(200);
}
