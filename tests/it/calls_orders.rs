//! Orders: each goes out once, and never under a login that was not allowed for it.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use credenza::principal::Scope;
use credenza::types::{Environment, Service};
use serde_json::{Value, json};

use crate::support::supplier::{Reply, Supplier, envelope, inventory_says};
use crate::support::{Caller, TestApp};

const ORDERS: &str = "/v1.0.0/suppliers/HIT/purchase-orders";

fn accepted() -> Reply {
    Reply::Xml(
        200,
        envelope(
            "<SendPOResponse xmlns=\"http://www.promostandards.org/WSDL/PO/1.0.0/\"><transactionId>T-1</transactionId></SendPOResponse>",
        ),
    )
}

fn order() -> Value {
    let contact = json!({"attentionTo": "Somebody", "companyName": "Shop", "address1": "1 Main", "city": "Town",
        "region": "TX", "postalCode": "75001", "country": "US", "email": "a@b.example", "phone": "1"});
    json!({
        "orderType": "Blank",
        "orderNumber": "PO-1",
        "orderDate": "2026-01-02T03:04:05Z",
        "totalAmount": 309.60,
        "rush": false,
        "currency": "USD",
        "ShipmentArray": {"Shipment": [{
            "shipReferences": ["ref"],
            "comments": null,
            "ThirdPartyAccount": null,
            "allowConsolidation": true, "blindShip": false, "packingListRequired": false,
            "FreightDetails": {"carrier": "UPS", "service": "GROUND"},
            "ShipTo": {"customerPickup": false, "ContactDetails": contact, "shipmentId": 1}
        }]},
        "LineItemArray": {"LineItem": [{
            "lineNumber": 1, "description": "Mug", "lineType": "New",
            "Quantity": {"uom": "EA", "value": 12},
            "allowPartialShipments": false,
            "lineItemTotal": 309.60,
            "ToleranceDetails": {"tolerance": "ExactOnly"}
        }]},
        "termsAndConditions": "none"
    })
}

async fn start() -> (TestApp, Supplier) {
    let app = TestApp::start().await;
    let supplier = Supplier::start(accepted()).await;
    supplier.serves(&app, "HIT", "PO", "1.0.0", Environment::Production).await;
    (app, supplier)
}

async fn buyer<'a>(app: &'a TestApp, email: &str) -> Caller<'a> {
    let caller = app.account(email).await.with_scopes(&[Scope::CredentialsWrite, Scope::OrdersSend]).await;
    let base = json!({"supplier_code": "HIT", "production_username": "user", "production_password": "pass"});
    caller.post("/extra/v2/credentials", base).await.expect(201);
    caller
}

#[tokio::test]
async fn an_order_is_sent_and_a_repetition_under_its_key_is_not() {
    let (app, supplier) = start().await;
    let caller = buyer(&app, "order@example.com").await.with_header("idempotency-key", "order-1");
    let answer = caller.post(ORDERS, order()).await;
    assert_eq!(answer.expect(200)["transactionId"], "T-1");
    let again = caller.post(ORDERS, order()).await;
    assert_eq!(again.expect(200)["transactionId"], "T-1");
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(supplier.received().len(), 1);
    let sent = supplier.last();
    assert_eq!(sent.element("totalAmount").as_deref(), Some("309.6"));
    let mut other = order();
    other["orderNumber"] = json!("PO-2");
    caller.post(ORDERS, other).await.expect(422);
    assert_eq!(supplier.received().len(), 1);
}

#[tokio::test]
async fn the_form_of_older_clients_and_digits_are_kept() {
    let (app, supplier) = start().await;
    let caller = buyer(&app, "digits@example.com").await;
    let body = json!({"po": order()}).to_string().replace("\"totalAmount\":309.6", "\"totalAmount\":309.60");
    let mut request = caller.request(Method::POST, ORDERS, Some(json!({})));
    *request.body_mut() = body.into();
    app.send(request).await.expect(200);
    assert_eq!(supplier.last().element("totalAmount").as_deref(), Some("309.60"));
    let mut unknown = order();
    unknown["hunter"] = json!("2");
    let refused = caller.post(ORDERS, unknown).await.expect(422);
    assert!(refused["detail"].is_array(), "{refused}");
    let staging = {
        let mut order = order();
        order["environment"] = json!("STAGING");
        order
    };
    caller.post(ORDERS, staging).await.expect(404);
    assert_eq!(supplier.received().len(), 1);
}

