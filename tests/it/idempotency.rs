//! `Idempotency-Key`: a request that is sent again is answered again, and done once.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::{HeaderValue, Method};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use credenza::http::Listener;
use credenza::idempotency::remove_old;
use credenza::principal::Scope;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::imports;
use crate::support::openapi::{document, operations};
use crate::support::operations::{self, Operation, Target};
use crate::support::{Answer, Caller, TestApp};

const BASE: &str = "/extra/v2/credentials";
const IMPORT: &str = "/extra/v2/credentials/import";
const KEYS: &str = "/extra/v2/api-keys";
pub const UNDER_WAY: &str = "A request with this Idempotency-Key is still under way";
pub const REUSED: &str = "This Idempotency-Key was used for another request";

fn base(password: &str) -> Value {
    json!({"supplier_code": "HIT", "production_username": "u", "production_password": password})
}

/// The answer of the first time, given again.
#[track_caller]
pub fn is_replay(answer: &Answer) -> bool {
    assert!(answer.header("idempotent-replayed").is_none_or(|value| value == "true"));
    answer.header("idempotent-replayed").is_some()
}

/// Every row that a write of an account could leave behind.
async fn everything(app: &TestApp) -> Vec<Vec<Value>> {
    let mut all = Vec::new();
    for table in [
        "accounts",
        "api_keys",
        "oauth_clients",
        "oauth_client_secrets",
        "supplier_credentials",
        "service_credentials",
        "audit_events",
        "idempotency_keys",
    ] {
        all.push(app.rows(&format!("select * from {table} order by {table}::text")).await);
    }
    all
}

/// The creating operations: every POST of an account. Those of `/oauth` are a client's, and make nothing that lasts.
fn makers() -> Vec<Operation> {
    let all = operations::all().into_iter();
    // A trial makes nothing.
    let makes = |one: &Operation| one.route.starts_with("/extra/v2/") && !one.route.ends_with("/verify");
    all.filter(|one| one.method == Method::POST && makes(one)).collect()
}

/// A body of JSON, or the text of a file.
fn body(route: &str) -> Value {
    match route {
        BASE => base("the-password"),
        IMPORT => json!(format!("{}HIT,u,the-password,,\nPCNA,,,,\n", imports::BASE)),
        "/extra/v2/credentials/{supplier_code}/services" => {
            json!({"service": "INV", "environment": "PROD", "username": "u", "password": "the-password"})
        }
        "/extra/v2/subaccounts" => json!({"name": "n", "external_customer_id": "twice"}),
        KEYS | "/extra/v2/subaccounts/{id}/api-keys" | "/extra/v2/oauth-clients" => json!({"name": "n"}),
        "/extra/v2/api-keys/{id}/rotate" | "/extra/v2/oauth-clients/{id}/rotate" => json!({"overlap_seconds": 60}),
        new => panic!("{new} needs its case here"),
    }
}

async fn send(caller: &Caller<'_>, operation: &Operation, path: &str) -> Answer {
    match body(operation.route) {
        Value::String(file) => caller.import(path.strip_prefix(IMPORT).unwrap(), file).await,
        body => caller.post(path, body).await,
    }
}

/// Things to aim at.
async fn target(caller: &Caller<'_>) -> Target {
    caller.post(BASE, json!({"supplier_code": "HIT"})).await.expect(201);
    let sub = json!({"name": "n", "external_customer_id": "1"});
    let sub = caller.post("/extra/v2/subaccounts", sub).await.expect(201)["id"].to_string();
    let id = |answer: Value| answer["id"].as_str().unwrap().to_owned();
    let key = id(caller.post(KEYS, json!({})).await.expect(201));
    let client = id(caller.post("/extra/v2/oauth-clients", json!({"name": "n"})).await.expect(201));
    Target { subaccount: sub, subaccount_key: key.clone(), key, client }
}

