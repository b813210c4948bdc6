//! A call to a supplier: the login of the hierarchy goes into the request, and the supplier's words come back as JSON.

use credenza::types::{Environment, Service};
use serde_json::json;

use crate::support::supplier::{Supplier, inventory, inventory_says};
use crate::support::{Caller, TestApp};

const INVENTORY: &str = "/v2.0.0/suppliers/HIT/inventory/5790";

async fn with_base<'a>(app: &'a TestApp, email: &str) -> Caller<'a> {
    let caller = app.account(email).await;
    let base = json!({"supplier_code": "HIT", "production_username": "base-user", "production_password": "base-pass"});
    caller.post("/extra/v2/credentials", base).await.expect(201);
    caller
}

#[tokio::test]
async fn a_call_uses_the_login_that_is_stored_and_the_next_call_the_one_that_replaces_it() {
    let app = TestApp::start().await;
    let supplier = Supplier::start(inventory("5790", "5790-BLUE", "Mug")).await;
    supplier.serves(&app, "HIT", "INV", "2.0.0", Environment::Production).await;
    let caller = with_base(&app, "walk@example.com").await;

    let answer = caller.get("/v2/suppliers/HIT/inventory/5790?environment=PROD").await;
    let body = answer.expect(200);
    assert_eq!(answer.header("x-credential-source"), Some("account"));
    assert_eq!(body["Inventory"]["productId"], "5790");
    let part = &body["Inventory"]["PartInventoryArray"]["PartInventory"][0];
    assert_eq!((&part["partId"], &part["mainPart"]), (&json!("5790-BLUE"), &json!(true)));
    assert_eq!(part["quantityAvailable"]["Quantity"]["value"], "309.60");
    assert_eq!((&part["manufacturedItem"], &part["buyToOrder"]), (&json!(false), &json!(false)));
    assert_eq!(body["ServiceMessageArray"], json!(null));

    let sent = supplier.last();
    assert_eq!(sent.login(), ("base-user".to_owned(), "base-pass".to_owned()));
    assert_eq!(sent.element("wsVersion").as_deref(), Some("2.0.0"));
    assert_eq!(sent.element("productId").as_deref(), Some("5790"));
    assert_eq!(sent.headers["soapaction"], "\"getInventoryLevels\"");
    assert_eq!(sent.headers["content-type"], "text/xml; charset=utf-8");
    assert_eq!(sent.uri, "/INV?ws=1");

    let service = json!({"service": "INV", "environment": "PROD", "username": "inv-user", "password": "inv-pass"});
    caller.post("/extra/v2/credentials/HIT/services", service).await.expect(201);
    let answer = caller.get(INVENTORY).await;
    answer.expect(200);
    assert_eq!(answer.header("x-credential-source"), Some("service"));
    assert_eq!(supplier.last().login(), ("inv-user".to_owned(), "inv-pass".to_owned()));

    caller.delete("/extra/v2/credentials/HIT/services/INV/PROD").await.expect(204);
    caller.get(&format!("{INVENTORY}/")).await.expect(200);
    assert_eq!(supplier.last().login().0, "base-user");
}

