//! Kept answers: for the same login, the same parameters, and only as long as the login is the same.

use credenza::types::{Environment, Service};
use serde_json::json;

use crate::support::supplier::{Reply, Supplier, inventory, inventory_says};
use crate::support::{Caller, TestApp};

const INVENTORY: &str = "/v2.0.0/suppliers/HIT/inventory/1";

async fn start() -> (TestApp, Supplier) {
    let app = TestApp::start_with(|settings| settings.call_cache_bytes = 1 << 20).await;
    let supplier = Supplier::start(inventory("1", "1", "x")).await;
    for (service, version) in [("INV", "2.0.0"), ("PO", "1.0.0")] {
        supplier.serves(&app, "HIT", service, version, Environment::Production).await;
    }
    (app, supplier)
}

async fn caller<'a>(app: &'a TestApp, email: &str) -> Caller<'a> {
    let caller = app.account(email).await;
    store(&caller, "pass").await;
    caller
}

async fn store(caller: &Caller<'_>, password: &str) {
    let base = json!({"supplier_code": "HIT", "production_username": "user", "production_password": password});
    caller.post("/extra/v2/credentials", base).await.expect(201);
}

#[tokio::test]
async fn an_answer_is_kept_for_its_login_and_its_parameters_until_the_login_is_written() {
    let (app, supplier) = start().await;
    let caller = caller(&app, "kept@example.com").await;
    let first = caller.get(INVENTORY).await;
    first.expect(200);
    assert_eq!(first.header("age"), None);
    let again = caller.get(INVENTORY).await;
    again.expect(200);
    assert_eq!((again.header("age"), again.header("x-credential-source")), (Some("0"), Some("account")));
    assert_eq!(again.body, first.body);
    assert_eq!(supplier.received().len(), 1);
    for (path, received) in [
        ("/v2.0.0/suppliers/HIT/inventory/2", 2),
        ("/v2.0.0/suppliers/HIT/inventory/1?part_id=a", 3),
        ("/v2/suppliers/HIT/inventory/1/?environment=PROD", 3),
        ("/v2.0.0/suppliers/HIT/inventory/x?real_product_id=1", 3),
    ] {
        caller.get(path).await.expect(200);
        assert_eq!(supplier.received().len(), received, "{path}");
    }
    caller.with_header("cache-control", "no-cache").get(INVENTORY).await.expect(200);
    assert_eq!(supplier.received().len(), 4);
    store(&caller, "another").await;
    caller.get(INVENTORY).await.expect(200);
    assert_eq!(supplier.received().len(), 5);
    assert_eq!(supplier.last().login().1, "another");
}

#[tokio::test]
async fn no_account_gets_the_answer_to_anothers_login_and_all_share_that_of_the_shared_one() {
    let (app, supplier) = start().await;
    let (one, other) = (caller(&app, "one@example.com").await, caller(&app, "other@example.com").await);
    one.get(INVENTORY).await.expect(200);
    other.get(INVENTORY).await.expect(200);
    assert_eq!(supplier.received().len(), 2);
    app.set_default("HIT", Environment::Production, &[Service::Inv], ("shared", "login")).await;
    let (third, fourth) = (app.account("third@example.com").await, app.account("fourth@example.com").await);
    third.get(INVENTORY).await.expect(200);
    let shared = fourth.get(INVENTORY).await;
    shared.expect(200);
    assert_eq!(shared.header("x-credential-source"), Some("default"));
    assert_eq!(supplier.received().len(), 3);
}

#[tokio::test]
async fn errors_request_logins_and_orders_are_never_kept() {
    let (app, supplier) = start().await;
    let caller = caller(&app, "never@example.com").await;
    supplier.answers([inventory_says(160, "No result")]);
    caller.get(INVENTORY).await.expect(200);
    caller.get(INVENTORY).await.expect(200);
    assert_eq!(supplier.received().len(), 2);
    supplier.answers([inventory("1", "1", "x")]);
    let own = caller.with_header("authorization", "Basic dXNlcjpwYXNz");
    own.get(INVENTORY).await.expect(200);
    let again = own.get(INVENTORY).await;
    again.expect(200);
    assert_eq!(again.header("x-credential-source"), Some("request"));
    assert_eq!(supplier.received().len(), 4);
    caller.get(INVENTORY).await.expect(200);
    assert_eq!(supplier.received().len(), 5, "not that of the login of a request");
}

#[tokio::test]
async fn equal_calls_under_way_share_one() {
    let (app, supplier) = start().await;
    let caller = caller(&app, "equal@example.com").await;
    let Reply::Xml(_, body) = inventory("1", "1", "x") else { unreachable!() };
    let go_on = std::sync::Arc::new(tokio::sync::Notify::new());
    supplier.answers([Reply::Held(std::sync::Arc::clone(&go_on), body)]);
    let calls = async { tokio::join!(caller.get(INVENTORY), caller.get(INVENTORY), caller.get(INVENTORY)) };
    let release = async {
        supplier.has_received(1).await;
        go_on.notify_one();
    };
    let ((one, two, three), ()) = tokio::join!(calls, release);
    for answer in [one, two, three] {
        answer.expect(200);
    }
    assert_eq!(supplier.received().len(), 1);
}

#[tokio::test]
async fn nothing_is_kept_without_room() {
    let app = TestApp::start().await;
    let supplier = Supplier::start(inventory("1", "1", "x")).await;
    supplier.serves(&app, "HIT", "INV", "2.0.0", Environment::Production).await;
    let caller = caller(&app, "off@example.com").await;
    caller.get(INVENTORY).await.expect(200);
    caller.get(INVENTORY).await.expect(200);
    assert_eq!(supplier.received().len(), 2);
}
