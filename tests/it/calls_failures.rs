//! Failures of a supplier: one sentence each, never an address, and never a login.

use std::time::Duration;

use credenza::types::Environment;
use serde_json::json;

use crate::support::supplier::{Reply, Supplier, envelope, inventory, inventory_says};
use crate::support::{Caller, TestApp};

const INVENTORY: &str = "/v2.0.0/suppliers/HIT/inventory/5790";
const USER: &str = "user-of-hit";
const PASSWORD: &str = "p&ss<word>-7";

async fn start() -> (TestApp, Supplier) {
    let app = TestApp::start().await;
    let supplier = Supplier::start(inventory("5790", "1", "x")).await;
    supplier.serves(&app, "HIT", "INV", "2.0.0", Environment::Production).await;
    (app, supplier)
}

async fn caller<'a>(app: &'a TestApp, email: &str) -> Caller<'a> {
    let caller = app.account(email).await;
    let base = json!({"supplier_code": "HIT", "production_username": USER, "production_password": PASSWORD});
    caller.post("/extra/v2/credentials", base).await.expect(201);
    caller
}

fn fault(text: &str) -> String {
    envelope(&format!("<s:Fault><faultcode>s:Server</faultcode><faultstring>{text}</faultstring></s:Fault>"))
}

#[tokio::test]
async fn an_unknown_supplier_and_a_missing_endpoint_are_not_found() {
    let (app, supplier) = start().await;
    let caller = caller(&app, "missing@example.com").await;
    caller.get("/v2.0.0/suppliers/Nobody/inventory/1").await.expect_error(404, "Supplier not found");
    caller.get("/v2.0.0/suppliers/HIT/inventory/1?environment=STAGING").await.expect(404);
    let answer = caller.get("/v1.2.1/suppliers/HIT/inventory/1").await;
    let detail = answer.expect(404)["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("INV 1.2.1") && detail.contains("PROD"), "{detail}");
    assert_eq!(supplier.received().len(), 0);
}

#[tokio::test]
async fn answers_that_are_none_are_502_with_one_sentence() {
    let (app, supplier) = start().await;
    let caller = caller(&app, "garbage@example.com").await;
    let large = "x".repeat(200);
    for reply in [
        Reply::Xml(500, fault("Object reference not set")),
        Reply::Xml(200, fault("Object reference not set")),
        Reply::Xml(200, "<html><body>down for maintenance</body></html>".to_owned()),
        Reply::Xml(200, String::new()),
        Reply::Xml(200, "{\"json\": true}".to_owned()),
        Reply::Xml(200, envelope("<Other/>")),
        Reply::Xml(200, "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"b\">]><x>&a;</x>".to_owned()),
        Reply::Xml(404, large),
        Reply::With(302, vec![("location", "http://127.0.0.1:1/".to_owned())], String::new()),
        Reply::Xml(403, "forbidden".to_owned()),
    ] {
        supplier.answers([reply]);
        let answer = caller.get(INVENTORY).await;
        let detail = answer.expect(502)["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("Hit") || detail.contains("HIT"), "{detail}");
        assert!(!detail.contains("127.0.0.1") && !detail.contains("http"), "{detail}");
        assert_eq!(answer.header("x-credential-source"), Some("account"));
    }
}

#[tokio::test]
async fn a_regular_message_counts_whatever_its_status() {
    let (app, supplier) = start().await;
    let caller = caller(&app, "status@example.com").await;
    for status in [200, 400, 500, 503] {
        let Reply::Xml(_, body) = inventory_says(160, "No result") else { unreachable!() };
        supplier.answers([Reply::Xml(status, body)]);
        let body = caller.get(INVENTORY).await.expect(200);
        assert_eq!(body["ServiceMessageArray"]["ServiceMessage"][0]["code"], 160, "{status}");
    }
}

#[tokio::test]
async fn a_supplier_that_has_too_much_to_do_is_503_with_its_own_time() {
    let (app, supplier) = start().await;
    let caller = caller(&app, "busy@example.com").await;
    for (headers, expected) in [
        (vec![("retry-after", "17".to_owned())], "17"),
        (vec![("retry-after", "99999".to_owned())], "3600"),
        (vec![], "30"),
    ] {
        supplier.answers([Reply::With(429, headers, "slow down".to_owned())]);
        let answer = caller.get(INVENTORY).await;
        answer.expect_json_error(503);
        assert_eq!(answer.header("retry-after"), Some(expected));
    }
}

#[tokio::test]
async fn a_read_is_tried_once_more_when_no_byte_came_or_a_gateway_failed() {
    let (app, supplier) = start().await;
    let caller = caller(&app, "again@example.com").await;
    for bad in [Reply::Hangup, Reply::Xml(502, "bad gateway".to_owned()), Reply::Xml(504, String::new())] {
        let before = supplier.received().len();
        supplier.answers([bad, inventory("5790", "1", "x")]);
        caller.get(INVENTORY).await.expect(200);
        assert_eq!(supplier.received().len(), before + 2);
    }
    let before = supplier.received().len();
    supplier.answers([Reply::Xml(502, "bad gateway".to_owned())]);
    caller.get(INVENTORY).await.expect_json_error(502);
    assert_eq!(supplier.received().len(), before + 2);
    supplier.answers([Reply::Xml(500, "broken".to_owned())]);
    caller.get(INVENTORY).await.expect_json_error(502);
    assert_eq!(supplier.received().len(), before + 3);
}

#[tokio::test]
async fn a_supplier_that_is_not_there_is_502_and_a_slow_one_504() {
    let (app, supplier) = start().await;
    let caller = caller(&app, "slow@example.com").await;
    supplier.answers([Reply::Held(std::sync::Arc::default(), String::new())]);
    supplier
        .serves_with(&app, "HIT", "INV", "2.0.0", Environment::Production, |row| row.timeout = Duration::from_secs(1))
        .await;
    caller.get(INVENTORY).await.expect_json_error(504);
    drop(supplier);
    let answer = caller.get(INVENTORY).await;
    assert!(!answer.expect(502)["detail"].as_str().unwrap().contains("127.0.0.1"), "{answer:?}");
}

#[tokio::test]
async fn a_login_that_the_supplier_quotes_is_in_no_answer() {
    let (app, supplier) = start().await;
    let caller = caller(&app, "quotes@example.com").await;
    let escaped = PASSWORD.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let twice = escaped.replace('&', "&amp;");
    for reply in [
        inventory("5790", "1", &format!("you sent {escaped} and {twice}")),
        inventory_says(105, &format!("{USER} with {escaped} is unknown")),
        Reply::Xml(500, fault(&format!("login {USER}/{escaped} failed"))),
        Reply::Xml(200, format!("<html>{escaped}")),
    ] {
        supplier.answers([reply]);
        let answer = caller.get(INVENTORY).await;
        for secret in [PASSWORD, &escaped, &twice] {
            assert!(!answer.body.contains(secret), "{answer:?}");
            let json = serde_json::to_string(secret).unwrap();
            assert!(!answer.body.contains(json.trim_matches('"')), "{answer:?}");
        }
    }
    supplier.answers([Reply::Xml(500, fault(&format!("login {USER} failed")))]);
    assert!(!caller.get(INVENTORY).await.body.contains(USER));
    app.resolves_are_written().await;
    let all = caller.get("/extra/v2/audit-events").await.body;
    assert!(!all.contains(PASSWORD));
}
