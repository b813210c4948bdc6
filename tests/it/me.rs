//! `GET /me`: who the caller is to us.

use credenza::principal::Scope;

use crate::support::TestApp;

#[tokio::test]
async fn an_account_sees_itself_in_these_fields_and_this_order() {
    let app = TestApp::start().await;
    let caller =
        app.account("devs@platform.example").await.with_scopes(&[Scope::AuditRead, Scope::CredentialsRead]).await;
    let expected = format!(
        r#"{{"id":{},"name":"Account of devs@platform.example","plan":"enterprise","parent_id":null,"auth_method":"api_key","scopes":["audit:read","credentials:read"],"email":"devs@platform.example","user_id":null,"username":"devs@platform.example","first_name":null,"last_name":null}}"#,
        caller.account
    );
    caller.get("/me").await.expect_text(200, &expected);
    caller.get("/me/").await.expect_text(200, &expected);
}

#[tokio::test]
async fn a_sub_account_sees_its_parent_and_its_parents_plan() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let child = app.subaccount(&parent, "c-1").await.with_scopes(&[]).await;
    let expected = format!(
        r#"{{"id":{},"name":"Client c-1","plan":"enterprise","parent_id":{},"auth_method":"api_key","scopes":[],"email":"#,
        child.account, parent.account
    );
    let answer = child.get("/me").await;
    assert!(answer.body.starts_with(&expected), "{answer:?}");
}

#[tokio::test]
async fn a_token_sees_the_scopes_that_it_asked_for_and_its_client_still_has() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let client = caller.client_with("credentials:read credentials:write audit:read").await;
    let token = caller.bearing(&caller.token(&client, "credentials:read audit:read").await);
    let me = token.get("/me").await.expect(200);
    assert_eq!(me["auth_method"], "oauth2");
    assert_eq!(me["scopes"], serde_json::json!(["credentials:read", "audit:read"]));
    app.sql_authenticated("update oauth_clients set scopes = '{credentials:write,audit:read}'").await;
    app.feed_has_caught_up().await;
    assert_eq!(token.get("/me").await.expect(200)["scopes"], serde_json::json!(["audit:read"]));
}

#[tokio::test]
async fn unknown_parameters_and_methods_are_refused() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    caller.get("/me?verbose=true").await.expect(400);
    caller.post("/me", serde_json::json!({})).await.expect_error(405, "Method not allowed");
}
