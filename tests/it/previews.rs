//! `dry_run`: a write that answers what it would change, refuses what the write would refuse, and leaves nothing.

use axum::http::Method;
use credenza::principal::Scope;
use credenza::types::{Environment, Service};
use serde_json::{Value, json};
use sqlx::postgres::PgListener;

use crate::support::{Answer, Caller, TestApp};

const BASE: &str = "/extra/v2/credentials";
const HIT: &str = "/extra/v2/credentials/HIT";
const SERVICES: &str = "/extra/v2/credentials/HIT/services";

fn base(fields: &Value) -> Value {
    let mut body = json!({"supplier_code": "HIT"});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

fn production() -> Value {
    base(&json!({"production_username": "u", "production_password": "p"}))
}

fn service(service: &str, environment: &str) -> Value {
    json!({"service": service, "environment": environment, "username": "u", "password": "p"})
}

/// Every row that a write could touch.
async fn everything(app: &TestApp) -> Vec<Vec<Value>> {
    let mut all = Vec::new();
    for table in [
        "supplier_credentials",
        "service_credentials",
        "audit_events",
        "audit_heads",
        "data_keys",
        "key_encryption_keys",
    ] {
        all.push(app.rows(&format!("select * from {table} order by {table}::text")).await);
    }
    all
}

/// The source of each of the sixteen calls, in the order of the listing.
async fn sources(caller: &Caller<'_>) -> Vec<Value> {
    let explained = caller.get(&format!("{HIT}/resolution")).await.expect(200);
    let fields = |one: &Value| json!([one["service"], one["environment"], one["source"]]);
    explained.as_array().unwrap().iter().map(fields).collect()
}

/// The changes between two explanations, as a preview answers them.
fn difference(before: &[Value], after: &[Value]) -> Vec<Value> {
    let changed = before.iter().zip(after).filter(|(before, after)| before != after);
    let say = |(before, after): (&Value, &Value)| json!({"service": before[0], "environment": before[1], "from": before[2], "to": after[2]});
    changed.map(say).collect()
}

/// Writes, each of which follows the ones before.
fn writes() -> Vec<(Method, String, Option<Value>)> {
    let post = |path: &str, body| (Method::POST, path.to_owned(), Some(body));
    let delete = |path: &str| (Method::DELETE, path.to_owned(), None);
    let staging = base(&json!({"staging_username": "u", "staging_password": "p"}));
    vec![
        post(BASE, base(&json!({}))),
        post(SERVICES, service("INV", "PROD")),
        post(SERVICES, service("ODRSTAT", "STAGING")),
        post(BASE, production()),
        post(BASE, base(&json!({"production_password": "only another password"}))),
        post(BASE, staging),
        post(SERVICES, service("INV", "PROD")),
        post(SERVICES, service("PO", "PROD")),
        delete(&format!("{SERVICES}/INV/PROD")),
        delete(HIT),
        post(BASE, production()),
        delete(HIT),
    ]
}

#[tokio::test]
async fn a_preview_answers_as_the_write_does() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    app.set_default("HIT", Environment::Production, &[Service::Inv, Service::Product], ("shared", "shared")).await;
    let mut said = Vec::new();
    for (method, path, body) in writes() {
        let (before, stored) = (sources(&caller).await, everything(&app).await);
        let preview = caller.send(method.clone(), &format!("{path}?dry_run=true"), body.clone()).await.expect(200);
        assert_eq!(everything(&app).await, stored, "{method} {path}");
        caller.send(method.clone(), &format!("{path}?dry_run=false"), body).await;
        let expected = difference(&before, &sources(&caller).await);
        assert_eq!(preview, json!({ "changes": expected }), "{method} {path}");
        said.push(expected);
    }
    let one = |service, environment, from: Value, to: Value| json!({"service": service, "environment": environment, "from": from, "to": to});
    assert_eq!(said[0], Vec::<Value>::new(), "a row without a pair answers nothing");
    assert_eq!(said[1], [one("INV", "PROD", json!("default"), json!("service"))]);
    assert_eq!(said[2], [one("OSTAT", "STAGING", json!(null), json!("service"))]);
    assert_eq!(said[3].len(), 7);
    assert_eq!(said[3][0], one("Product", "PROD", json!("default"), json!("account")));
    assert_eq!(said[4], Vec::<Value>::new(), "another password is the same level's");
    assert_eq!(said[8], [one("INV", "PROD", json!("service"), json!("account"))]);
    assert_eq!(said[9].len(), 16);
}

/// Sends a request as a preview and for real; complains unless both get the same refusal.
async fn expect_same_refusal(caller: &Caller<'_>, method: Method, path: &str, body: Option<Value>, status: u16) {
    let preview = caller.send(method.clone(), &format!("{path}?dry_run=true"), body.clone()).await;
    let real = caller.send(method.clone(), path, body).await;
    let shown = |answer: &Answer| (answer.status.as_u16(), answer.body.clone());
    assert_eq!(shown(&preview), shown(&real), "{method} {path}");
    real.expect(status);
}

