//! Whether logins work: found out by every call, kept for each state of a pair, and a reason not to send one that is wrong.

use std::time::Duration;

use credenza::types::{Environment, Service};
use serde_json::{Value, json};

use crate::support::supplier::{Supplier, inventory, inventory_says};
use crate::support::{Caller, TestApp};

const INVENTORY: &str = "/v2.0.0/suppliers/HIT/inventory/1";
const HEALTH: &str = "/extra/v2/credentials/HIT/health";

async fn start() -> (TestApp, Supplier) {
    let app = TestApp::start().await;
    let supplier = Supplier::start(inventory_says(105, "Authentication Credentials failed")).await;
    for (service, version) in [("INV", "2.0.0"), ("Product", "2.0.0")] {
        supplier.serves(&app, "HIT", service, version, Environment::Production).await;
    }
    (app, supplier)
}

async fn store(caller: &Caller<'_>, password: &str) {
    let base = json!({"supplier_code": "HIT", "production_username": "user", "production_password": password});
    caller.post("/extra/v2/credentials", base).await.expect(201);
}

async fn only_result(caller: &Caller<'_>) -> Value {
    let body = caller.get(HEALTH).await.expect(200);
    assert_eq!(body["results"].as_array().unwrap().len(), 1, "{body}");
    body["results"][0].clone()
}

#[tokio::test]
async fn three_refusals_suspend_a_login_until_time_passes_or_it_is_written() {
    let (app, supplier) = start().await;
    let caller = app.account("suspended@example.com").await;
    store(&caller, "wrong").await;
    assert_eq!(only_result(&caller).await["state"], "unknown");
    for _ in 0..3 {
        caller.get(INVENTORY).await.expect(200);
    }
    let refused = caller.get(INVENTORY).await;
    let body = refused.expect(403);
    assert_eq!(body["refused_code"], 105);
    let detail = body["detail"].as_str().unwrap();
    assert!(detail.contains("refused the account login for INV on 2026-01-02T03:04:05Z."), "{detail}");
    assert!(detail.contains("try again after 2026-01-02T03:05:05Z."), "{detail}");
    assert_eq!(refused.header("x-credential-source"), Some("account"));
    // The base pair is the same for another service.
    caller.get("/v2.0.0/suppliers/HIT/products-closeout").await.expect(403);
    assert_eq!(supplier.received().len(), 3);
    let state = only_result(&caller).await;
    assert_eq!(
        (&state["state"], &state["level"], &state["service"]),
        (&json!("suspended"), &json!("account"), &json!(null))
    );
    assert_eq!(state["refused_code"], 105);

    for (wait, sent) in [(59, 3), (1, 4), (4 * 60, 4), (60, 5), (30 * 60, 6), (6 * 3600 - 1, 6), (1, 7)] {
        app.advance(Duration::from_secs(wait));
        let caller = caller.with_header("cache-control", "no-cache");
        caller.get(INVENTORY).await;
        assert_eq!(supplier.received().len(), sent, "after {wait} s more");
    }
    store(&caller, "another").await;
    assert_eq!(only_result(&caller).await["state"], "unknown");
    supplier.answers([inventory("1", "1", "x")]);
    caller.get(INVENTORY).await.expect(200);
    let state = only_result(&caller).await;
    assert_eq!((&state["state"], &state["refused_code"]), (&json!("accepted"), &json!(null)));
}

#[tokio::test]
async fn an_instance_knows_the_refusals_that_another_one_received() {
    let (app, supplier) = start().await;
    let caller = app.account("two@example.com").await;
    store(&caller, "wrong").await;
    for _ in 0..3 {
        caller.get(INVENTORY).await.expect(200);
    }
    app.app.health.write().await.unwrap();
    let other = app.other_router(app.app.settings.clone());
    let request = caller.request(axum::http::Method::GET, INVENTORY, None);
    app.send_to(&other, request).await.expect(403);
    assert_eq!(supplier.received().len(), 3);
}

#[tokio::test]
async fn a_refusal_for_one_service_leaves_the_others_alone() {
    let (app, supplier) = start().await;
    let caller = app.account("service@example.com").await;
    store(&caller, "right").await;
    supplier.answers([inventory_says(104, "This account is unauthorized to use this service")]);
    for _ in 0..3 {
        caller.get(INVENTORY).await.expect(200);
    }
    caller.get(INVENTORY).await.expect(403);
    let before = supplier.received().len();
    caller.get("/v2.0.0/suppliers/HIT/products-closeout").await;
    assert_eq!(supplier.received().len(), before + 1, "asked for another service");
    let body = caller.get(HEALTH).await.expect(200);
    let states: Vec<_> =
        body["results"].as_array().unwrap().iter().map(|row| (row["service"].clone(), row["state"].clone())).collect();
    assert!(states.contains(&(json!("INV"), json!("suspended"))), "{states:?}");
    assert!(states.contains(&(json!(null), json!("unknown"))), "{states:?}");
}

