//! How a caller may present a key: in its own header, in the reseller's form, or with a token of the same account.

use axum::http::Method;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use credenza::api_key::Kind;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Answer, Caller, TestApp};

const KEYS: &str = "/extra/v2/api-keys";

#[track_caller]
fn expect_bad_key(answer: &Answer) {
    answer.expect_text(403, r#"{"detail":"Invalid API key"}"#);
}

/// A caller who presents nothing but this in `Authorization`.
fn with_authorization<'a>(app: &'a TestApp, header: &str) -> Caller<'a> {
    app.nobody().with_header("authorization", header)
}

#[tokio::test]
async fn the_resellers_form_works_with_and_without_its_word_in_any_case() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let (id, key) = caller.make_key(KEYS, json!({})).await;
    let encoded = BASE64_STANDARD.encode(format!("{id}:{key}"));
    for header in [
        encoded.clone(),
        format!("Basic {encoded}"),
        format!("basic {encoded}"),
        format!("BASIC {encoded}"),
        format!("bAsIc   {encoded} "),
    ] {
        let me = with_authorization(&app, &header).get("/me").await.expect(200);
        assert_eq!((&me["id"], &me["auth_method"]), (&json!(caller.account), &json!("api_key")), "{header}");
    }
    let upper = BASE64_STANDARD.encode(format!("{}:{key}", id.to_string().to_uppercase()));
    with_authorization(&app, &upper).get("/me").await.expect(200);
}

#[tokio::test]
async fn a_resellers_form_that_is_not_quite_right_is_refused() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let (id, key) = caller.make_key(KEYS, json!({})).await;
    let (other_id, _) = caller.make_key(KEYS, json!({})).await;
    let encode = |text: String| BASE64_STANDARD.encode(text);
    let good = encode(format!("{id}:{key}"));
    for header in [
        encode(format!("{other_id}:{key}")),
        encode(format!("{}:{key}", Uuid::nil())),
        encode(format!("{}:{key}", caller.account)),
        // The misprint of the reseller document's example.
        encode(format!("{id}: {key}")),
        encode(format!("{id}{key}")),
        encode(format!("{key}:{id}")),
        encode(format!(":{key}")),
        encode(format!("{id}:")),
        format!("{id}:{key}"),
        good[1..].to_owned(),
        format!("Basic{good}"),
        format!("Token {good}"),
        "Basic".to_owned(),
        key.clone(),
    ] {
        expect_bad_key(&with_authorization(&app, &header).get("/me").await);
    }
    caller.get("/me").await.expect(200);
}

#[tokio::test]
async fn a_revoked_key_is_refused_in_the_resellers_form_too() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let (id, key) = caller.make_key(KEYS, json!({})).await;
    let reseller = app.nobody().with_reseller_key(id, &key);
    reseller.get("/me").await.expect(200);
    caller.delete(&format!("{KEYS}/{id}")).await.expect(204);
    expect_bad_key(&reseller.get("/me").await);
    let (id, public) = caller.make_key(KEYS, json!({"public": true})).await;
    let refusal = "Public API keys are not supported for this endpoint";
    app.nobody().with_reseller_key(id, &public).get("/me").await.expect_error(403, refusal);
}

#[tokio::test]
async fn two_headers_with_a_key_are_refused() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let token = caller.token(&caller.client_with("credentials:read").await, "").await;
    let bearer = format!("Bearer {token}");
    let twice = with_authorization(&app, &bearer).with_header("authorization", &bearer);
    twice.get("/me").await.expect_error(403, "Invalid access token");
    expect_bad_key(&caller.with_header("x-api-key", &caller.key.clone().unwrap()).get("/me").await);
}

#[tokio::test]
async fn a_key_in_the_header_and_another_in_the_query_are_one_too_many() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    app.sql_authenticated("update accounts set allowed_origins = '{https://shop.example}'").await;
    app.feed_has_caught_up().await;
    let page = caller.with_header("origin", "https://shop.example");
    let public = app.key(caller.account, Kind::Public, &[], false).await;
    let in_query = format!("/extra/v2/service-codes?pub_api_key={public}");
    app.nobody().with_header("origin", "https://shop.example").get(&in_query).await.expect(200);
    page.with_key(&public).get("/extra/v2/service-codes").await.expect(200);
    expect_bad_key(&page.get(&in_query).await);
    expect_bad_key(&page.with_key(&public).get(&in_query).await);
}

#[tokio::test]
async fn a_key_with_a_token_must_be_of_the_same_account() {
    let app = TestApp::start().await;
    let (a, b) = (app.account("a@platform.example").await, app.account("b@platform.example").await);
    let client = a.client_with("credentials:read").await;
    let bearer = format!("Bearer {}", a.token(&client, "").await);
    let me = a.with_header("authorization", &bearer).get("/me").await.expect(200);
    // The key comes first, so the rights are the key's.
    assert_eq!(me["auth_method"], "api_key");
    let two = "The credentials of the request name two accounts";
    b.with_header("authorization", &bearer).get("/me").await.expect_error(403, two);
    let (id, key) = b.make_key(KEYS, json!({})).await;
    a.with_reseller_key(id, &key).get("/me").await.expect_error(403, two);
    // A good key does not make up for a bad token, nor the other way round.
    a.with_header("authorization", "Bearer nonsense").get("/me").await.expect_error(403, "Invalid access token");
    expect_bad_key(&app.nobody().with_key("czs_nonsense").with_header("authorization", &bearer).get("/me").await);
}

#[tokio::test]
async fn an_empty_bearer_with_a_key_is_ignored() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    for empty in ["Bearer", "Bearer ", "bearer   ", ""] {
        caller.with_header("authorization", empty).get("/me").await.expect(200);
        with_authorization(&app, empty).get("/me").await.expect_error(403, "Not authenticated");
    }
    let body = Some(json!({"supplier_code": "HIT"}));
    let writes = caller.with_header("authorization", "Bearer ").send(Method::POST, "/extra/v2/credentials", body).await;
    writes.expect(201);
}
