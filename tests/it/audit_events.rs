//! The evidence: one event for each changed row, in the transaction of the change; who, what and in which request, never
//! a value.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::http::Method;
use credenza::api_credentials::{self, NewKey};
use credenza::api_key::Kind;
use credenza::principal::Scope;
use serde_json::{Value, json};

use crate::support::app::name;
use crate::support::forge::part_of;
use crate::support::operator;
use crate::support::{Caller, TestApp};

const BASE: &str = "/extra/v2/credentials";

fn base() -> Value {
    json!({"supplier_code": "HIT", "production_username": "audit-user-1", "production_password": "audit-pass-1"})
}

fn service(service: &str) -> Value {
    json!({"service": service, "environment": "PROD", "username": "audit-user-2", "password": "audit-pass-2"})
}

/// The account's events, oldest first.
async fn events(app: &TestApp, caller: &Caller<'_>) -> Vec<Value> {
    app.rows(&format!("select * from audit_events where account_id = {} order by sequence", caller.account)).await
}

/// Actions and their subjects, of the events that came after the first `known` ones.
async fn new_events(app: &TestApp, caller: &Caller<'_>, known: usize) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let events = events(app, caller).await;
    let describe = |event: &Value| {
        let parts = ["action", "supplier_code", "service", "environment"].map(|field| text(&event[field]));
        parts.join(" ")
    };
    events[known..].iter().map(describe).collect()
}

#[tokio::test]
async fn every_write_leaves_one_event_for_each_row_that_it_changed() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let services = format!("{BASE}/HIT/services");
    let known = events(&app, &caller).await.len();
    caller.post(BASE, base()).await.expect(201);
    caller.post(BASE, base()).await.expect(201);
    for code in ["INV", "ODRSTAT", "INV"] {
        caller.post(&services, service(code)).await.expect(201);
    }
    caller.delete(&format!("{services}/INV/PROD")).await.expect(204);
    for code in ["PO", "Product"] {
        caller.post(&services, service(code)).await.expect(201);
    }
    caller.delete(&format!("{BASE}/HIT")).await.expect(204);
    let expected = [
        "credentials.created HIT - -",
        "credentials.updated HIT - -",
        "service_credentials.created HIT INV PROD",
        "service_credentials.created HIT OSTAT PROD",
        "service_credentials.updated HIT INV PROD",
        "service_credentials.deleted HIT INV PROD",
        "service_credentials.created HIT PO PROD",
        "service_credentials.created HIT Product PROD",
        // The cascade, row by row.
        "service_credentials.deleted HIT Product PROD",
        "service_credentials.deleted HIT PO PROD",
        "service_credentials.deleted HIT OSTAT PROD",
        "credentials.deleted HIT - -",
    ];
    assert_eq!(new_events(&app, &caller, known).await, expected);
}

#[tokio::test]
async fn an_event_names_the_actor_the_address_and_the_request() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let mut request = caller.request(Method::POST, BASE, Some(base()));
    request.headers_mut().insert("x-request-id", "request-4711".parse().unwrap());
    // A v4 address as a dual-stack listener sees it.
    request.extensions_mut().insert(ConnectInfo("[::ffff:192.0.2.7]:4321".parse::<SocketAddr>().unwrap()));
    app.advance(Duration::from_secs(10));
    app.send(request).await.expect(201);

    let event = events(&app, &caller).await.pop().unwrap();
    let key = api_credentials::list(&app.app, caller.account).await.unwrap().remove(0);
    assert_eq!(event["acting_account_id"], json!(caller.account));
    assert_eq!(event["user_email"], "devs@platform.example");
    assert_eq!(event["key_id"], key.id.to_string());
    assert_eq!(event["request_id"], "request-4711");
    assert_eq!(event["client_address"], "192.0.2.7");
    assert_eq!(event["occurred_at"], "2026-01-02T03:04:15+00:00");
}

#[tokio::test]
async fn an_event_names_its_key_client_or_token() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let known = events(&app, &caller).await.len();
    let key = caller.post("/extra/v2/api-keys", json!({})).await.expect(201);
    let key = key["id"].as_str().unwrap();
    let successor = caller.post(&format!("/extra/v2/api-keys/{key}/rotate"), json!({})).await.expect(201);
    let client = caller.client().await;
    let token = app.token(&client).await;
    app.revoke_token(&client, &token).await;
    caller.delete(&format!("/extra/v2/oauth-clients/{}", client.id)).await.expect(204);

    let events = events(&app, &caller).await.split_off(known);
    let told: Vec<_> = events.iter().map(|event| (event["action"].as_str().unwrap(), &event["subject_id"])).collect();
    let jti = part_of(&token, 1)["jti"].clone();
    let expected = [
        ("api_key.created", &json!(key)),
        ("api_key.rotated", &json!(key)),
        ("api_key.created", &successor["id"]),
        ("oauth_client.created", &json!(client.id)),
        ("oauth_token.revoked", &jti),
        ("oauth_client.revoked", &json!(client.id)),
    ];
    assert_eq!(told, expected);
    // The client took its own token back.
    assert_eq!(events[4]["key_id"], json!(client.id));
}

#[tokio::test]
async fn the_id_of_the_answer_is_the_id_on_record() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let answer = caller.post(BASE, base()).await;
    let event = events(&app, &caller).await.pop().unwrap();
    assert_eq!(event["request_id"].as_str(), answer.header("x-request-id"));
}

