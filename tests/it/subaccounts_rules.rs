//! The accounts that may have sub-accounts, what becomes of one that is deleted, and the keys that a parent makes for it.

use std::sync::Arc;

use credenza::accounts::subaccounts::{self, NewSubAccount};
use credenza::principal::{Actor, AuthMethod, Grounds, Limits, Principal, Scope};
use credenza::types::AccountId;
use credenza::work::Work;
use serde_json::{Value, json};

use crate::support::app::name;
use crate::support::operations::{self, Target};
use crate::support::subaccounts::SUBACCOUNTS;
use crate::support::{Caller, TestApp};

const CREDENTIALS: &str = "/extra/v2/credentials";
const INACTIVE: &str = "Account is inactive";
const NOT_ENABLED: &str = "Sub-accounts are not enabled for this account";

/// The parent tries every operation on sub-accounts, and each is refused.
async fn expect_none_allowed(caller: &Caller<'_>) {
    for operation in operations::all().into_iter().filter(|operation| operation.route.starts_with(SUBACCOUNTS)) {
        let body = operation.has_body().then(|| json!({}));
        let answer = caller.send(operation.method.clone(), &operation.path(&Target::nothing()), body).await;
        answer.expect_error(403, NOT_ENABLED);
    }
}

/// The audit events of an account from a moment on: what was done, and by whose key.
async fn events(app: &TestApp, account: AccountId) -> Vec<Value> {
    let query =
        format!("select action, acting_account_id from audit_events where account_id = {account} order by sequence");
    app.rows(&query).await.iter().map(|event| json!([event["action"], event["acting_account_id"]])).collect()
}

#[tokio::test]
async fn only_enterprise_accounts_with_sub_accounts_enabled_have_any() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    parent.get(SUBACCOUNTS).await.expect(200);
    for change in ["subaccounts_enabled = false", "plan = 'standard', subaccounts_enabled = false"] {
        app.sql_authenticated(&format!("update accounts set {change} where id = {}", parent.account)).await;
        app.feed_has_caught_up().await;
        expect_none_allowed(&parent).await;
    }
}

#[tokio::test]
async fn a_sub_account_never_has_sub_accounts() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let child = app.subaccount(&parent, "c-1").await;
    expect_none_allowed(&child).await;
    app.sql_authenticated(&format!(
        "update accounts set plan = 'enterprise', subaccounts_enabled = true where id = {}",
        child.account
    ))
    .await;
    app.feed_has_caught_up().await;
    expect_none_allowed(&child).await;
    // Nor does a parent make one below it.
    parent.acting_for(child.account).get(SUBACCOUNTS).await.expect(403);
}

#[tokio::test]
async fn a_deleted_sub_account_stops_at_once_and_comes_back_as_it_was() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let child = app.subaccount(&parent, "c-1").await;
    let client = child.client_with("credentials:read").await;
    let by_token = child.bearing(&child.token(&client, "").await);
    let base = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "p"});
    child.post(CREDENTIALS, base).await.expect(201);
    let stored = child.get(CREDENTIALS).await.body;
    let path = format!("{SUBACCOUNTS}/{}", child.account);

    for deleted in [parent.delete(&path).await, parent.delete(&path).await] {
        deleted.expect_text(204, "");
    }
    assert_eq!(parent.get(&path).await.expect(200)["is_active"], false);
    for caller in [&child, &by_token, &parent.acting_for(child.account)] {
        caller.get(CREDENTIALS).await.expect_error(403, INACTIVE);
    }
    child.get("/me").await.expect_error(403, INACTIVE);
    child.get("/extra/v2/suppliers").await.expect_error(403, INACTIVE);
    assert_eq!(
        app.rows(&format!("select * from supplier_credentials where account_id = {}", child.account)).await.len(),
        1
    );
    // Its parent itself goes on.
    parent.get(CREDENTIALS).await.expect(200);

    parent.patch(&path, json!({"is_active": true})).await.expect(200);
    for caller in [&child, &by_token, &parent.acting_for(child.account)] {
        caller.get(CREDENTIALS).await.expect_text(200, &stored);
    }
    let (by, who) = (json!(parent.account), child.account);
    let events = events(&app, who).await;
    assert_eq!(events[..2], [json!(["account.created", by]), json!(["user.created", by])]);
    assert_eq!(events[events.len() - 1], json!(["account.activated", by]));
    assert!(events.contains(&json!(["account.deactivated", by])), "{events:?}");
}

#[tokio::test]
async fn a_deleted_sub_account_gets_no_passwords_and_no_tokens() {
    let app = TestApp::start().await;
    let parent = app.account_that_resolves("devs@platform.example").await;
    let manager = parent.with_scopes(&Scope::DEFAULT).await;
    let child = app.subaccount(&manager, "c-1").await;
    let resolver = child.with_scopes(&[Scope::CredentialsResolve]).await;
    let base = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "p"});
    child.post(CREDENTIALS, base).await.expect(201);
    let as_parent = parent.about(child.account);
    for caller in [&resolver, &as_parent] {
        caller.resolve("HIT", "INV", "PROD").await.expect(200);
    }
    manager.delete(&format!("{SUBACCOUNTS}/{}", child.account)).await.expect(204);
    for caller in [&resolver, &as_parent] {
        caller.resolve("HIT", "INV", "PROD").await.expect_error(403, INACTIVE);
    }
}

