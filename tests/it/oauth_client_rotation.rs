//! A client's new secret: with the old one for a while, then by itself, and only for those who have the client's rights.

use std::time::Duration;

use credenza::principal::Scope;
use serde_json::json;

use crate::support::TestApp;
use crate::support::oauth::CLIENTS;

#[tokio::test]
async fn a_rotation_grants_no_scope_that_the_caller_lacks() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let all = caller.with_scopes(&Scope::ALL).await;
    let client = all.client_of(json!({"name": "resolver", "scopes": ["credentials:resolve"]})).await;
    let refused = caller.post(&format!("{CLIENTS}/{}/rotate", client.id), json!({})).await;
    refused.expect_error(403, "You cannot grant the scope credentials:resolve, because you lack it");
    assert!(app.knows(&client).await, "a refused rotation ends no secret");
    assert!(app.knows(&all.rotate_client(&client, 0).await).await);
}

#[tokio::test]
async fn both_secrets_work_in_the_overlap_of_a_rotation_and_then_only_the_new_one() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let old = caller.client().await;
    let token = app.token(&old).await;
    let new = caller.rotate_client(&old, 60).await;
    app.advance(Duration::from_secs(59));
    assert!(app.knows(&old).await && app.knows(&new).await);
    app.advance(Duration::from_secs(1));
    assert!(!app.knows(&old).await && app.knows(&new).await);
    // The client is the same, so its tokens go on.
    app.me(&token).await.expect(200);

    let newest = caller.rotate_client(&new, 0).await;
    assert!(!app.knows(&new).await && app.knows(&newest).await);
    let too_long = caller.post(&format!("{CLIENTS}/{}/rotate", old.id), json!({"overlap_seconds": 604_801})).await;
    too_long.expect_error(400, "overlap_seconds: must be at most 604800");
}

#[tokio::test]
async fn a_second_rotation_does_not_prolong_the_first_secret() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let first = caller.client().await;
    let second = caller.rotate_client(&first, 60).await;
    let third = caller.rotate_client(&first, 3600).await;
    app.advance(Duration::from_mins(1));
    assert!(!app.knows(&first).await && app.knows(&second).await && app.knows(&third).await);
}