#[tokio::test]
async fn a_shared_login_has_one_health_for_all_who_use_it() {
    let (app, supplier) = start().await;
    app.set_default("HIT", Environment::Production, &[Service::Inv], ("shared-user", "shared-pass")).await;
    let (one, other) = (app.account("one@example.com").await, app.account("other@example.com").await);
    for caller in [&one, &other, &one] {
        caller.get(INVENTORY).await.expect(200);
    }
    let refused = other.get(INVENTORY).await;
    assert!(refused.expect(403)["detail"].as_str().unwrap().contains("default login"));
    assert_eq!(supplier.received().len(), 3);
    let state = only_result(&other).await;
    assert_eq!((&state["level"], &state["state"]), (&json!("default"), &json!("suspended")));
    assert!(!state.to_string().contains("shared-user"));
}

#[tokio::test]
async fn another_accounts_health_is_its_own() {
    let (app, _supplier) = start().await;
    let (one, other) = (app.account("mine@example.com").await, app.account("theirs@example.com").await);
    store(&one, "wrong").await;
    store(&other, "unused").await;
    for _ in 0..3 {
        one.get(INVENTORY).await.expect(200);
    }
    app.app.health.write().await.unwrap();
    assert_eq!(only_result(&other).await["state"], "unknown");
    other.get("/extra/v2/credentials/Nobody/health").await.expect_error(404, "Supplier not found");
}

#[tokio::test]
async fn a_trial_uses_a_suspended_login_and_its_verdict_counts() {
    let (app, supplier) = start().await;
    let caller = app.account("trial@example.com").await;
    store(&caller, "wrong").await;
    for _ in 0..3 {
        caller.get(INVENTORY).await.expect(200);
    }
    let verify = "/extra/v2/credentials/HIT/verify";
    let tried = caller.post(verify, json!({"service": "INV"})).await.expect(200);
    assert_eq!((&tried["state"], &tried["level"], &tried["code"]), (&json!("refused"), &json!("account"), &json!(105)));
    assert_eq!(tried["message"], "Authentication Credentials failed");
    assert!(tried["took_ms"].is_u64());
    supplier.answers([inventory("1", "1", "x")]);
    let tried = caller.post(verify, json!({"service": "INV", "environment": "PROD"})).await.expect(200);
    assert_eq!(tried["state"], "accepted");
    caller.get(INVENTORY).await.expect(200);

    let unstored = json!({"service": "INV", "credentials": {"username": "new-user", "password": "new-pass"}});
    let tried = caller.post(verify, unstored).await.expect(200);
    assert_eq!((&tried["state"], &tried["level"]), (&json!("accepted"), &json!("request")));
    assert_eq!(supplier.last().login(), ("new-user".to_owned(), "new-pass".to_owned()));
    let resolution = caller.get("/extra/v2/credentials/HIT/resolution?service=INV&environment=PROD").await.expect(200);
    assert_eq!(resolution["health"]["state"], "accepted");
    assert_eq!(resolution["username"], "user", "nothing was stored");
    for _ in 0..7 {
        caller.post(verify, json!({"service": "INV"})).await.expect(200);
    }
    let refused = caller.post(verify, json!({"service": "INV"})).await;
    refused.expect_json_error(429);
    assert!(refused.header("retry-after").is_some());
}

#[tokio::test]
async fn verify_stores_only_what_is_not_refused() {
    let (app, supplier) = start().await;
    let caller = app.account("store@example.com").await;
    let pair = |password: &str| json!({"supplier_code": "HIT", "production_username": "user", "production_password": password});
    let refused = caller.post("/extra/v2/credentials?verify=true", pair("wrong")).await;
    refused.expect_error(422, "The supplier refused this login");
    caller.get("/extra/v2/credentials/HIT").await.expect(404);
    supplier.answers([inventory("1", "1", "x")]);
    let stored = caller.post("/extra/v2/credentials?verify=true", pair("right")).await;
    stored.expect(201);
    assert_eq!(stored.header("x-login-state"), Some("PROD=accepted"));
    let service = json!({"service": "INV", "environment": "PROD", "username": "inv", "password": "wrong"});
    supplier.answers([inventory_says(105, "no")]);
    caller.post("/extra/v2/credentials/HIT/services?verify=true", service.clone()).await.expect(422);
    drop(supplier);
    let stored = caller.post("/extra/v2/credentials/HIT/services?verify=true", service).await;
    stored.expect(201);
    assert_eq!(stored.header("x-login-state"), Some("PROD=unknown"));
    let half = json!({"supplier_code": "HIT", "production_password": "half"});
    caller.post("/extra/v2/credentials?verify=true", half).await.expect_json_error(400);
}