#[tokio::test]
async fn a_preview_refuses_what_the_write_refuses() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let reader = caller.with_scopes(&[Scope::CredentialsRead]).await;
    let (post, delete) = (Method::POST, Method::DELETE);
    let inventory = format!("{SERVICES}/INV/PROD");
    for (method, path, body, status) in [
        (&post, BASE, Some(json!({"supplier_code": "hit"})), 404),
        (&post, BASE, Some(base(&json!({"production_username": "half"}))), 400),
        (&post, BASE, Some(base(&json!({"production_username": ""}))), 400),
        (&post, SERVICES, Some(service("INV", "PROD")), 404),
        (&post, SERVICES, Some(service("XYZ", "PROD")), 400),
        (&delete, HIT, None, 404),
        (&delete, &*inventory, None, 404),
    ] {
        expect_same_refusal(&caller, method.clone(), path, body.clone(), status).await;
        expect_same_refusal(&reader, method.clone(), path, body, 403).await;
    }
    caller.post(BASE, production()).await.expect(201);
    caller.post(SERVICES, service("INV", "PROD")).await.expect(201);
    let late = caller.with_header("if-match", "\"old\"");
    for (method, path, body) in [
        (&post, BASE, Some(production())),
        (&post, SERVICES, Some(service("INV", "PROD"))),
        (&delete, HIT, None),
        (&delete, &*inventory, None),
    ] {
        expect_same_refusal(&late, method.clone(), path, body, 412).await;
    }
    for value in ["", "=", "=TRUE", "=1", "=true&dry_run=true", "=true&dry_run=false"] {
        caller.delete(&format!("{HIT}?dry_run{value}")).await.expect(400);
    }
    caller.get(HIT).await.expect(200);
}

#[tokio::test]
async fn a_preview_changes_and_announces_nothing() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    // Not even a data key: the account has none yet.
    let before = everything(&app).await;
    caller.post(&format!("{BASE}?dry_run=true"), production()).await.expect(200);
    assert_eq!(everything(&app).await, before);

    caller.post(BASE, production()).await.expect(201);
    caller.post(SERVICES, service("INV", "PROD")).await.expect(201);
    let before = everything(&app).await;
    let mut listener = PgListener::connect_with(&app.app.pool).await.unwrap();
    listener.listen("credenza_changes").await.unwrap();
    for (method, path, body) in [
        (Method::POST, BASE, Some(production())),
        (Method::POST, SERVICES, Some(service("PO", "PROD"))),
        (Method::DELETE, SERVICES, None),
        (Method::DELETE, HIT, None),
    ] {
        let path = if method == Method::DELETE && path == SERVICES { format!("{path}/INV/PROD") } else { path.into() };
        caller.send(method, &format!("{path}?dry_run=true"), body).await.expect(200);
    }
    assert_eq!(everything(&app).await, before);
    // Copies of one database have the same numbers for their tables, and other tests have locks in theirs.
    let locks = "select 1 from pg_locks join pg_database on database = pg_database.oid and datname = current_database()
         where relation = 'supplier_credentials'::regclass and pid <> pg_backend_pid()";
    assert_eq!(app.rows(locks).await, Vec::<Value>::new(), "its locks are free when it is answered");
    app.sql("select pg_notify('credenza_changes', 'account -1')").await;
    loop {
        let heard = listener.recv().await.unwrap();
        if heard.payload() == "account -1" {
            break;
        }
        assert!(heard.payload().starts_with("renewed"), "{heard:?}");
    }
}

#[tokio::test]
async fn a_parent_can_preview_for_its_sub_account() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let made =
        parent.post("/extra/v2/subaccounts", json!({"name": "n", "external_customer_id": "1"})).await.expect(201);
    let acting = parent.with_header("x-account-id", &made["id"].to_string());
    acting.post(BASE, production()).await.expect(201);
    let preview = acting.delete(&format!("{HIT}?dry_run=true")).await.expect(200);
    assert_eq!(preview["changes"].as_array().unwrap().len(), 8);
    parent.delete(&format!("{HIT}?dry_run=true")).await.expect(404);
    acting.get(HIT).await.expect(200);
}

/// A preview during another change answers about the state that follows it.
#[tokio::test]
async fn a_preview_waits_for_a_change_that_comes_first() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    for (first, level) in [
        ("update service_credentials set username = 'u2'", "account"),
        ("update service_credentials set service = 'INV'", "service"),
    ] {
        caller.post(BASE, production()).await.expect(201);
        caller.post(SERVICES, service("PPC", "PROD")).await.expect(201);
        let meanwhile = app.meanwhile(first).await;
        let path = format!("{HIT}?dry_run=true");
        let answer = meanwhile.commit_when_it_waits(&app, caller.delete(&path)).await.expect(200);
        let inventory = &answer["changes"].as_array().unwrap()[2];
        assert_eq!((&inventory["service"], &inventory["from"]), (&json!("INV"), &json!(level)));
    }
}
