//! `X-Account-Id`: a parent acts for its sub-account, on the credentials paths and nowhere else, and nobody acts for anybody
//! else.

use std::collections::BTreeSet;

use axum::http::{HeaderValue, Method};
use credenza::http::Listener;
use credenza::principal::Scope;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::openapi;
use crate::support::operations::{self, Target};

const BASE: &str = "/extra/v2/credentials";
const NOT_THEIRS: &str = r#"{"detail":"You may not act for this account"}"#;

fn base() -> Value {
    json!({"supplier_code": "HIT", "production_username": "u", "production_password": "p"})
}

fn service() -> Value {
    json!({"service": "INV", "environment": "PROD", "username": "u", "password": "p"})
}

#[tokio::test]
async fn a_parent_can_do_for_its_sub_account_all_that_it_can_itself() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let child = app.subaccount(&parent, "c-1").await;
    let acting = parent.acting_for(child.account);
    acting.post(BASE, base()).await.expect(201);
    acting.post(&format!("{BASE}/HIT/services"), service()).await.expect(201);
    for path in ["", "/HIT", "/HIT/audit", "/HIT/resolution"] {
        let path = format!("{BASE}{path}");
        let seen = acting.get(&path).await;
        seen.expect(200);
        assert_eq!(seen.body, child.get(&path).await.body);
    }
    assert_eq!(acting.get(&format!("{BASE}/HIT/audit")).await.expect(200)["created_by"], "devs@platform.example");
    parent.get(BASE).await.expect_text(200, r#"{"count":0,"results":[]}"#);
    acting.delete(&format!("{BASE}/HIT/services/INV/PROD")).await.expect(204);
    acting.delete(&format!("{BASE}/HIT")).await.expect(204);
    child.get(BASE).await.expect_text(200, r#"{"count":0,"results":[]}"#);
}

#[tokio::test]
async fn the_audit_names_the_actor_and_the_account() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let child = app.subaccount(&parent, "c-1").await;
    let (acting, own) = (parent.acting_for(child.account), child.acting_for(child.account));
    acting.post(BASE, base()).await.expect(201);
    acting.post(&format!("{BASE}/HIT/services"), service()).await.expect(201);
    own.post(&format!("{BASE}/HIT/services"), service()).await.expect(201);
    acting.delete(&format!("{BASE}/HIT")).await.expect(204);
    let query =
        "select action, account_id, acting_account_id from audit_events where supplier_code = 'HIT' order by sequence";
    let events: Vec<_> = app
        .rows(query)
        .await
        .iter()
        .map(|event| {
            assert_eq!(event["account_id"], json!(child.account));
            let who = if event["acting_account_id"] == json!(parent.account) { "parent" } else { "itself" };
            format!("{} by {who}", event["action"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        events[..3],
        [
            "credentials.created by parent",
            "service_credentials.created by parent",
            "service_credentials.updated by itself",
        ]
    );
    assert!(events[3..].iter().all(|event| event.ends_with("deleted by parent")) && events.len() == 5, "{events:?}");
}

#[tokio::test]
async fn anything_but_ones_own_or_a_sub_account_is_refused_in_the_same_words() {
    let app = TestApp::start().await;
    let (parent, stranger) = (app.account("devs@platform.example").await, app.account("other@elsewhere.example").await);
    let child = app.subaccount(&parent, "c-1").await;
    let foreign = app.subaccount(&stranger, "c-1").await;
    let id = child.account.to_string();
    let (stranger, foreign) = (stranger.account.to_string(), foreign.account.to_string());
    let odd = [format!("{id} "), format!("+{id}"), format!("{id},{id}"), format!("{id}.0"), format!("\"{id}\"")];
    let odd = odd.iter().map(String::as_str);
    for named in ["", "0", "-1", "4711", "99999999999999999999", "nonsense", &stranger, &foreign].into_iter().chain(odd)
    {
        let answer = parent.with_header("x-account-id", named).get(BASE).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (403, NOT_THEIRS), "{named:?}");
    }
    parent.acting_for(child.account).acting_for(child.account).get(BASE).await.expect_text(403, NOT_THEIRS);
    parent.acting_for(child.account).acting_for(parent.account).get(BASE).await.expect_text(403, NOT_THEIRS);
    let mut request = parent.request(Method::GET, BASE, None);
    request.headers_mut().insert("x-account-id", HeaderValue::from_bytes(b"\xff").unwrap());
    app.send(request).await.expect_text(403, NOT_THEIRS);

    parent.acting_for(parent.account).get(BASE).await.expect(200);
    parent.acting_for(child.account).get(BASE).await.expect(200);
}

#[tokio::test]
async fn nothing_resolves_upward_and_nothing_is_inherited() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let (child, sibling) = (app.subaccount(&parent, "c-1").await, app.subaccount(&parent, "c-2").await);
    parent.post(BASE, base()).await.expect(201);
    sibling.post(BASE, base()).await.expect(201);
    for other in [&parent, &sibling] {
        child.acting_for(other.account).get(BASE).await.expect_text(403, NOT_THEIRS);
        child.acting_for(other.account).delete(&format!("{BASE}/HIT")).await.expect_text(403, NOT_THEIRS);
    }
    for caller in [&child, &parent.acting_for(child.account)] {
        caller.get(&format!("{BASE}/HIT")).await.expect_error(404, "Credentials not found");
        let parentless = caller.post(&format!("{BASE}/HIT/services"), service()).await;
        parentless.expect_error(404, "Parent credentials must exist first");
    }
    child.with_scopes(&[Scope::CredentialsResolve]).await.resolve("HIT", "INV", "PROD").await.expect(403);
}

#[tokio::test]
async fn a_key_carries_its_own_scopes_and_no_more_when_it_acts() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let child = app.subaccount(&parent, "c-1").await;
    let reader = parent.with_scopes(&[Scope::CredentialsRead]).await.acting_for(child.account);
    reader.get(BASE).await.expect(200);
    reader.post(BASE, base()).await.expect_error(403, "The scope credentials:write is required");
    // A token acts like a key.
    let client = parent.client_with("credentials:read").await;
    let by_token = parent.bearing(&parent.token(&client, "").await).acting_for(child.account);
    by_token.get(BASE).await.expect(200);
    by_token.post(BASE, base()).await.expect_error(403, "The scope credentials:write is required");
}

