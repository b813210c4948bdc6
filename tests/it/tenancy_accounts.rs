//! Acts of one account on another's sub-accounts, keys and clients: to it they do not exist, and they stay as they are.

use axum::http::Method;
use credenza::api_key::Kind;
use credenza::principal::Scope;
use serde_json::{Value, json};

use crate::support::oauth::CLIENTS;
use crate::support::operations::{self, Operation, Target};
use crate::support::subaccounts::SUBACCOUNTS;
use crate::support::{Answer, Caller, TestApp};

const KEYS: &str = "/extra/v2/api-keys";

/// Operations that answer without looking at any account's rows, or only name the caller is.
const ABOUT_NO_ACCOUNT: [&str; 16] = [
    "/service-codes",
    "/services/{supplier_code}",
    "/extra/v2/suppliers",
    "/extra/v2/service-codes",
    "/extra/v2/services/{supplier_code}",
    "/me",
    "/oauth/token",
    "/oauth/revoke",
    "/oauth/introspect",
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/docs",
];

fn on_accounts() -> impl Iterator<Item = Operation> {
    let operations = operations::all().into_iter();
    operations.filter(|operation| [SUBACCOUNTS, KEYS, CLIENTS].iter().any(|start| operation.route.starts_with(start)))
}

/// Operations that name something that belongs to an account.
fn by_id() -> impl Iterator<Item = Operation> {
    on_accounts().filter(|operation| operation.route.contains("{id}"))
}

/// The things of an account: a sub-account with a key, a key, a client.
async fn possessions(app: &TestApp, owner: &Caller<'_>, customer: &str) -> Target {
    let child = app.subaccount(owner, customer).await;
    let (subaccount_key, _) = owner.make_key(&format!("{SUBACCOUNTS}/{}/api-keys", child.account), json!({})).await;
    let (key, _) = owner.make_key(KEYS, json!({})).await;
    let client = owner.client_with("credentials:read").await.id;
    Target {
        subaccount: child.account.to_string(),
        subaccount_key: subaccount_key.to_string(),
        key: key.to_string(),
        client,
    }
}

/// Every row that operations on accounts could change.
async fn rows(app: &TestApp) -> Vec<Value> {
    let mut rows = Vec::new();
    for table in ["accounts", "users", "api_keys", "oauth_clients", "oauth_client_secrets", "audit_events"] {
        rows.extend(app.rows(&format!("select * from {table} order by {table}::text")).await);
    }
    rows
}

async fn attempt(caller: &Caller<'_>, operation: &Operation, target: &Target) -> Answer {
    let body = match operation.method {
        Method::PATCH => Some(json!({"name": "mine", "is_active": false})),
        _ => operation.has_body().then(|| json!({})),
    };
    let mut answer = caller.send(operation.method.clone(), &operation.path(target), body).await;
    answer.headers.remove("x-request-id");
    // It counts the requests of the caller, whatever they are about.
    answer.headers.remove("x-ratelimit-remaining");
    answer
}

#[tokio::test]
async fn anothers_things_are_answered_like_things_that_do_not_exist_and_stay_as_they_are() {
    let app = TestApp::start().await;
    let victim = app.account("victim@platform.example").await;
    let stranger = app.account("stranger@elsewhere.example").await.with_scopes(&Scope::ALL).await;
    let theirs = possessions(&app, &victim, "c-1").await;
    possessions(&app, &stranger, "c-1").await;
    let before = rows(&app).await;
    for operation in by_id() {
        let answer = attempt(&stranger, &operation, &theirs).await;
        let nothing = attempt(&stranger, &operation, &Target::nothing()).await;
        assert_eq!(answer.status, 404, "{} {}", operation.method, operation.route);
        assert_eq!((&answer.headers, &answer.body), (&nothing.headers, &nothing.body), "{}", operation.route);
    }
    assert_eq!(rows(&app).await, before);
    // The proof that there was something to aim at: their owner meets all of it, each thing before it is deleted.
    for operation in by_id().filter(|operation| operation.method != Method::DELETE) {
        attempt(&victim.clone(), &operation, &theirs).await.expect(match operation.method {
            Method::POST => 201,
            _ => 200,
        });
    }
}

