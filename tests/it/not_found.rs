//! Missing things: each operation's own sentence, and the code that was perhaps meant.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::TestApp;

const BASE: &str = "/extra/v2/credentials";

/// Every operation that names a supplier, asked about one.
fn operations(code: &str) -> Vec<(Method, String, Option<Value>, &'static str)> {
    let service = json!({"service": "INV", "environment": "PROD", "username": "u", "password": "p"});
    vec![
        (Method::GET, format!("{BASE}/{code}"), None, "Credentials not found"),
        (Method::DELETE, format!("{BASE}/{code}"), None, "Credentials not found"),
        (Method::GET, format!("{BASE}/{code}/audit"), None, "Credentials not found"),
        (Method::POST, format!("{BASE}/{code}/services"), Some(service), "Parent credentials must exist first"),
        (Method::DELETE, format!("{BASE}/{code}/services/INV/PROD"), None, "Service credential not found"),
    ]
}

#[tokio::test]
async fn each_404_names_the_missing_thing() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    // One that is in the directory without credentials, and one that is in no directory.
    for code in ["HIT", "Nobody"] {
        for (method, path, body, detail) in operations(code) {
            let answer = caller.send(method, &path, body).await;
            answer.expect_text(404, &json!({"detail": detail}).to_string());
        }
    }
    caller.post(BASE, json!({"supplier_code": "Nobody"})).await.expect_text(404, r#"{"detail":"Supplier not found"}"#);
}

#[tokio::test]
async fn a_code_in_other_case_or_one_edit_away_is_hinted_at() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    for (wrong, meant) in
        [("hit", "HIT"), ("SANMAR", "SanMar"), ("SanMr", "SanMar"), ("PCNAA", "PCNA"), ("PNCA", "PCNA")]
    {
        caller
            .post(BASE, json!({"supplier_code": wrong}))
            .await
            .expect_text(404, &format!(r#"{{"detail":"Supplier not found","hint":"{meant}"}}"#));
        for (method, path, body, detail) in operations(wrong) {
            let answer = caller.send(method, &path, body).await;
            answer.expect_text(404, &format!(r#"{{"detail":"{detail}","hint":"{meant}"}}"#));
        }
    }
}

#[tokio::test]
async fn hints_come_from_the_directory_and_reveal_nothing_of_accounts() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let stranger = app.account("stranger@elsewhere.example").await;
    let hint = async |path: &str| stranger.get(path).await.expect(404)["hint"].clone();
    let before = hint("/extra/v2/credentials/hit").await;
    caller.post(BASE, json!({"supplier_code": "HIT"})).await.expect(201);
    assert_eq!(hint("/extra/v2/credentials/hit").await, before);
    // The exact code needs no hint, whether somebody has credentials for it or not.
    assert_eq!(hint("/extra/v2/credentials/HIT").await, Value::Null);
}

#[tokio::test]
async fn a_service_or_environment_that_cannot_be_is_not_there_to_delete() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    caller.post(BASE, json!({"supplier_code": "HIT"})).await.expect(201);
    for path in ["inv/PROD", "XYZ/PROD", "INV/prod", "INV/PRODUCTION", "INV/STAGING"] {
        let answer = caller.delete(&format!("{BASE}/HIT/services/{path}")).await;
        answer.expect_text(404, r#"{"detail":"Service credential not found"}"#);
    }
}

#[tokio::test]
async fn a_code_that_no_supplier_can_have_is_nobodys_in_a_path() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    for code in ["a".repeat(256), "%C3%9F".repeat(256), "%00".to_owned(), "HIT%00".to_owned(), "HIT%0A".to_owned()] {
        for (method, path, body, detail) in operations(&code) {
            caller.send(method, &path, body).await.expect_error(404, detail);
        }
    }
}
