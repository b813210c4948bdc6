//! Two accounts with the same suppliers. For every act on the other's things, the answer is the one for things that do
//! not exist, and the other's rows stay as they are. The operations come from the list that `access_matrix.rs` compares with the
//! router; those on sub-accounts, keys and clients are tried in `tenancy_accounts.rs`.

use axum::http::HeaderValue;
use credenza::principal::Scope;
use credenza::types::AccountId;
use serde_json::{Value, json};

use crate::support::operations::{self, Operation, Target};
use crate::support::{Answer, Caller, TestApp};

const BASE: &str = "/extra/v2/credentials";

/// One operation, aimed at what the other account has stored under HIT.
struct Attempt {
    operation: Operation,
    path: String,
    body: Option<Value>,
}

/// Every operation on credentials, of both listeners. `victim` matters only where a request names an account.
fn attempts(victim: AccountId) -> Vec<Attempt> {
    let about_credentials =
        |operation: &Operation| operation.route.starts_with(BASE) || operation.route.starts_with("/internal/");
    let attempts = |operation: Operation| {
        let path = operation.path(&Target::nothing());
        let attempt = move |body| Attempt { operation: operation.clone(), path: path.clone(), body };
        bodies(&attempt(None).operation, victim).into_iter().map(attempt)
    };
    operations::all().into_iter().filter(about_credentials).flat_map(attempts).collect()
}

/// The requests that an operation is tried with.
fn bodies(operation: &Operation, victim: AccountId) -> Vec<Option<Value>> {
    if !operation.has_body() {
        return vec![None];
    }
    let base = json!({"supplier_code": "HIT", "production_username": "mine", "production_password": "mine"});
    let half = json!({"supplier_code": "HIT", "production_password": "mine"});
    let service = json!({"service": "INV", "environment": "PROD", "username": "mine", "password": "mine"});
    let call = json!({"account_id": victim, "supplier_code": "HIT", "service": "INV", "environment": "PROD"});
    let columns = [
        "supplier_code,staging_username,staging_password,production_username,production_password",
        "supplier_code,service,environment,username,password",
    ];
    match operation.route {
        BASE => vec![Some(base), Some(half)],
        // Files: a whole pair, half a one, and one that rests on the base credentials.
        "/extra/v2/credentials/import" => [(0, "HIT,,,mine,mine"), (0, "HIT,,,,mine"), (1, "HIT,INV,PROD,mine,mine")]
            .map(|(kind, row)| Some(json!(format!("{}\n{row}\n", columns[kind]))))
            .into(),
        "/extra/v2/credentials/{supplier_code}/services" => vec![Some(service)],
        "/extra/v2/credentials/{supplier_code}/verify" => vec![Some(json!({"service": "INV"}))],
        "/internal/v1/resolve" => vec![Some(call)],
        "/internal/v1/resolve/batch" => vec![Some(json!([call]))],
        new => panic!("{new} needs its case here"),
    }
}

/// Stores what the operations aim at.
async fn store(caller: &Caller<'_>, tag: &str) {
    let base = json!({
        "supplier_code": "HIT",
        "staging_username": format!("{tag} su"), "staging_password": format!("{tag} sp"),
        "production_username": format!("{tag} pu"), "production_password": format!("{tag} pp"),
    });
    caller.post(BASE, base).await.expect(201);
    for (service, environment) in [("INV", "PROD"), ("PO", "STAGING")] {
        let body = json!({"service": service, "environment": environment, "username": format!("{tag} {service}"), "password": tag});
        caller.post(&format!("{BASE}/HIT/services"), body).await.expect(201);
    }
}

async fn account<'a>(app: &'a TestApp, email: &str) -> Caller<'a> {
    app.account(email).await.with_scopes(&Scope::ALL).await
}

/// The answer of each operation to a stranger, a new one for each so that none meets what another left behind.
async fn answers_to_strangers(app: &TestApp, victim: AccountId) -> Vec<(String, Answer)> {
    let mut answers = Vec::new();
    for Attempt { operation, path, body } in attempts(victim) {
        let stranger = account(app, "stranger@elsewhere.example").await;
        let asked = format!("{} {path}", operation.method);
        let mut answer = match body {
            Some(Value::String(file)) => stranger.import("", file).await,
            body => stranger.send(operation.method, &path, body).await,
        };
        answer.headers.remove("x-request-id");
        // It counts the requests of the caller, whatever they are about.
        answer.headers.remove("x-ratelimit-remaining");
        // A random one for each write.
        if let Some(tag) = answer.headers.get_mut("etag") {
            *tag = HeaderValue::from_static("\"any\"");
        }
        answers.push((asked, answer));
    }
    answers
}

/// Every row of an account that its credentials consist of, and its audit events.
async fn rows_of(app: &TestApp, account: AccountId) -> Vec<Value> {
    let mut rows = Vec::new();
    for table in ["supplier_credentials", "service_credentials", "data_keys", "api_keys", "audit_events", "audit_heads"]
    {
        rows.extend(
            app.rows(&format!("select * from {table} where account_id = {account} order by {table}::text")).await,
        );
    }
    rows
}

async fn make_parent(app: &TestApp, parent: AccountId, child: AccountId) {
    app.sql_authenticated(&format!(
        "update accounts set external_customer_id = id::text, parent_id = {parent} where id = {child}"
    ))
    .await;
}

#[track_caller]
fn assert_same(left: &[(String, Answer)], right: &[(String, Answer)]) {
    for ((asked, left), (_, right)) in left.iter().zip(right) {
        assert_eq!((left.status, &left.headers, &left.body), (right.status, &right.headers, &right.body), "{asked}");
    }
    assert_eq!(left.len(), right.len());
}