#[tokio::test]
async fn every_request_that_makes_something_is_done_once_and_answered_twice() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let target = target(&caller).await;
    let mut secrets = Vec::new();
    for (number, operation) in makers().iter().enumerate() {
        let (path, status) = (operation.path(&target), if operation.route == IMPORT { 200 } else { 201 });
        let once = caller.with_header("idempotency-key", &format!("key number {number}"));
        let first = send(&once, operation, &path).await;
        first.expect(status);
        assert!(!is_replay(&first), "{path}");
        let before = everything(&app).await;

        let second = send(&once, operation, &path).await;
        let with_slash = send(&once, operation, &format!("{path}/")).await;
        assert_eq!(everything(&app).await, before, "{path}");
        for again in [second, with_slash] {
            assert!(is_replay(&again), "{path}");
            let mut expected = first.json();
            for secret in ["key", "client_secret"] {
                if let Some(text) = expected.get_mut(secret).map(Value::take) {
                    secrets.push(text.as_str().unwrap().to_owned());
                }
            }
            assert_eq!((again.expect(status), again.header("etag")), (expected, first.header("etag")), "{path}");
            assert_eq!(again.header("content-type"), Some("application/json"));
            again.expect_edge_headers();
        }
    }
    assert_eq!(secrets.iter().collect::<BTreeSet<_>>().len(), 5, "two ways to make a key, two to rotate, one client");
    let stored = format!("{:?}", app.rows("select * from idempotency_keys").await);
    for secret in secrets.iter().map(String::as_str).chain(["the-password", "key number"]) {
        assert!(!stored.contains(secret), "{secret}");
    }
}

#[test]
fn every_creating_operation_documents_the_idempotency_key() {
    let document = document(Listener::Public);
    // Orders have a page of their own, `calls_orders.rs`.
    let orders = operations::all().into_iter().filter(|one| one.needs == Some(Scope::OrdersSend));
    let routes = makers().into_iter().chain(orders).map(|one| one.route.to_owned()).collect::<BTreeSet<_>>();
    let takes_a_key = |operation: &Value| {
        let parameters = operation["parameters"].as_array().unwrap();
        parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key")
            && ["409", "422"].iter().all(|status| operation["responses"].get(status).is_some())
    };
    let documented = operations(&document).filter(|(.., operation)| takes_a_key(operation));
    assert_eq!(documented.map(|(path, ..)| path.to_owned()).collect::<BTreeSet<_>>(), routes);
}

#[tokio::test]
async fn a_key_belongs_to_one_request_of_one_account() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let sub = json!({"name": "n", "external_customer_id": "1"});
    let sub = caller.post("/extra/v2/subaccounts", sub).await.expect(201)["id"].to_string();
    let once = caller.with_header("idempotency-key", "k");
    once.post(BASE, base("p")).await.expect(201);
    let before = everything(&app).await;
    for answer in [
        once.post(BASE, base("p2")).await,
        once.post(BASE, json!({"supplier_code": "HIT"})).await,
        once.post(&format!("{BASE}?dry_run=false"), base("p")).await,
        once.with_header("if-match", "*").post(BASE, base("p")).await,
        once.with_header("if-none-match", "\"x\"").post(BASE, base("p")).await,
        once.with_header("x-account-id", &sub).post(BASE, base("p")).await,
        once.post(KEYS, json!({})).await,
        once.post("/extra/v2/oauth-clients", json!({"name": "n"})).await,
        once.post(&format!("/extra/v2/subaccounts/{sub}/api-keys"), json!({})).await,
    ] {
        answer.expect_error(422, REUSED);
    }
    assert_eq!(everything(&app).await, before);

    // Whichever key of the account it was; and another account's request is another one.
    let other_key = once.with_scopes(&Scope::ALL).await;
    assert!(is_replay(&other_key.post(BASE, base("p")).await));
    let neighbour = app.account("other@platform.example").await.with_header("idempotency-key", "k");
    let answer = neighbour.post(BASE, base("p")).await;
    answer.expect(201);
    assert!(!is_replay(&answer));
    let other = caller.with_header("idempotency-key", "K").post(BASE, base("p")).await;
    assert!(!is_replay(&other));
}

#[tokio::test]
async fn a_parents_key_is_the_parents_whomever_it_acts_for() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let sub = json!({"name": "n", "external_customer_id": "1"});
    let sub = parent.post("/extra/v2/subaccounts", sub).await.expect(201)["id"].to_string();
    let acting = parent.with_header("idempotency-key", "k").with_header("x-account-id", &sub);
    assert!(!is_replay(&acting.post(BASE, base("p")).await));
    assert!(is_replay(&acting.post(BASE, base("p")).await));
    let stored = app.rows("select account_id from idempotency_keys").await;
    assert_eq!(stored, [json!({"account_id": parent.account})]);
    assert_eq!(app.rows("select account_id::text from supplier_credentials").await, [json!({"account_id": sub})]);
}