#[tokio::test]
async fn an_accounts_own_ids_give_no_access_to_anothers_rows() {
    let app = TestApp::start().await;
    let (victim, parent) = (app.account("victim@platform.example").await, app.account("mine@elsewhere.example").await);
    let (theirs, mine) = (possessions(&app, &victim, "c-1").await, possessions(&app, &parent, "c-1").await);
    let sibling = possessions(&app, &parent, "c-2").await;
    let before = rows(&app).await;
    let paths = [
        format!("{SUBACCOUNTS}/{}/api-keys/{}", mine.subaccount, theirs.subaccount_key),
        format!("{SUBACCOUNTS}/{}/api-keys/{}", mine.subaccount, theirs.key),
        // Not even the parent's own, or those of another sub-account.
        format!("{SUBACCOUNTS}/{}/api-keys/{}", mine.subaccount, mine.key),
        format!("{SUBACCOUNTS}/{}/api-keys/{}", mine.subaccount, sibling.subaccount_key),
        format!("{KEYS}/{}", mine.subaccount_key),
        format!("{KEYS}/{}", mine.client),
    ];
    for path in paths {
        parent.delete(&path).await.expect_error(404, "API key not found");
    }
    parent.delete(&format!("{CLIENTS}/{}", mine.key)).await.expect_error(404, "OAuth client not found");
    parent.get(&format!("{SUBACCOUNTS}/{}", parent.account)).await.expect_error(404, "Sub-account not found");
    assert_eq!(rows(&app).await, before);
}

#[tokio::test]
async fn a_sub_account_reaches_nothing_of_its_parent_or_its_siblings() {
    let app = TestApp::start().await;
    let parent = app.account("parent@platform.example").await;
    let (child, sibling) = (app.subaccount(&parent, "c-1").await, app.subaccount(&parent, "c-2").await);
    let of_parent = possessions(&app, &parent, "c-3").await;
    let (key, _) = sibling.make_key(KEYS, json!({})).await;
    let client = sibling.client_with("credentials:read").await.id;
    let of_sibling = Target { key: key.to_string(), client, ..Target::nothing() };
    let before = rows(&app).await;
    for operation in by_id() {
        let expected = if operation.route.starts_with(SUBACCOUNTS) { 403 } else { 404 };
        for target in [&of_parent, &of_sibling] {
            attempt(&child, &operation, target).await.expect(expected);
        }
    }
    assert_eq!(rows(&app).await, before);
}

#[tokio::test]
async fn listings_contain_only_the_callers_rows() {
    let app = TestApp::start().await;
    let (a, b) = (app.account("a@platform.example").await, app.account("b@platform.example").await);
    let (of_a, of_b) = (possessions(&app, &a, "c-1").await, possessions(&app, &b, "c-1").await);
    for (caller, own, others) in [(&a, &of_a, &of_b), (&b, &of_b, &of_a)] {
        for (path, own, others) in [
            (SUBACCOUNTS, format!("\"id\":{},", own.subaccount), format!("\"id\":{},", others.subaccount)),
            (KEYS, own.key.clone(), others.key.clone()),
            (CLIENTS, own.client.clone(), others.client.clone()),
        ] {
            let listed = caller.get(path).await.body;
            assert!(listed.contains(&own) && !listed.contains(&others), "{listed}");
        }
    }
}

#[tokio::test]
async fn every_operation_on_an_account_is_tried_here_or_in_the_other_page() {
    let app = TestApp::start().await;
    operations::compare_with_the_router(&app).await;
    for operation in operations::all() {
        let route = operation.route;
        let pages = [
            on_accounts().any(|other| other.route == route),
            route.starts_with("/extra/v2/credentials") || route.starts_with("/internal/"),
            ABOUT_NO_ACCOUNT.contains(&route),
            // In `calls_rights.rs`.
            route.contains("/suppliers/{supplier_code}/"),
            // In `audit_read.rs`.
            route == "/extra/v2/audit-events",
        ];
        assert_eq!(pages.iter().filter(|page| **page).count(), 1, "{route}");
    }
    // A key that is no private one reaches none of it.
    let owner = app.account("devs@platform.example").await;
    let public = owner.with_key(&app.key(owner.account, Kind::Public, &[], false).await);
    for operation in on_accounts() {
        attempt(&public, &operation, &Target::nothing()).await.expect(403);
    }
}
