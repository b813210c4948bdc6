//! The values that a write stores: new ones, and those that it keeps. Nothing is cut, folded or normalised, and a half pair
//! is never stored.

use credenza::principal::Scope;
use serde_json::{Value, json};

use crate::support::{Answer, Caller, TestApp};

const BASE: &str = "/extra/v2/credentials";
const BASE_FIELDS: [&str; 4] = ["staging_username", "staging_password", "production_username", "production_password"];

/// A caller who can also see what was stored.
async fn caller(app: &TestApp) -> Caller<'_> {
    app.account("devs@platform.example").await.with_scopes(&Scope::ALL).await
}

async fn store(caller: &Caller<'_>, fields: Value) -> Answer {
    let mut body = json!({"supplier_code": "HIT"});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    caller.post(BASE, body).await
}

async fn store_service(caller: &Caller<'_>, fields: Value) -> Answer {
    let mut body = json!({"service": "INV", "environment": "PROD", "username": "user", "password": "pass"});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    caller.post(&format!("{BASE}/HIT/services"), body).await
}

/// The pair that a call of this environment uses.
async fn pair(caller: &Caller<'_>, environment: &str) -> (String, String) {
    let answer = caller.resolve("HIT", "INV", environment).await.expect(200);
    let text = |field: &str| answer[field].as_str().unwrap().to_owned();
    (text("username"), text("password"))
}

fn pair_of(username: &str, password: &str) -> (String, String) {
    (username.to_owned(), password.to_owned())
}

#[track_caller]
fn expect_wrong_field(answer: &Answer, field: &str, message: &str) {
    answer.expect_error(400, &format!("{field}: {message}"));
    assert_eq!(answer.json()["errors"], json!([{"field": field, "message": message}]));
}

#[tokio::test]
async fn a_body_of_only_a_supplier_code_makes_a_base_row_without_pairs() {
    let app = TestApp::start().await;
    let caller = caller(&app).await;
    let stored = store(&caller, json!({})).await.expect(201);
    assert_eq!(
        (&stored["has_staging_credentials"], &stored["has_production_credentials"]),
        (&json!(false), &json!(false))
    );
    store_service(&caller, json!({})).await.expect(201);
}

#[tokio::test]
async fn an_update_keeps_what_it_leaves_out_and_null_leaves_out() {
    let app = TestApp::start().await;
    let caller = caller(&app).await;
    store(&caller, json!({"staging_username": "su", "staging_password": "sp"})).await.expect(201);
    let both = store(&caller, json!({"production_username": "pu", "production_password": "pp"})).await.expect(201);
    assert_eq!((&both["has_staging_credentials"], &both["has_production_credentials"]), (&json!(true), &json!(true)));

    let nulls = BASE_FIELDS.map(|field| (field.to_owned(), Value::Null));
    store(&caller, Value::Object(nulls.into_iter().collect())).await.expect(201);
    store(&caller, json!({})).await.expect(201);
    assert_eq!(pair(&caller, "STAGING").await, pair_of("su", "sp"));
    assert_eq!(pair(&caller, "PROD").await, pair_of("pu", "pp"));

    store(&caller, json!({"staging_username": "su2", "staging_password": "sp2"})).await.expect(201);
    assert_eq!(pair(&caller, "STAGING").await, pair_of("su2", "sp2"));
    assert_eq!(pair(&caller, "PROD").await, pair_of("pu", "pp"));
}

#[tokio::test]
async fn half_a_pair_is_accepted_once_the_other_half_is_stored() {
    let app = TestApp::start().await;
    let caller = caller(&app).await;
    store(&caller, json!({"production_username": "old user", "production_password": "old pass"})).await.expect(201);
    store(&caller, json!({"production_password": "new pass"})).await.expect(201);
    assert_eq!(pair(&caller, "PROD").await, pair_of("old user", "new pass"));
    store(&caller, json!({"production_username": "new user"})).await.expect(201);
    assert_eq!(pair(&caller, "PROD").await, pair_of("new user", "new pass"));
}

#[tokio::test]
async fn half_a_pair_is_refused_while_the_other_half_is_not_stored() {
    let app = TestApp::start().await;
    let caller = caller(&app).await;
    let refused = async |fields: Value, missing: &str| {
        let answer = store(&caller, fields).await;
        answer.expect(400);
        assert_eq!(answer.json()["errors"][0]["field"], missing, "{answer:?}");
    };
    refused(json!({"staging_username": "u"}), "staging_password").await;
    refused(json!({"production_password": "p"}), "production_username").await;
    caller.get(&format!("{BASE}/HIT")).await.expect(404);

    // The other environment's half does not count, and the whole pair beside the half is not stored either.
    store(&caller, json!({"staging_username": "su", "staging_password": "sp"})).await.expect(201);
    refused(json!({"production_username": "u"}), "production_password").await;
    let mixed = json!({"staging_username": "su2", "staging_password": "sp2", "production_password": "p"});
    refused(mixed, "production_username").await;
    assert_eq!(pair(&caller, "STAGING").await, pair_of("su", "sp"));
}

