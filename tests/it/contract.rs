//! The contract, as its public document words it: the six operations, every example request of the document, statuses and
//! bodies to the letter.

use serde_json::{Value, json};

use crate::support::{Caller, TestApp};

const BASE: &str = "/extra/v2/credentials";

async fn store(caller: &Caller<'_>, supplier: &str) {
    caller.post(BASE, json!({"supplier_code": supplier})).await.expect(201);
}

async fn store_service(caller: &Caller<'_>, supplier: &str, service: &str, environment: &str) -> Value {
    let body = json!({"service": service, "environment": environment, "username": "user", "password": "pass"});
    caller.post(&format!("{BASE}/{supplier}/services"), body).await.expect(201)
}

/// The (service, environment) pairs of an answer, in its order.
fn listed(answer: &Value) -> Vec<(&str, &str)> {
    let services = answer["service_credentials"].as_array().unwrap();
    services.iter().map(|row| (row["service"].as_str().unwrap(), row["environment"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn the_documents_complete_walk() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;

    caller
        .post(
            BASE,
            json!({"supplier_code": "HIT", "production_username": "your_prod_user", "production_password": "your_prod_pass"}),
        )
        .await
        .expect_text(
            201,
            r#"{"supplier_code":"HIT","supplier_name":"Hit Promotional Products","has_staging_credentials":false,"has_production_credentials":true,"service_credentials":[]}"#,
        );
    caller
        .post(
            &format!("{BASE}/HIT/services"),
            json!({"service": "INV", "environment": "PROD", "username": "hit_inv_user", "password": "hit_inv_pass"}),
        )
        .await
        .expect_text(201, r#"{"service":"INV","environment":"PROD","username":"hit_inv_user"}"#);
    caller.get(&format!("{BASE}/HIT")).await.expect_text(
        200,
        r#"{"supplier_code":"HIT","supplier_name":"Hit Promotional Products","has_staging_credentials":false,"has_production_credentials":true,"service_credentials":[{"service":"INV","environment":"PROD","username":"hit_inv_user"}]}"#,
    );
}

#[tokio::test]
async fn the_documents_other_examples() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    caller.get(BASE).await.expect_text(200, r#"{"count":0,"results":[]}"#);

    let sanmar = json!({
        "supplier_code": "SanMar",
        "staging_username": "my_staging_user",
        "staging_password": "my_staging_pass",
        "production_username": "my_prod_user",
        "production_password": "my_prod_pass"
    });
    caller.post(BASE, sanmar).await.expect_text(
        201,
        r#"{"supplier_code":"SanMar","supplier_name":"SanMar","has_staging_credentials":true,"has_production_credentials":true,"service_credentials":[]}"#,
    );
    let service = json!({"service": "INV", "environment": "PROD", "username": "inventory_specific_user", "password": "inventory_specific_pass"});
    caller
        .post(&format!("{BASE}/SanMar/services"), service)
        .await
        .expect_text(201, r#"{"service":"INV","environment":"PROD","username":"inventory_specific_user"}"#);
    let pcna = json!({"supplier_code": "PCNA", "production_username": "u", "production_password": "p"});
    caller.post(BASE, pcna).await.expect(201);

    caller.get(BASE).await.expect_text(
        200,
        concat!(
            r#"{"count":2,"results":["#,
            r#"{"supplier_code":"PCNA","supplier_name":"PCNA","has_staging_credentials":false,"has_production_credentials":true,"service_credentials":[]},"#,
            r#"{"supplier_code":"SanMar","supplier_name":"SanMar","has_staging_credentials":true,"has_production_credentials":true,"service_credentials":[{"service":"INV","environment":"PROD","username":"inventory_specific_user"}]}"#,
            "]}"
        ),
    );
    caller.delete(&format!("{BASE}/SanMar/services/INV/PROD")).await.expect_text(204, "");
    caller.delete(&format!("{BASE}/SanMar")).await.expect_text(204, "");
}

#[tokio::test]
async fn the_list_equals_the_read_of_each_supplier() {
    let app = TestApp::start().await;
    let (caller, other) = (app.account("devs@platform.example").await, app.account("devs@other.example").await);
    let whole = json!({"supplier_code": "SanMar", "staging_username": "u", "staging_password": "p"});
    caller.post(BASE, whole).await.expect(201);
    caller.post(BASE, json!({"supplier_code": "PCNA"})).await.expect(201);
    other.post(BASE, json!({"supplier_code": "HIT"})).await.expect(201);
    store(&caller, "HIT").await;
    for (service, environment) in [("PO", "STAGING"), ("Product", "STAGING"), ("PO", "PROD"), ("Invoice", "PROD")] {
        let username = format!("{service} {environment} \"\u{e9}\"");
        let body = json!({"service": service, "environment": environment, "username": username, "password": "p"});
        for supplier in ["HIT", "SanMar"] {
            caller.post(&format!("{BASE}/{supplier}/services"), body.clone()).await.expect(201);
        }
    }
    let mut each = Vec::new();
    for supplier in ["HIT", "PCNA", "SanMar"] {
        each.push(caller.get(&format!("{BASE}/{supplier}")).await.expect(200));
    }
    let in_order = [("Product", "STAGING"), ("PO", "PROD"), ("PO", "STAGING"), ("Invoice", "PROD")];
    assert_eq!(listed(&each[2]), in_order);
    assert_eq!(caller.get(BASE).await.expect(200), json!({"count": 3, "results": each}));
}

#[tokio::test]
async fn the_audit_fields_of_a_supplier() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    store(&caller, "HIT").await;
    store_service(&caller, "HIT", "INV", "PROD").await;
    caller.get(&format!("{BASE}/HIT/audit")).await.expect_text(
        200,
        concat!(
            r#"{"supplier_code":"HIT","created_at":"2026-01-02T03:04:05Z","created_by":"devs@platform.example","modified_on":"2026-01-02T03:04:05Z","modified_by":"devs@platform.example","#,
            r#""service_credentials":[{"service":"INV","environment":"PROD","created_at":"2026-01-02T03:04:05Z","created_by":"devs@platform.example","modified_on":"2026-01-02T03:04:05Z","modified_by":"devs@platform.example"}]}"#,
        ),
    );
}

#[tokio::test]
async fn suppliers_are_listed_by_code_byte_by_byte() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    for supplier in ["snugz", "alphabroder", "SanMarCA", "SS", "HIT", "SanMar"] {
        store(&caller, supplier).await;
    }
    let listing = caller.get(BASE).await.expect(200);
    let codes: Vec<_> = listing["results"].as_array().unwrap().iter().map(|row| row["supplier_code"].clone()).collect();
    assert_eq!(codes, ["HIT", "SS", "SanMar", "SanMarCA", "alphabroder", "snugz"]);
    assert_eq!(listing["count"], 6);
}

#[tokio::test]
async fn services_are_listed_in_the_documents_order_and_production_comes_first() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    store(&caller, "HIT").await;
    let in_order = ["Product", "MED", "INV", "PPC", "PO", "OSN", "OSTAT", "Invoice"]
        .into_iter()
        .flat_map(|service| [(service, "PROD"), (service, "STAGING")]);
    let in_order: Vec<_> = in_order.collect();
    for (service, environment) in in_order.iter().rev() {
        store_service(&caller, "HIT", service, environment).await;
    }
    assert_eq!(listed(&caller.get(&format!("{BASE}/HIT")).await.expect(200)), in_order);
    assert_eq!(listed(&caller.get(BASE).await.expect(200)["results"][0]), in_order);
    assert_eq!(listed(&caller.get(&format!("{BASE}/HIT/audit")).await.expect(200)), in_order);
    assert_eq!(listed(&caller.post(BASE, json!({"supplier_code": "HIT"})).await.expect(201)), in_order);
}

#[tokio::test]
async fn promostandards_spellings_are_read_everywhere_and_written_nowhere() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await.with_scopes(&credenza::principal::Scope::ALL).await;
    store(&caller, "HIT").await;
    for (alias, service) in [("ODRSTAT", "OSTAT"), ("INVC", "Invoice")] {
        assert_eq!(store_service(&caller, "HIT", alias, "PROD").await["service"], service);
        // The same row under its other name.
        assert_eq!(store_service(&caller, "HIT", service, "PROD").await["service"], service);
        assert_eq!(listed(&caller.get(&format!("{BASE}/HIT")).await.expect(200)), [(service, "PROD")]);

        let resolution = format!("{BASE}/HIT/resolution?service={alias}&environment=PROD");
        assert_eq!(caller.get(&resolution).await.expect(200)["service"], service);
        assert_eq!(caller.resolve("HIT", alias, "PROD").await.expect(200)["service"], service);

        caller.delete(&format!("{BASE}/HIT/services/{alias}/PROD")).await.expect_text(204, "");
        assert!(listed(&caller.get(&format!("{BASE}/HIT")).await.expect(200)).is_empty());
    }
}

#[tokio::test]
async fn deleting_base_credentials_deletes_their_services_and_nothing_else() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    for supplier in ["HIT", "PCNA"] {
        store(&caller, supplier).await;
        store_service(&caller, supplier, "INV", "PROD").await;
        store_service(&caller, supplier, "PO", "STAGING").await;
    }
    caller.delete(&format!("{BASE}/HIT")).await.expect_text(204, "");
    caller.delete(&format!("{BASE}/HIT")).await.expect_error(404, "Credentials not found");
    caller.delete(&format!("{BASE}/HIT/services/INV/PROD")).await.expect_error(404, "Service credential not found");

    let kept = caller.get(BASE).await.expect(200);
    assert_eq!(kept["count"], 1);
    assert_eq!(listed(&kept["results"][0]), [("INV", "PROD"), ("PO", "STAGING")]);
    // For good: base credentials that are made anew have no services.
    store(&caller, "HIT").await;
    assert!(listed(&caller.get(&format!("{BASE}/HIT")).await.expect(200)).is_empty());
}

#[tokio::test]
async fn deleting_service_credentials_deletes_only_that_pair() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    store(&caller, "HIT").await;
    for (service, environment) in [("INV", "PROD"), ("INV", "STAGING"), ("PPC", "PROD")] {
        store_service(&caller, "HIT", service, environment).await;
    }
    caller.delete(&format!("{BASE}/HIT/services/INV/PROD")).await.expect_text(204, "");
    let left = caller.get(&format!("{BASE}/HIT")).await.expect(200);
    assert_eq!(listed(&left), [("INV", "STAGING"), ("PPC", "PROD")]);
}
