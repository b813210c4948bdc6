//! The requests that the vendor's published clients send, and the members that they read. Their clients are in no registry;
//! the requests are those of `psrestful_php_client` 8342c1e, `psrestful_python_client` a157b88 and `psrestful_js_client` 4ac8c04.

use credenza::types::Environment;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::supplier::{Supplier, inventory};

/// The headers that all three send with a read, a body's type included.
const HEADERS: [(&str, &str); 2] = [("content-type", "application/json"), ("x-forwarded-for", "198.51.100.7")];

#[tokio::test]
async fn the_directory_is_read_page_by_page() {
    let app = TestApp::start().await;
    let caller = app.account("vendor@example.com").await;
    let first = caller.get("/extra/v2/suppliers?page=1&page_size=2").await.expect(200);
    let count = first["count"].as_i64().unwrap();
    let pages = (count + 1) / 2;
    assert_eq!((&first["page"], &first["page_size"], &first["total_pages"]), (&json!(1), &json!(2), &json!(pages)));
    assert_eq!((&first["previous"], &first["next"]), (&Value::Null, &json!(2)));
    let last = caller.get(&format!("/extra/v2/suppliers?page={pages}&page_size=2")).await.expect(200);
    assert_eq!((&last["previous"], &last["next"]), (&json!(pages - 1), &Value::Null));
    let supplier = &first["suppliers"][0];
    assert_eq!(supplier["code"], first["results"][0]["supplier_code"]);
    assert_eq!(supplier["name"], first["results"][0]["supplier_name"]);
    assert!(supplier["id"].is_i64() && supplier["blank_goods_only"].is_boolean());
    app.supplier(supplier["code"].as_str().unwrap(), "Another name", "").await;
    let again = caller.get("/extra/v2/suppliers?page=1&page_size=2").await.expect(200);
    assert_eq!(
        (&again["suppliers"][0]["id"], &again["suppliers"][0]["name"]),
        (&supplier["id"], &json!("Another name"))
    );
    for wrong in ["page=0", "page=-1", "page_size=0", "page_size=1001", "page=1&limit=5", "page=9223372036854775807x"] {
        caller.get(&format!("/extra/v2/suppliers?{wrong}")).await.expect_json_error(400);
    }
    let beyond = caller.get("/extra/v2/suppliers?page=9223372036854775807").await.expect(200);
    assert_eq!(beyond["suppliers"], json!([]));
}

#[tokio::test]
async fn service_codes_and_services_are_read_without_a_key() {
    let app = TestApp::start().await;
    let supplier = Supplier::start(inventory("1", "1", "x")).await;
    supplier.serves(&app, "HIT", "INV", "2.0.0", Environment::Production).await;
    supplier.serves(&app, "HIT", "OSTAT", "1.0.0", Environment::Staging).await;
    let nobody = app.nobody();
    let codes = nobody.get("/service-codes").await.expect(200);
    let inventory_code = codes.as_array().unwrap().iter().find(|row| row["Code"] == "INV").unwrap();
    assert_eq!(inventory_code["Name"], "Inventory");
    let services = nobody.get("/services/HIT").await.expect(200);
    let names: Vec<_> = services.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["Product", "MED", "PPC", "INV", "PO", "ODRSTAT", "OSN", "INVC", "PDC", "SPCC"]);
    let version =
        |at: Value| json!({"versions": [{"version": "2.0.0", "environment": "PROD", "last_validated_at": at}]});
    assert_eq!(services["INV"], version(Value::Null));
    assert_eq!(services["ODRSTAT"]["versions"][0]["environment"], "STAGING");
    assert_eq!((&services["PO"], &services["SPCC"]), (&Value::Null, &Value::Null));
    nobody.get("/services/Nobody").await.expect_error(404, "Supplier not found");

    let caller = app.account("vendor@example.com").await;
    let base = json!({"supplier_code": "HIT", "production_username": "user", "production_password": "pass"});
    caller.post("/extra/v2/credentials", base).await.expect(201);
    caller.get("/v2.0.0/suppliers/HIT/inventory/1").await.expect(200);
    app.app.health.write().await.unwrap();
    let services = nobody.get("/services/HIT").await.expect(200);
    assert_eq!(services["INV"], version(json!("2026-01-02T03:04:05Z")));
}

#[tokio::test]
async fn a_read_may_have_the_headers_and_the_slash_of_their_clients() {
    let app = TestApp::start().await;
    let supplier = Supplier::start(inventory("1", "1", "x")).await;
    supplier.serves(&app, "HIT", "INV", "2.0.0", Environment::Production).await;
    let caller = app.account("vendor@example.com").await;
    let base = json!({"supplier_code": "HIT", "production_username": "user", "production_password": "pass"});
    caller.post("/extra/v2/credentials", base).await.expect(201);
    let theirs = HEADERS.into_iter().fold(caller, |caller, (name, value)| caller.with_header(name, value));
    let python = theirs.with_header("authorization", "Bearer ");
    for (client, path) in [
        (&theirs, "/v2.0.0/suppliers/HIT/inventory/1?part_id=a&part_id=b&environment=PROD"),
        (&python, "/v2.0.0/suppliers/HIT/inventory/1/?environment=PROD"),
    ] {
        let body = client.get(path).await.expect(200);
        assert!(body["Inventory"]["PartInventoryArray"]["PartInventory"].is_array());
    }
    let sent = &supplier.received()[0].body;
    assert!(sent.contains(">a<") && sent.contains(">b<"), "{sent}");
}

#[tokio::test]
async fn me_has_what_their_client_reads_of_a_token() {
    let app = TestApp::start().await;
    let caller = app.account("vendor@example.com").await;
    let me = caller.get("/me").await.expect(200);
    assert_eq!((&me["email"], &me["username"]), (&json!("vendor@example.com"), &json!("vendor@example.com")));
    for unknown in ["user_id", "first_name", "last_name"] {
        assert_eq!(me.get(unknown), Some(&Value::Null), "{unknown}");
    }
}