#[tokio::test]
async fn an_outside_token_without_an_email_makes_sub_accounts_too() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await.account;
    for subject in ["7", "auth|4711", &"x".repeat(300)] {
        let principal = Principal {
            method: AuthMethod::OutsideIssuer,
            account: parent,
            acting_account: parent,
            user_email: subject.to_owned(),
            key_id: None,
            scopes: vec![Scope::SubaccountsManage],
            is_operator: false,
            grounds: Grounds::OutsideToken { exp: i64::MAX, owner: "".into() },
            limits: Limits::default(),
        };
        let actor = Actor { principal: Some(Arc::new(principal)), ..Actor::default() };
        let new = NewSubAccount {
            name: name("A client"),
            external_customer_id: name(&subject[..1]),
            organization_contact_email: None,
            account_notes: None,
        };
        let create = async |work: &mut Work<'_>| subaccounts::create(work, &new).await;
        let made = Work::carry_out(&app.app, &actor, parent, create).await.unwrap();
        let users = app.rows(&format!("select email from users where account_id = {}", made.id)).await;
        assert_eq!(users, [json!({"email": "devs@platform.example"})]);
    }
}

#[tokio::test]
async fn an_inactive_parent_is_refused_with_all_its_sub_accounts_everywhere() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await.with_scopes(&Scope::ALL).await;
    let child = app.subaccount(&parent, "c-1").await.with_scopes(&Scope::ALL).await;
    let client = child.client_with("credentials:read").await;
    let by_token = child.bearing(&child.token(&client, "").await);
    app.deactivate(parent.account).await;
    for operation in operations::all() {
        let path = operation.path(&Target::nothing());
        let body = || operation.has_body().then(|| json!({}));
        if app.nobody().send(operation.method.clone(), &path, body()).await.status != 403 {
            continue; // It asks nobody who they are.
        }
        for caller in [&parent, &child, &by_token] {
            caller.send(operation.method.clone(), &path, body()).await.expect_error(403, INACTIVE);
        }
    }
}

#[tokio::test]
async fn a_parent_makes_lists_and_revokes_keys_of_its_sub_account() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let body =
        json!({"name": "A", "external_customer_id": "c-1", "organization_contact_email": "office@client.example"});
    let id = parent.post(SUBACCOUNTS, body).await.expect(201)["id"].clone();
    let path = format!("{SUBACCOUNTS}/{id}/api-keys");
    parent.get(&path).await.expect_text(200, r#"{"count":0,"results":[]}"#);

    let (key_id, key) = parent.make_key(&path, json!({"public": false, "name": "theirs"})).await;
    let listed = parent.get(&path).await;
    assert!(!listed.body.contains(&key));
    let listed = listed.expect(200)["results"][0].clone();
    assert_eq!((&listed["id"], &listed["name"]), (&json!(key_id), &json!("theirs")));
    assert_eq!(listed["created_by"], "office@client.example");
    assert!(!parent.get("/extra/v2/api-keys").await.body.contains(&key_id.to_string()));

    let child = app.nobody().with_key(&key);
    let me = child.get("/me").await.expect(200);
    assert_eq!((&me["id"], &me["parent_id"]), (&id, &json!(parent.account)));
    parent.delete(&format!("{path}/{key_id}")).await.expect_text(204, "");
    child.get("/me").await.expect_error(403, "Invalid API key");
    parent.delete(&format!("{path}/{key_id}")).await.expect_error(404, "API key not found");
    parent.delete(&format!("{path}/nonsense")).await.expect_error(404, "API key not found");
}

#[tokio::test]
async fn keys_of_a_sub_account_count_only_for_it_and_hold_no_more_than_the_parents() {
    let app = TestApp::start().await;
    let parent = app.account("devs@platform.example").await;
    let child = app.subaccount(&parent, "c-1").await;
    let path = format!("{SUBACCOUNTS}/{}/api-keys", child.account);
    let limited = parent.with_scopes(&[Scope::SubaccountsManage, Scope::CredentialsRead]).await;
    let wanted = json!({"scopes": ["credentials:read", "credentials:write"]});
    let refusal = "You cannot grant the scope credentials:write, because you lack it";
    limited.post(&path, wanted).await.expect_error(403, refusal);
    let made = limited.post(&path, json!({})).await.expect(201);
    assert_eq!(made["scopes"], json!(["credentials:read", "subaccounts:manage"]));
    // One came with the sub-account, one was just made.
    for _ in 0..4 {
        parent.make_key(&path, json!({})).await;
    }
    parent.post(&path, json!({})).await.expect_error(400, "An account can have at most 6 active API keys");
    parent.make_key("/extra/v2/api-keys", json!({})).await;
}
