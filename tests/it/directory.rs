//! The directory over REST: its entries, page by page, and about each supplier's services.

use credenza::api_key::Kind;
use credenza::types::{AccountId, Environment, Service};
use serde_json::{Value, json};

use crate::support::TestApp;

const SUPPLIERS: &str = "/extra/v2/suppliers";

fn codes(page: &Value) -> Vec<&str> {
    page["results"].as_array().unwrap().iter().map(|supplier| supplier["supplier_code"].as_str().unwrap()).collect()
}

/// The environments that shared logins answer in, by service.
async fn shared(app: &TestApp, key: &str, supplier: &str) -> Vec<(String, Value)> {
    let path = format!("/extra/v2/services/{supplier}");
    let body = app.nobody().with_key(key).get(&path).await.expect(200);
    assert_eq!(body["supplier_code"], supplier);
    let services = body["services"].as_array().unwrap().iter();
    services
        .map(|service| (service["code"].as_str().unwrap().to_owned(), service["default_environments"].clone()))
        .collect()
}

#[tokio::test]
async fn pages_put_together_are_the_directory_in_the_order_of_its_codes() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    for number in 0..120 {
        app.supplier(&format!("S{number:03}"), &format!("Supplier {number}"), "").await;
    }
    let whole = caller.get(&format!("{SUPPLIERS}?limit=1000")).await.expect(200);
    let all = codes(&whole);
    assert!(all.is_sorted() && all.contains(&"SanMar") && all.len() > 120);
    assert_eq!(whole["count"], all.len());
    assert_eq!(
        whole["results"][all.iter().position(|code| *code == "S007").unwrap()],
        json!({"supplier_code": "S007", "supplier_name": "Supplier 7"})
    );

    let mut collected = Vec::new();
    for offset in (0..all.len() + 50).step_by(50) {
        let page = caller.get(&format!("{SUPPLIERS}?limit=50&offset={offset}")).await.expect(200);
        assert_eq!(page["count"], all.len());
        collected.extend(codes(&page).into_iter().map(str::to_owned));
    }
    assert_eq!(collected, all);
    assert_eq!(codes(&caller.get(SUPPLIERS).await.expect(200)), all[..100]);
    assert_eq!(codes(&caller.get(&format!("{SUPPLIERS}/?limit=1")).await.expect(200)), all[..1]);
    caller
        .get(&format!("{SUPPLIERS}?offset=1000000"))
        .await
        .expect_text(200, &format!(r#"{{"count":{},"results":[]}}"#, all.len()));
}

#[tokio::test]
async fn a_wrong_page_is_refused_by_name() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    for limit in ["0", "-1", "1001", "9223372036854775807"] {
        let answer = caller.get(&format!("{SUPPLIERS}?limit={limit}")).await;
        answer.expect_error(400, "limit: must be between 1 and 1000");
    }
    caller.get(&format!("{SUPPLIERS}?offset=-1")).await.expect_error(400, "offset: must not be negative");
    for (query, detail) in [
        ("limit=ten", "limit: has a value of the wrong form"),
        ("limit=", "limit: has a value of the wrong form"),
        ("limit=9223372036854775808", "limit: has a value of the wrong form"),
        ("offset=1.5", "offset: has a value of the wrong form"),
        ("pages=2", "pages: is not a parameter of this operation"),
        ("limit=1&limit=2", "The query has a parameter that this operation does not take, or one twice"),
    ] {
        caller.get(&format!("{SUPPLIERS}?{query}")).await.expect_error(400, detail);
    }
    caller.get(&format!("{SUPPLIERS}?offset=9223372036854775807")).await.expect(200);
    caller.get("/extra/v2/service-codes?limit=1").await.expect(400);
}

#[tokio::test]
async fn the_service_codes_are_those_of_the_contract_in_its_order() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let body = caller.get("/extra/v2/service-codes").await.expect(200);
    let codes: Vec<_> = body["results"].as_array().unwrap().iter().map(|service| service["code"].clone()).collect();
    assert_eq!(codes, ["Product", "MED", "INV", "PPC", "PO", "OSN", "OSTAT", "Invoice"]);
    assert_eq!(body["count"], 8);
    for service in body["results"].as_array().unwrap() {
        assert!(!service["description"].as_str().unwrap().is_empty(), "{service}");
    }
}

#[tokio::test]
async fn a_supplier_lists_the_services_of_shared_logins_and_never_the_logins() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let key = caller.key.clone().unwrap();
    for (service, environments) in shared(&app, &key, "HIT").await {
        assert_eq!(environments, json!([]), "{service}");
    }
    app.set_default("HIT", Environment::Production, &[Service::Inv, Service::Product], ("shared-u", "shared-p")).await;
    app.set_default("HIT", Environment::Staging, &[Service::Inv], ("shared-u", "shared-p")).await;
    for (service, environments) in shared(&app, &key, "HIT").await {
        let mut expected = match service.as_str() {
            "INV" => vec!["PROD", "STAGING"],
            "Product" => vec!["PROD"],
            _ => vec![],
        };
        let mut found: Vec<_> = environments.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{service}");
    }
    let body = caller.get("/extra/v2/services/HIT").await.body;
    assert!(!body.contains("shared-"));
    caller.get("/extra/v2/services/hit").await.expect_error(404, "Supplier not found");
    caller.get("/extra/v2/services/Nobody").await.expect_error(404, "Supplier not found");
    caller.get("/extra/v2/services/%00").await.expect_error(404, "Supplier not found");
}

#[tokio::test]
async fn sanmars_prices_and_stock_are_no_shared_logins_business() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    app.set_default("SanMar", Environment::Production, &Service::ALL, ("u", "p")).await;
    for (service, environments) in shared(&app, caller.key.as_ref().unwrap(), "SanMar").await {
        let expected = if ["INV", "PPC"].contains(&service.as_str()) { json!([]) } else { json!(["PROD"]) };
        assert_eq!(environments, expected, "{service}");
    }
}

#[tokio::test]
async fn the_directory_is_for_callers_of_any_kind_but_for_callers() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let token = app.token(&caller.client().await).await;
    let without_scopes = app.key(caller.account, Kind::Private, &[], false).await;
    let asleep = app.account("other@elsewhere.example").await;
    let AccountId(id) = asleep.account;
    app.sql_authenticated(&format!("update accounts set is_active = false where id = {id}")).await;
    app.feed_has_caught_up().await;
    for path in [SUPPLIERS, "/extra/v2/service-codes", "/extra/v2/services/HIT"] {
        app.nobody().get(path).await.expect_text(403, r#"{"detail":"Not authenticated"}"#);
        asleep.get(path).await.expect_error(403, "Account is inactive");
        caller.with_key(&without_scopes).get(path).await.expect(200);
        let bearer = format!("Bearer {token}");
        app.send(crate::support::oauth::authorized(path, &[bearer.as_bytes()])).await.expect(200);
        let mut for_other = caller.request(axum::http::Method::GET, path, None);
        for_other.headers_mut().insert("x-account-id", id.into());
        app.send(for_other).await.expect_error(403, "X-Account-Id is not supported for this endpoint");
    }
}