#[tokio::test]
async fn while_the_first_runs_a_second_is_refused_on_every_instance() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    caller.post(BASE, base("p")).await.expect(201);
    let once = caller.with_header("idempotency-key", "k");
    let elsewhere = app.other_router(app.app.settings.clone());
    let meanwhile = app.meanwhile("select from supplier_credentials for update").await;
    let first = meanwhile.commit_when_it_waits_and(&app, once.post(BASE, base("p2")), async || {
        once.post(BASE, base("p2")).await.expect_error(409, UNDER_WAY);
        once.post(BASE, base("something else")).await.expect_error(409, UNDER_WAY);
        let request = once.request(Method::POST, BASE, Some(base("p2")));
        app.send_to(&elsewhere, request).await.expect_error(409, UNDER_WAY);
        // Another key, and no key, are other requests; but these would wait as well.
        once.with_header("idempotency-key", "two keys").post(BASE, base("p2")).await.expect(400);
    });
    let first = first.await;
    first.expect(201);
    let request = once.request(Method::POST, BASE, Some(base("p2")));
    let again = app.send_to(&elsewhere, request).await;
    assert!(is_replay(&again) && !is_replay(&first));
    assert_eq!(again.json(), first.json());
}

#[tokio::test]
async fn of_twenty_imports_at_once_only_one_is_carried_out() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let once = caller.with_header("idempotency-key", "k");
    let answers = app.send_at_once((0..20).map(|_| once.request(Method::POST, KEYS, Some(json!({}))))).await;
    let done: Vec<_> = answers.iter().filter(|answer| answer.status == 201 && !is_replay(answer)).collect();
    assert_eq!(done.len(), 1);
    let id = &done[0].json()["id"];
    for answer in answers.iter().filter(|answer| !std::ptr::eq(*answer, done[0])) {
        match answer.status.as_u16() {
            201 => assert_eq!(&answer.json()["id"], id),
            _ => answer.expect_error(409, UNDER_WAY),
        }
    }
    let made = app.rows("select 1 from audit_events where action = 'api_key.created'").await;
    assert_eq!(made.len(), 2, "the caller's own, and one");
}

#[tokio::test]
async fn a_refused_request_may_be_corrected_under_the_same_key() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let once = caller.with_header("idempotency-key", "k");
    once.post(BASE, json!({"supplier_code": "Nobody"})).await.expect(404);
    once.post(BASE, json!({"supplier_code": "HIT", "production_username": "half"})).await.expect(400);
    once.with_header("if-match", "*").post(BASE, base("p")).await.expect(412);
    // A preview is no request that could be done twice.
    once.post(&format!("{BASE}?dry_run=true"), base("p")).await.expect(200);
    assert_eq!(app.rows("select 1 from idempotency_keys").await.len(), 0);
    let answer = once.post(BASE, base("p")).await;
    answer.expect(201);
    assert!(!is_replay(&answer));
}

#[tokio::test]
async fn a_stored_answer_does_not_depend_on_later_changes() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let new = caller.with_header("if-none-match", "*").with_header("idempotency-key", "k");
    let first = new.post(BASE, base("p")).await;
    first.expect(201);
    caller.post(BASE, base("p2")).await.expect(201);
    let again = new.post(BASE, base("p")).await;
    assert_eq!((again.expect(201), again.header("etag")), (first.json(), first.header("etag")));
    caller.delete(&format!("{BASE}/HIT")).await.expect(204);
    assert!(is_replay(&new.post(BASE, base("p")).await));
    caller.get(&format!("{BASE}/HIT")).await.expect(404);
}

#[tokio::test]
async fn after_a_day_it_is_another_request() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let once = caller.with_header("idempotency-key", "k");
    let count = async || app.rows("select 1 from idempotency_keys").await.len();
    once.post(BASE, base("p")).await.expect(201);
    app.advance(Duration::from_hours(24) - Duration::from_secs(1));
    assert!(is_replay(&once.post(BASE, base("p")).await));
    once.post(BASE, base("p2")).await.expect_error(422, REUSED);
    app.advance(Duration::from_secs(1));
    let answer = once.post(BASE, base("p2")).await;
    answer.expect(201);
    assert!(!is_replay(&answer));
    assert!(is_replay(&once.post(BASE, base("p2")).await));
    assert_eq!(count().await, 1);

    // Nobody asks any more; and somebody else just did.
    app.advance(Duration::from_hours(24));
    let young = app.account("young@platform.example").await.with_header("idempotency-key", "k");
    young.post(BASE, base("p")).await.expect(201);
    assert_eq!(remove_old(&app.app.pool, app.app.clock.now()).await.unwrap(), 1);
    assert!(is_replay(&young.post(BASE, base("p")).await));
    assert_eq!(remove_old(&app.app.pool, app.app.clock.now()).await.unwrap(), 0);
    app.sql(
        "insert into idempotency_keys select account_id, sha256(n::text::bytea), fingerprint, status, tag, body,
             created_at - interval '2 days' from idempotency_keys, generate_series(1, 2500) n",
    )
    .await;
    assert_eq!(remove_old(&app.app.pool, app.app.clock.now()).await.unwrap(), 2500);
    assert_eq!(count().await, 1);
}