#[tokio::test]
async fn an_order_without_an_answer_is_in_doubt_and_is_never_sent_again_by_itself() {
    let (app, supplier) = start().await;
    supplier
        .serves_with(&app, "HIT", "PO", "1.0.0", Environment::Production, |row| row.timeout = Duration::from_secs(1))
        .await;
    let caller = buyer(&app, "doubt@example.com").await;
    for (index, reply) in
        [Reply::Held(Arc::default(), String::new()), Reply::Hangup, Reply::Xml(502, "bad gateway".to_owned())]
            .into_iter()
            .enumerate()
    {
        supplier.answers([reply]);
        let keyed = caller.with_header("idempotency-key", &format!("order-{index}"));
        let answer = keyed.post(ORDERS, order()).await;
        assert!([502, 504].contains(&answer.status.as_u16()), "{answer:?}");
        assert!(answer.body.contains("may have been received"), "{answer:?}");
        supplier.answers([accepted()]);
        let again = keyed.post(ORDERS, order()).await;
        let detail = again.expect(409)["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("may have been received"), "{detail}");
        assert_eq!(supplier.received().len(), index + 1);
    }
}

#[tokio::test]
async fn an_order_that_was_never_sent_may_be_sent_under_the_same_key() {
    let (app, supplier) = start().await;
    let caller = buyer(&app, "unsent@example.com").await.with_header("idempotency-key", "order-1");
    let address = supplier.address;
    drop(supplier);
    caller.post(ORDERS, order()).await.expect(502);
    let back = Supplier::start(accepted()).await;
    assert_ne!(back.address, address);
    back.serves(&app, "HIT", "PO", "1.0.0", Environment::Production).await;
    caller.post(ORDERS, order()).await.expect(200);
    assert_eq!(back.received().len(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_does_not_end_its_order() {
    let (app, supplier) = start().await;
    let caller = buyer(&app, "leaves@example.com").await.with_header("idempotency-key", "order-1");
    let go_on = Arc::new(tokio::sync::Notify::new());
    let Reply::Xml(_, body) = accepted() else { unreachable!() };
    supplier.answers([Reply::Held(Arc::clone(&go_on), body)]);
    tokio::select! {
        answer = caller.post(ORDERS, order()) => panic!("answered {answer:?}"),
        () = supplier.has_received(1) => {}
    }
    let meanwhile = caller.post(ORDERS, order()).await;
    assert!(meanwhile.expect(409)["detail"].as_str().unwrap().contains("no answer of the supplier is on record"));
    go_on.notify_one();
    loop {
        let answer = caller.post(ORDERS, order()).await;
        if answer.status == 200 {
            assert_eq!(answer.json()["transactionId"], "T-1");
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(supplier.received().len(), 1);
}

#[tokio::test]
async fn an_order_needs_its_own_scope_and_a_login_that_is_allowed_for_it() {
    let (app, supplier) = start().await;
    let caller = app.account("scope@example.com").await;
    caller.post(ORDERS, order()).await.expect_error(403, "The scope orders:send is required");
    app.set_default("HIT", Environment::Production, &[Service::Inv], ("shared", "login")).await;
    let buyer = caller.with_scopes(&[Scope::OrdersSend]).await;
    let refused = buyer.post(ORDERS, order()).await.expect(403);
    assert!(refused["detail"].as_str().unwrap().contains("requires your own credentials for the PO service"));
    assert_eq!(supplier.received().len(), 0);
    supplier.answers([inventory_says(1, "x")]);
    buyer
        .get("/v1.0.0/suppliers/HIT/supported-order-types")
        .await
        .expect_error(403, "The scope suppliers:call is required");
}