#[tokio::test]
async fn each_call_is_on_record_before_and_after_it() {
    let app = TestApp::start().await;
    let supplier = Supplier::start(inventory_says(105, "Authentication Credentials failed")).await;
    supplier.serves(&app, "HIT", "INV", "2.0.0", Environment::Production).await;
    let caller = with_base(&app, "record@example.com").await;
    let body = caller.get(INVENTORY).await.expect(200);
    assert_eq!(body["Inventory"], json!(null));
    assert_eq!(body["ServiceMessageArray"]["ServiceMessage"][0]["code"], 105);
    app.resolves_are_written().await;
    let events = caller.get("/extra/v2/audit-events?supplier_code=HIT").await.expect(200);
    let events: Vec<_> =
        events["results"].as_array().unwrap().iter().filter(|event| event["operation"] != json!(null)).collect();
    let actions: Vec<_> = events.iter().map(|event| event["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["credentials.resolved", "supplier.called"]);
    for event in &events {
        assert_eq!(event["operation"], "INV/2.0.0/getInventoryLevels");
        assert_eq!((&event["source"], &event["outcome"]), (&json!("account"), &json!(200)));
        assert_eq!((&event["service"], &event["environment"]), (&json!("INV"), &json!("PROD")));
    }
    assert!(events[1]["took_ms"].is_i64() && events[0]["took_ms"] == json!(null));
    assert!(!events.iter().any(|event| event.to_string().contains("5790")), "the product is nobody's business");
    assert_eq!(app.audit_faults().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_call_without_a_record_does_not_happen() {
    let app = TestApp::start_with(|settings| settings.audit.backlog = 0).await;
    let supplier = Supplier::start(inventory("1", "1", "x")).await;
    supplier.serves(&app, "HIT", "INV", "2.0.0", Environment::Production).await;
    let caller = with_base(&app, "unrecorded@example.com").await;
    caller.get(INVENTORY).await.expect_json_error(503);
    assert_eq!(supplier.received().len(), 0);
}

#[tokio::test]
async fn a_shared_login_answers_where_it_may_and_never_for_prices_of_a_customer() {
    let app = TestApp::start().await;
    let supplier = Supplier::start(inventory_says(999, "x")).await;
    supplier.serves(&app, "HIT", "PPC", "1.0.0", Environment::Production).await;
    supplier.serves(&app, "HIT", "PO", "1.0.0", Environment::Production).await;
    app.set_default("HIT", Environment::Production, &[Service::Ppc], ("shared-user", "shared-pass")).await;
    let caller = app.account("shared@example.com").await;
    let price = |kind: &str| {
        format!("/v1.0.0/suppliers/HIT/pricing-and-configuration/1?currency=USD&fob_id=1&price_type={kind}")
    };
    let answer = caller.get(&price("List")).await;
    assert_eq!(answer.header("x-credential-source"), Some("default"), "{answer:?}");
    assert_eq!(supplier.received().len(), 1);
    let sentence = "HIT Promotional Products requires your own credentials for the PPC service.";
    for kind in ["Customer", "customer"] {
        let refused = caller.get(&price(kind)).await.expect(403);
        assert!(
            refused["detail"].as_str().unwrap().contains("requires your own credentials for the PPC service"),
            "{sentence} {refused}"
        );
    }
    caller.get("/v1.0.0/suppliers/HIT/supported-order-types").await.expect(403);
    assert_eq!(supplier.received().len(), 1);
}

#[tokio::test]
async fn parameters_are_refused_all_at_once_and_their_values_are_not_repeated() {
    let app = TestApp::start().await;
    let supplier = Supplier::start(inventory("1", "1", "x")).await;
    supplier.serves(&app, "HIT", "ODRSTAT", "2.0.0", Environment::Production).await;
    let caller = with_base(&app, "faults@example.com").await;
    let refused = caller.get("/v2.0.0/suppliers/HIT/order-status?query_type=hunter2&status_timestamp=hunter2").await;
    let body = refused.expect(422);
    let places: Vec<_> = body["detail"].as_array().unwrap().iter().map(|fault| fault["loc"].clone()).collect();
    assert_eq!(places, [json!(["query", "query_type"]), json!(["query", "status_timestamp"])]);
    assert!(!refused.body.contains("hunter2"));
    let missing = caller.get("/v2.0.0/suppliers/HIT/products-modified-since").await.expect(422);
    assert_eq!(missing["detail"][0]["loc"], json!(["query", "since"]));
    assert_eq!(missing["detail"][0]["type"], "missing");
    for environment in ["prod", "Staging", ""] {
        let path = format!("/v2.0.0/suppliers/HIT/inventory/1?environment={environment}");
        assert!(caller.get(&path).await.expect(400)["detail"].is_string());
    }
    assert_eq!(supplier.received().len(), 0);
}

#[tokio::test]
async fn a_product_id_may_have_a_slash() {
    let app = TestApp::start().await;
    let supplier = Supplier::start(inventory("A/B", "1", "x")).await;
    supplier.serves(&app, "HIT", "INV", "2.0.0", Environment::Production).await;
    let caller = with_base(&app, "slash@example.com").await;
    for path in ["A%2FB", "x?real_product_id=A%2FB", "x?real_product_id=A/B"] {
        caller.get(&format!("/v2.0.0/suppliers/HIT/inventory/{path}")).await.expect(200);
        assert_eq!(supplier.last().element("productId").as_deref(), Some("A/B"), "{path}");
    }
}

#[tokio::test]
async fn media_1_0_0_has_endpoints_of_its_own() {
    let app = TestApp::start().await;
    let supplier = Supplier::start(inventory_says(160, "nothing")).await;
    supplier.serves(&app, "HIT", "MED", "1.1.0", Environment::Production).await;
    let caller = with_base(&app, "media@example.com").await;
    let refused = caller.get("/v1.0.0/suppliers/HIT/medias/1").await.expect(404);
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("MED 1.0.0") && detail.contains("PROD"), "{detail}");
    supplier.serves(&app, "HIT", "MED", "1.0.0", Environment::Production).await;
    caller.get("/v1.0.0/suppliers/HIT/medias/1").await;
    assert_eq!(supplier.last().element("wsVersion").as_deref(), Some("1.0.0"));
}