#[tokio::test]
async fn a_key_has_1_to_255_printable_characters() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    for good in ["1", " ~\"{}", &"k".repeat(255)] {
        caller.with_header("idempotency-key", good).post(BASE, base("p")).await.expect(201);
    }
    let before = everything(&app).await;
    let refused = |answer: Answer| {
        answer.expect_error(400, "Idempotency-Key: must be one text of 1 to 255 printable ASCII characters");
    };
    for bad in ["", "tab\t", &"k".repeat(256)] {
        refused(caller.with_header("idempotency-key", bad).post(BASE, base("p")).await);
    }
    refused(caller.with_header("idempotency-key", "a").with_header("idempotency-key", "a").post(BASE, base("p")).await);
    let mut request = caller.request(Method::POST, BASE, Some(base("p")));
    request.headers_mut().insert("idempotency-key", HeaderValue::from_bytes("ä".as_bytes()).unwrap());
    refused(app.send(request).await);
    assert_eq!(everything(&app).await, before);
}

/// A thief of the table who guesses passwords has nothing to hold the guesses against.
#[tokio::test]
async fn stored_fingerprints_depend_on_a_secret_outside_the_database() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let once = caller.with_header("idempotency-key", "k");
    once.post(BASE, base("p")).await.expect(201);
    let columns =
        "select encode(id, 'base64') as id, encode(fingerprint, 'base64') as fingerprint from idempotency_keys";
    let stored = app.rows(columns).await;
    for guess in ["k".to_owned(), base("p").to_string()] {
        let hash = BASE64_STANDARD.encode(Sha256::digest(guess.as_bytes()));
        assert!(!format!("{stored:?}").contains(&hash));
    }
    // The same request under another pepper is another one.
    let pepper = ("CREDENZA_KEY_PEPPER", "YGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn8=");
    let other = app.other_process_on(&[pepper], |_| ()).await;
    let said: [&[u8]; 1] = [b"the same"];
    let request =
        |app: &credenza::app::App| credenza::idempotency::Request::new(&app.pepper, caller.account, b"k2", &said);
    let claim = async |app: &credenza::app::App| {
        let mut change = app.cluster.begin(caller.account).await.unwrap();
        let request = request(app);
        let known = credenza::idempotency::claim(&mut change, &request, app.clock.now()).await.unwrap().is_some();
        let outcome = credenza::idempotency::StoredAnswer {
            family: "native".to_owned(),
            code: 201,
            content_type: "application/json".to_owned(),
            tag: None,
            body: "{}".to_owned(),
        };
        credenza::idempotency::keep(&mut change, &request, &outcome, app.clock.now()).await.unwrap();
        change.commit().await.unwrap();
        known
    };
    assert!(!claim(&app.app).await && claim(&app.app).await);
    assert!(!claim(&other).await);
    // And two accounts that ask the same leave nothing alike.
    let neighbour = app.account("other@platform.example").await.with_header("idempotency-key", "k");
    neighbour.post(BASE, base("p")).await.expect(201);
    let all = app.rows(columns).await;
    let macs: BTreeSet<_> =
        all.iter().flat_map(|row| [row["id"].to_string(), row["fingerprint"].to_string()]).collect();
    assert_eq!(macs.len(), 2 * all.len());
}

#[tokio::test]
async fn without_a_key_the_database_is_not_asked_about_one() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    app.sql("alter table idempotency_keys rename to gone; drop function claim_idempotency_key, keep_outcome").await;
    caller.post(BASE, base("p")).await.expect(201);
    caller.post(KEYS, json!({})).await.expect(201);
    caller.with_header("idempotency-key", "k").post(KEYS, json!({})).await.expect(500);
}

#[tokio::test]
async fn a_stored_answer_has_its_family_and_its_content_type() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    caller.with_header("idempotency-key", "k").post(BASE, base("p")).await.expect(201);
    let stored = app.rows("select family, content_type from idempotency_keys").await;
    assert_eq!(stored, [json!({"family": "native", "content_type": "application/json"})]);
}
