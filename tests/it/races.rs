//! Writes of one account that meet: none is lost, none fails, no row is without its event.

use axum::http::Method;
use credenza::principal::Scope;
use serde_json::{Value, json};

use crate::support::{Caller, TestApp};

const BASE: &str = "/extra/v2/credentials";
/// How often a race between two is run; both orders come up within a few rounds.
const ROUNDS: usize = 25;

fn service(service: &str, environment: &str) -> Value {
    json!({"service": service, "environment": environment, "username": "u", "password": "p"})
}

async fn count(app: &TestApp, query: &str) -> i64 {
    app.rows(&format!("select count(*) from {query}")).await[0]["count"].as_i64().unwrap()
}

/// The rows that there should be by the events, row kind by row kind, against what there is.
async fn assert_events_add_up(app: &TestApp) {
    for (kind, table) in [("credentials", "supplier_credentials"), ("service_credentials", "service_credentials")] {
        let made = count(app, &format!("audit_events where action = '{kind}.created'")).await;
        let deleted = count(app, &format!("audit_events where action = '{kind}.deleted'")).await;
        assert_eq!(made - deleted, count(app, table).await, "{table}");
    }
}

/// Complains unless the account's events are numbered 1, 2, 3 and so on, up to the head of its chain.
async fn assert_numbers_have_no_gap(app: &TestApp, caller: &Caller<'_>) -> usize {
    let of_account = format!("where account_id = {}", caller.account);
    let numbers = app.rows(&format!("select sequence from audit_events {of_account} order by sequence")).await;
    let numbers: Vec<_> = numbers.iter().map(|row| row["sequence"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    let head = app.rows(&format!("select sequence from audit_heads {of_account}")).await;
    assert_eq!(head, [json!({"sequence": numbers.len()})]);
    numbers.len()
}

#[tokio::test]
async fn twenty_writes_at_once_are_all_kept_and_numbered_without_gaps() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let other = app.account("other@platform.example").await;
    caller.post(BASE, json!({"supplier_code": "HIT"})).await.expect(201);
    let known = assert_numbers_have_no_gap(&app, &caller).await;

    let path = format!("{BASE}/HIT/services");
    let post = |path: &str, body| caller.request(Method::POST, path, Some(body));
    let mut requests = Vec::new();
    for code in ["Product", "MED", "INV", "PPC", "PO", "OSN", "OSTAT", "Invoice"] {
        requests.extend(["PROD", "STAGING"].map(|environment| post(&path, service(code, environment))));
    }
    for supplier in ["PCNA", "SanMar", "SS", "CAP"] {
        requests.push(post(BASE, json!({"supplier_code": supplier})));
        requests.push(other.request(Method::POST, BASE, Some(json!({"supplier_code": supplier}))));
    }
    for answer in app.send_at_once(requests).await {
        answer.expect(201);
    }
    assert_eq!(assert_numbers_have_no_gap(&app, &caller).await, known + 20);
    assert_numbers_have_no_gap(&app, &other).await;
    assert_eq!(count(&app, "service_credentials").await, 16);
    assert_events_add_up(&app).await;
}

#[tokio::test]
async fn one_of_many_equal_creations_creates_and_the_others_update() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let body = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "p"});
    // Also the account's first writes, so that they meet over its data key as well.
    let requests = (0..20).map(|_| caller.request(Method::POST, BASE, Some(body.clone())));
    for answer in app.send_at_once(requests).await {
        answer.expect(201);
    }
    assert_eq!(count(&app, "audit_events where action = 'credentials.created'").await, 1);
    assert_eq!(count(&app, "audit_events where action = 'credentials.updated'").await, 19);
    assert_eq!(count(&app, &format!("data_keys where account_id = {}", caller.account)).await, 1);
}

#[tokio::test]
async fn staging_and_production_set_at_once_both_survive() {
    let app = TestApp::start().await;
    for round in 0..ROUNDS {
        // A new account each time: its row and its data key are made in the race as well.
        let caller = app.account(&format!("devs{round}@platform.example")).await.with_scopes(&Scope::ALL).await;
        let staging = json!({"supplier_code": "HIT", "staging_username": "su", "staging_password": "sp"});
        let production = json!({"supplier_code": "HIT", "production_username": "pu", "production_password": "pp"});
        let (first, second) = tokio::join!(caller.post(BASE, staging), caller.post(BASE, production));
        first.expect(201);
        second.expect(201);
        for (environment, username, password) in [("STAGING", "su", "sp"), ("PROD", "pu", "pp")] {
            let resolved = caller.resolve("HIT", "INV", environment).await.expect(200);
            assert_eq!((&resolved["username"], &resolved["password"]), (&json!(username), &json!(password)));
        }
    }
}

#[tokio::test]
async fn the_halves_of_a_pair_changed_at_once_both_survive() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await.with_scopes(&Scope::ALL).await;
    let half = |field: &str, value: String| json!({"supplier_code": "HIT", (field): value});
    let whole = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "p"});
    caller.post(BASE, whole).await.expect(201);
    for round in 0..ROUNDS {
        let username = half("production_username", format!("u{round}"));
        let password = half("production_password", format!("p{round}"));
        let (first, second) = tokio::join!(caller.post(BASE, username), caller.post(BASE, password));
        first.expect(201);
        second.expect(201);
        let resolved = caller.resolve("HIT", "INV", "PROD").await.expect(200);
        let pair = (resolved["username"].clone(), resolved["password"].clone());
        assert_eq!(pair, (json!(format!("u{round}")), json!(format!("p{round}"))));
    }
}

#[tokio::test]
async fn a_service_stored_while_its_base_is_deleted_is_refused_or_goes_with_it() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let (base, services) = (format!("{BASE}/HIT"), format!("{BASE}/HIT/services"));
    for round in 0..ROUNDS {
        caller.post(BASE, json!({"supplier_code": "HIT"})).await.expect(201);
        let (store, delete) = (caller.post(&services, service("INV", "PROD")), caller.delete(&base));
        // Who goes first in this process often wins, so both get to.
        let (stored, deleted) = if round % 2 == 0 {
            tokio::join!(store, delete)
        } else {
            let (deleted, stored) = tokio::join!(delete, store);
            (stored, deleted)
        };
        deleted.expect(204);
        if stored.status != 201 {
            stored.expect_error(404, "Parent credentials must exist first");
        }
        caller.get(&base).await.expect(404);
        assert_eq!(count(&app, "service_credentials").await, 0);
    }
    assert_events_add_up(&app).await;
    assert_numbers_have_no_gap(&app, &caller).await;
}

#[tokio::test]
async fn deletions_at_once_succeed_once() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let (base, services) = (format!("{BASE}/HIT"), format!("{BASE}/HIT/services"));
    caller.post(BASE, json!({"supplier_code": "HIT"})).await.expect(201);
    caller.post(&services, service("INV", "PROD")).await.expect(201);
    for path in [format!("{services}/INV/PROD"), base] {
        let requests = (0..10).map(|_| caller.request(Method::DELETE, &path, None));
        let mut statuses: Vec<_> =
            app.send_at_once(requests).await.iter().map(|answer| answer.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [vec![204], vec![404; 9]].concat(), "{path}");
    }
    assert_events_add_up(&app).await;
}