#[tokio::test]
async fn the_link_is_looked_at_each_time() {
    let app = TestApp::start().await;
    let (parent, other) = (app.account("devs@platform.example").await, app.account("other@platform.example").await);
    let child = app.subaccount(&parent, "c-1").await;
    let (by_parent, by_other) = (parent.acting_for(child.account), other.acting_for(child.account));
    by_parent.get(BASE).await.expect(200);
    by_other.get(BASE).await.expect(403);
    app.sql_authenticated(&format!("update accounts set parent_id = {} where id = {}", other.account, child.account))
        .await;
    app.feed_has_caught_up().await;
    by_parent.get(BASE).await.expect_text(403, NOT_THEIRS);
    by_other.get(BASE).await.expect(200);
}

/// The operations whose document names `X-Account-Id`, by method and path.
fn documented_for_others() -> BTreeSet<(String, String)> {
    let documents = [openapi::document(Listener::Public), openapi::document(Listener::Internal)];
    let names_the_header = |operation: &Value| {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        parameters.map(|parameter| &parameter["name"]).any(|name| name == "X-Account-Id")
    };
    let operations = documents.iter().flat_map(openapi::operations);
    operations
        .filter(|(_, _, operation)| names_the_header(operation))
        .map(|(path, method, _)| (method.to_uppercase(), path.to_owned()))
        .collect()
}

/// An operation that takes the header without its document naming it, or the other way round, has forgotten its `params`.
#[tokio::test]
async fn an_operation_acts_for_a_sub_account_exactly_if_its_document_names_the_header() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await.with_scopes(&Scope::ALL).await;
    let child = app.subaccount(&parent, "c-1").await;
    let mut acting = BTreeSet::new();
    let mut refused = 0;
    for operation in operations::all() {
        let path = operation.path(&Target::nothing());
        let body = || operation.has_body().then(|| json!({}));
        if app.nobody().send(operation.method.clone(), &path, body()).await.status != 403 {
            continue; // It asks nobody who they are.
        }
        for account in [child.account, parent.account] {
            let answer = parent.acting_for(account).send(operation.method.clone(), &path, body()).await;
            if answer.status == 403 {
                answer.expect_error(403, "X-Account-Id is not supported for this endpoint");
                refused += 1;
            } else {
                acting.insert((operation.method.to_string(), operation.route.to_owned()));
            }
        }
    }
    assert_eq!(acting, documented_for_others());
    assert!(refused > 40 && acting.len() > 8, "{refused} {acting:?}");
}