#[tokio::test]
async fn no_event_holds_a_value_or_a_key() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    caller.post(BASE, base()).await.expect(201);
    caller.post(&format!("{BASE}/HIT/services"), service("INV")).await.expect(201);
    caller.delete(&format!("{BASE}/HIT")).await.expect(204);
    let evidence = app.rows("select * from audit_events").await;
    let evidence = format!("{evidence:?}");
    for secret in ["audit-user", "audit-pass", caller.key.as_deref().unwrap()] {
        assert!(!evidence.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn reads_previews_and_refused_writes_leave_no_event() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    caller.post(BASE, base()).await.expect(201);
    let reader = caller.with_scopes(&[Scope::CredentialsRead]).await;
    let before = events(&app, &caller).await;
    let services = format!("{BASE}/HIT/services");

    for path in ["", "/HIT", "/HIT/audit", "/HIT/resolution", "/PCNA"] {
        caller.get(&format!("{BASE}{path}")).await;
    }
    reader.post(BASE, base()).await.expect(403);
    reader.delete(&format!("{BASE}/HIT")).await.expect(403);
    caller.post(BASE, json!({"supplier_code": "Nobody"})).await.expect(404);
    caller.post(BASE, json!({"supplier_code": "HIT", "staging_username": "half"})).await.expect(400);
    caller.post(&services, service("XYZ")).await.expect(400);
    caller.post(&format!("{BASE}/PCNA/services"), service("INV")).await.expect(404);
    caller.delete(&format!("{services}/INV/PROD")).await.expect(404);
    caller.delete(&format!("{BASE}/PCNA")).await.expect(404);
    caller.delete(&format!("{BASE}/HIT?dry_run=true")).await.expect(200);
    assert_eq!(events(&app, &caller).await, before);
}

#[tokio::test]
async fn a_change_that_cannot_be_recorded_does_not_happen() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let services = format!("{BASE}/HIT/services");
    caller.post(BASE, base()).await.expect(201);
    caller.post(&services, service("INV")).await.expect(201);
    let rows = async || {
        let base = app.rows("select * from supplier_credentials").await;
        (base, app.rows("select * from service_credentials").await, events(&app, &caller).await)
    };
    let before = rows().await;
    app.sql("alter table audit_events add constraint full_disk check (false) not valid").await;

    caller.post(BASE, json!({"supplier_code": "PCNA"})).await.expect_error(500, "Internal server error");
    caller.post(BASE, base()).await.expect(500);
    caller.post(&services, service("PO")).await.expect(500);
    caller.delete(&format!("{services}/INV/PROD")).await.expect(500);
    caller.delete(&format!("{BASE}/HIT")).await.expect(500);
    assert_eq!(rows().await, before);
}

/// A second user of the caller's account, with a key of their own.
async fn colleague<'a>(app: &'a TestApp, caller: &Caller<'a>, email: &str) -> Caller<'a> {
    app.sql_authenticated(&format!(
        "insert into users (account_id, id, email, created_at) values ({}, gen_random_uuid(), '{email}', now())",
        caller.account
    ))
    .await;
    let user_email = Some(email.to_owned());
    let scopes = Scope::DEFAULT.to_vec();
    let new = NewKey { user_email, ..NewKey::new(name("second"), Kind::Private, scopes) };
    let (_, key) = operator::create_key(&app.app, caller.account, &new).await.unwrap();
    caller.with_key(key.expose())
}

#[tokio::test]
async fn a_row_keeps_its_creator_and_names_its_last_editor() {
    const MADE: (&str, &str) = ("2026-01-02T03:04:05Z", "first@platform.example");
    const CHANGED: (&str, &str) = ("2026-01-02T04:04:05Z", "second@platform.example");
    let app = TestApp::start().await;
    let first = app.account(MADE.1).await;
    let second = colleague(&app, &first, CHANGED.1).await;
    let services = format!("{BASE}/HIT/services");
    let stamps = async |service: Option<usize>| {
        let trail = first.get(&format!("{BASE}/HIT/audit")).await.expect(200);
        let row = service.map_or(trail.clone(), |index| trail["service_credentials"][index].clone());
        ["created_at", "created_by", "modified_on", "modified_by"].map(|field| row[field].as_str().unwrap().to_owned())
    };
    first.post(BASE, base()).await.expect(201);
    first.post(&services, service("INV")).await.expect(201);
    assert_eq!(stamps(None).await, [MADE.0, MADE.1, MADE.0, MADE.1]);

    app.advance(Duration::from_hours(1));
    second.post(&services, service("INV")).await.expect(201);
    second.post(&services, service("PO")).await.expect(201);
    assert_eq!(stamps(Some(0)).await, [MADE.0, MADE.1, CHANGED.0, CHANGED.1]);
    assert_eq!(stamps(Some(1)).await, [CHANGED.0, CHANGED.1, CHANGED.0, CHANGED.1]);
    // The base row was not touched so far.
    assert_eq!(stamps(None).await, [MADE.0, MADE.1, MADE.0, MADE.1]);
    second.post(BASE, json!({"supplier_code": "HIT", "production_password": "new"})).await.expect(201);
    assert_eq!(stamps(None).await, [MADE.0, MADE.1, CHANGED.0, CHANGED.1]);

    // A row that is made anew begins anew.
    second.delete(&format!("{BASE}/HIT")).await.expect(204);
    second.post(BASE, base()).await.expect(201);
    assert_eq!(stamps(None).await, [CHANGED.0, CHANGED.1, CHANGED.0, CHANGED.1]);
}