#[tokio::test]
async fn service_credentials_are_replaced_whole() {
    let app = TestApp::start().await;
    let caller = caller(&app).await;
    store(&caller, json!({})).await.expect(201);
    store_service(&caller, json!({})).await.expect(201);
    store_service(&caller, json!({"username": "user 2", "password": "pass 2"})).await.expect(201);
    assert_eq!(pair(&caller, "PROD").await, pair_of("user 2", "pass 2"));
    for field in ["service", "environment", "username", "password"] {
        expect_wrong_field(&store_service(&caller, json!({field: null})).await, field, "is required");
    }
    assert_eq!(pair(&caller, "PROD").await, pair_of("user 2", "pass 2"));
}

#[tokio::test]
async fn a_wrong_service_or_environment_gets_the_contracts_sentence() {
    let app = TestApp::start().await;
    let caller = caller(&app).await;
    store(&caller, json!({})).await.expect(201);
    for environment in ["prod", "PRODUCTION", "staging", " PROD", ""] {
        let answer = store_service(&caller, json!({"environment": environment})).await;
        answer.expect_error(400, "Invalid environment (must be STAGING or PROD)");
    }
    for service in ["inv", "Inventory", "INVOICE", "PO ", ""] {
        store_service(&caller, json!({"service": service}))
            .await
            .expect_error(400, "Invalid service (must be one of Product, MED, INV, PPC, PO, OSN, OSTAT, Invoice)");
    }
}

#[tokio::test]
async fn every_field_refuses_emptiness_control_characters_and_more_than_255_code_points() {
    let app = TestApp::start().await;
    let caller = caller(&app).await;
    store(&caller, json!({})).await.expect(201);
    let control = "must not contain control characters";
    let wrong = [
        (String::new(), "must not be empty"),
        ("ß".repeat(256), "must be at most 255 characters long"),
        ("a\0b".to_owned(), control),
        ("line\n".to_owned(), control),
        ("\u{7f}".to_owned(), control),
        ("\u{85}".to_owned(), control),
    ];
    for (text, message) in &wrong {
        for field in BASE_FIELDS.into_iter().chain(["supplier_code"]) {
            let other = if field.ends_with("username") { "password" } else { "username" };
            let mut fields = json!({field: text});
            if let Some((environment, _)) = field.split_once('_').filter(|_| field != "supplier_code") {
                fields[format!("{environment}_{other}")] = json!("good");
            }
            expect_wrong_field(&store(&caller, fields).await, field, message);
        }
        for field in ["username", "password"] {
            expect_wrong_field(&store_service(&caller, json!({field: text})).await, field, message);
        }
    }
    caller.resolve("HIT", "INV", "PROD").await.expect(403);
}

#[tokio::test]
async fn every_wrong_field_is_named_in_one_answer() {
    let app = TestApp::start().await;
    let caller = caller(&app).await;
    let answer = caller.post(BASE, json!({"staging_username": "", "production_password": "\n"})).await;
    answer.expect(400);
    let fields: Vec<_> =
        answer.json()["errors"].as_array().unwrap().iter().map(|error| error["field"].clone()).collect();
    assert_eq!(fields, ["supplier_code", "staging_username", "production_password"]);
}

#[tokio::test]
async fn text_comes_back_as_it_was_sent() {
    let app = TestApp::start().await;
    let caller = caller(&app).await;
    let longest = "𝄞".repeat(255);
    // Blanks at the ends, both Unicode forms of one letter, bidirectional marks, quotes, a letter that folds to two.
    for text in [" blank ", "e\u{301}", "\u{e9}", "\u{202e}x", r#"'"\u0000\"#, "ẞ", "\u{feff}", "💥👩‍👩‍👧", &longest]
    {
        store(&caller, json!({"production_username": text, "production_password": text})).await.expect(201);
        assert_eq!(pair(&caller, "PROD").await, pair_of(text, text));
    }
    for text in [" blank ", "e\u{301}", &longest] {
        let stored = store_service(&caller, json!({"username": text, "password": text})).await.expect(201);
        assert_eq!(stored["username"], text);
        assert_eq!(pair(&caller, "PROD").await, pair_of(text, text));
    }
}

#[tokio::test]
async fn an_option_that_is_not_understood_is_refused_and_nothing_happens() {
    let app = TestApp::start().await;
    let caller = caller(&app).await;
    let option = "?dryrun=true";
    let body = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "p"});
    caller.post(&format!("{BASE}{option}"), body.clone()).await.expect(400);
    caller.get(&format!("{BASE}/HIT")).await.expect(404);

    caller.post(BASE, body).await.expect(201);
    store_service(&caller, json!({})).await.expect(201);
    let before = caller.get(BASE).await.expect(200);
    let service = json!({"service": "PO", "environment": "PROD", "username": "u", "password": "p"});
    caller.post(&format!("{BASE}/HIT/services{option}"), service).await.expect(400);
    caller.delete(&format!("{BASE}/HIT/services/INV/PROD{option}")).await.expect(400);
    caller.delete(&format!("{BASE}/HIT{option}")).await.expect(400);
    assert_eq!(caller.get(BASE).await.expect(200), before);
}