#[tokio::test]
async fn anothers_things_are_answered_like_things_that_do_not_exist_and_stay_as_they_are() {
    let app = TestApp::start().await;
    let victim = account(&app, "victim@platform.example").await;
    let while_there_is_nothing = answers_to_strangers(&app, victim.account).await;
    store(&victim, "theirs").await;
    let (seen, stored) = (victim.get(BASE).await.body, rows_of(&app, victim.account).await);

    assert_same(&answers_to_strangers(&app, victim.account).await, &while_there_is_nothing);
    let nobody = AccountId(4_711);
    assert_same(&answers_to_strangers(&app, nobody).await, &while_there_is_nothing);
    assert_eq!(victim.get(BASE).await.body, seen);
    assert_eq!(rows_of(&app, victim.account).await, stored);
}

#[tokio::test]
async fn a_parents_things_are_a_strangers_to_its_sub_account_and_the_other_way_round() {
    let app = TestApp::start().await;
    let (parent, child) = (account(&app, "parent@platform.example").await, account(&app, "child@client.example").await);
    make_parent(&app, parent.account, child.account).await;
    for (owner, other) in [(&parent, &child), (&child, &parent)] {
        store(owner, "theirs").await;
        let stored = rows_of(&app, owner.account).await;
        other.get(BASE).await.expect_text(200, r#"{"count":0,"results":[]}"#);
        for Attempt { operation, path, body } in attempts(other.account) {
            // The rest makes something of the caller's own, or is not about an account's rows.
            let is_about_a_supplier = ["/resolution", "/health"].iter().any(|end| operation.route.ends_with(end));
            if operation.route.contains("{supplier_code}") && !is_about_a_supplier {
                other.send(operation.method, &path, body).await.expect(404);
            }
        }
        assert_eq!(rows_of(&app, owner.account).await, stored);
        owner.delete(&format!("{BASE}/HIT")).await.expect(204);
    }
}

#[tokio::test]
async fn two_accounts_with_the_same_supplier_change_each_their_own() {
    let app = TestApp::start().await;
    let (a, b) = (account(&app, "a@platform.example").await, account(&app, "b@platform.example").await);
    store(&a, "a").await;
    store(&b, "b").await;
    assert_eq!(a.resolve("HIT", "INV", "PROD").await.expect(200)["username"], "a INV");
    assert_eq!(b.resolve("HIT", "INV", "PROD").await.expect(200)["username"], "b INV");
    app.resolves_are_written().await;
    let stored = rows_of(&app, b.account).await;

    store(&a, "a again").await;
    a.delete(&format!("{BASE}/HIT/services/INV/PROD")).await.expect(204);
    assert_eq!(a.resolve("HIT", "INV", "PROD").await.expect(200)["username"], "a again pu");
    a.delete(&format!("{BASE}/HIT")).await.expect(204);
    a.resolve("HIT", "INV", "PROD").await.expect(403);

    assert_eq!(rows_of(&app, b.account).await, stored);
    assert_eq!(b.resolve("HIT", "INV", "PROD").await.expect(200)["username"], "b INV");
}

/// Resolves HIT's stock service for an account with a caller's key.
async fn resolve_for(caller: &Caller<'_>, account: AccountId) -> Answer {
    let call = json!({"account_id": account, "supplier_code": "HIT", "service": "INV", "environment": "PROD"});
    let alone = caller.post("/internal/v1/resolve", call.clone()).await;
    let batch = caller.post("/internal/v1/resolve/batch", json!([call])).await.expect(200);
    // A batch is no way around.
    let mut expected = alone.json();
    expected["status"] = json!(alone.status.as_u16());
    assert_eq!(batch, json!([expected]));
    alone
}

#[tokio::test]
async fn a_parent_may_resolve_for_its_sub_account_and_never_the_other_way_round() {
    let app = TestApp::start().await;
    let (parent, child) = (account(&app, "parent@platform.example").await, account(&app, "child@client.example").await);
    let (sibling, stranger) =
        (account(&app, "sibling@client.example").await, account(&app, "stranger@elsewhere.example").await);
    make_parent(&app, parent.account, child.account).await;
    make_parent(&app, parent.account, sibling.account).await;
    store(&parent, "parent").await;
    store(&child, "child").await;

    assert_eq!(resolve_for(&parent, child.account).await.expect(200)["username"], "child INV");
    for (caller, account) in
        [(&child, parent.account), (&child, sibling.account), (&stranger, child.account), (&parent, stranger.account)]
    {
        resolve_for(caller, account).await.expect_error(403, "You may not act for this account");
    }
    // Nothing is inherited: what the sub-account does not have is not looked for upward.
    child.delete(&format!("{BASE}/HIT")).await.expect(204);
    resolve_for(&parent, child.account).await.expect(403);
    resolve_for(&child, child.account).await.expect(403);
}

#[tokio::test]
async fn nobody_resolves_for_the_operator_or_for_numbers_that_no_account_has() {
    let app = TestApp::start().await;
    let caller = account(&app, "devs@platform.example").await;
    let asked = [AccountId::OPERATOR, AccountId(-1), AccountId(i64::MIN)];
    for account in asked {
        resolve_for(&caller, account).await.expect_error(403, "You may not act for this account");
    }
    // Not refused as malformed: whoever tries them is on record.
    app.resolves_are_written().await;
    let attempts = "select asked_account_id from audit_events where asked_account_id is not null order by sequence";
    let mut recorded: Vec<_> = app.rows(attempts).await.iter().map(|row| row["asked_account_id"].clone()).collect();
    // Each was asked alone and in a batch.
    recorded.dedup();
    assert_eq!(recorded, asked.map(|account| json!(account)));
}
