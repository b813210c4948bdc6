//! Every operation × every kind of caller, as one table that people can read: `access_matrix.txt`. A request is empty
//! and has no target, so that a permitted caller gets 400 or 404 and nothing changes; any other caller is refused
//! before.

use std::fmt::Write;
use std::fs;
use std::time::Duration;

use credenza::api_key::{ApiKey, Kind};
use credenza::principal::Scope;
use serde_json::json;

use crate::support::forge::forged;
use crate::support::oauth::CLIENTS;
use crate::support::operations::{self, Operation, Target};
use crate::support::subaccounts::SUBACCOUNTS;
use crate::support::{Answer, Caller, TestApp};

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/access_matrix.txt");

/// The sentences of 403, by the letter that stands for it in the table.
const SENTENCES: [(char, &str); 12] = [
    ('N', "Not authenticated"),
    ('K', "Invalid API key"),
    ('T', "Invalid access token"),
    ('A', "This API key is not allowed from your address"),
    ('P', "Public API keys are not supported for this endpoint"),
    ('O', "This API key is not allowed from this origin"),
    ('S', "The scope … is required"),
    ('I', "Account is inactive"),
    ('F', "You may not act for this account"),
    ('X', "X-Account-Id is not supported for this endpoint"),
    ('E', "Sub-accounts are not enabled for this account"),
    ('2', "The credentials of the request name two accounts"),
];

/// A kind of caller: who calls an operation that needs a scope. Nobody, if there is no such caller.
struct Column<'a> {
    who: &'static str,
    caller: Box<dyn Fn(Option<Scope>) -> Option<Caller<'a>> + 'a>,
}

fn column<'a>(who: &'static str, caller: Caller<'a>) -> Column<'a> {
    Column { who, caller: Box::new(move |_| Some(caller.clone())) }
}

/// A kind of caller of whom there is one for each scope, and perhaps one for operations that need none.
fn by_scope<'a>(who: &'static str, callers: Vec<(Option<Scope>, Caller<'a>)>) -> Column<'a> {
    let find = move |needed| callers.iter().find(|(scope, _)| *scope == needed).map(|(_, caller)| caller.clone());
    Column { who, caller: Box::new(find) }
}

fn names(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
}

fn all_but(scope: Scope) -> Vec<Scope> {
    Scope::ALL.into_iter().filter(|other| *other != scope).collect()
}

/// An account of its own for each caller, so that none is in another's way.
async fn account(app: &TestApp) -> Caller<'_> {
    app.account("somebody@example.com").await.with_scopes(&Scope::ALL).await
}

async fn keys(app: &TestApp) -> Vec<Column<'_>> {
    let (revoked, expired, placed, inactive) =
        (account(app).await, account(app).await, account(app).await, account(app).await);
    app.sql_authenticated(&format!("update api_keys set revoked_at = now() where account_id = {}", revoked.account))
        .await;
    app.sql_authenticated(&format!(
        "update api_keys set expires_at = '2026-01-02T03:05:05Z' where account_id = {}",
        expired.account
    ))
    .await;
    app.sql_authenticated(&format!(
        "update api_keys set allowed_ips = '{{192.0.2.0/24}}' where account_id = {}",
        placed.account
    ))
    .await;
    app.sql_authenticated(&format!("update accounts set is_active = false where id = {}", inactive.account)).await;
    let owner = account(app).await;
    let public = owner.with_key(&app.key(owner.account, Kind::Public, &[], false).await);
    let operator = owner.with_key(&app.key(owner.account, Kind::Private, &[Scope::CredentialsResolve], true).await);
    app.sql_authenticated(&format!(
        "update accounts set allowed_origins = '{{https://shop.example}}' where id = {}",
        owner.account
    ))
    .await;
    let mut exact = vec![(None, account(app).await.with_scopes(&[]).await)];
    let mut lacking = vec![];
    for scope in Scope::ALL {
        exact.push((Some(scope), account(app).await.with_scopes(&[scope]).await));
        lacking.push((Some(scope), account(app).await.with_scopes(&all_but(scope)).await));
    }
    vec![
        column("nobody", app.nobody()),
        column("malformed key", app.nobody().with_key("czs_nonsense")),
        column("unknown key", app.nobody().with_key(ApiKey::generate(Kind::Private).expose())),
        column("revoked key", revoked),
        column("expired key", expired),
        column("key from a wrong address", placed.from("198.51.100.1")),
        column("public key without an origin", public.clone()),
        column("public key from an allowed origin", public.with_header("origin", "https://shop.example")),
        by_scope("private key with every scope but the needed one", lacking),
        by_scope("private key with the needed scope alone", exact),
        column("operator's key", operator),
        column("key of an inactive account", inactive),
    ]
}

/// Sub-accounts, and who acts for whom.
async fn families(app: &TestApp) -> Vec<Column<'_>> {
    let (parent, stranger) = (account(app).await, account(app).await);
    let child = app.subaccount(&parent, "c-1").await.with_scopes(&Scope::ALL).await;
    vec![
        column("sub-account", child.clone()),
        column("sub-account for itself", child.acting_for(child.account)),
        column("sub-account for its parent", child.acting_for(parent.account)),
        column("parent for its sub-account", parent.acting_for(child.account)),
        column("parent for a stranger", parent.acting_for(stranger.account)),
    ]
}

async fn tokens(app: &TestApp) -> Vec<Column<'_>> {
    let owner = account(app).await;
    let (client, revoked) =
        (owner.client_with(&names(&Scope::ALL)).await, owner.client_with(&names(&Scope::ALL)).await);
    let expired = owner.bearing(&owner.token(&client, "").await);
    // Longer than a token lives, and than the expired key.
    app.advance(Duration::from_hours(3));
    let token = owner.token(&client, "").await;
    let of_revoked = owner.bearing(&owner.token(&revoked, "").await);
    owner.delete(&format!("{CLIENTS}/{}", revoked.id)).await.expect(204);
    let mut exact = vec![(None, owner.bearing(&token))];
    let mut lacking = vec![];
    for scope in Scope::ALL {
        exact.push((Some(scope), owner.bearing(&owner.token(&client, scope.as_str()).await)));
        lacking.push((Some(scope), owner.bearing(&owner.token(&client, &names(&all_but(scope))).await)));
    }
    vec![
        by_scope("token with the needed scope alone", exact),
        by_scope("token with every scope but the needed one", lacking),
        column("expired token", expired),
        column("forged token: our key id, another key", owner.bearing(&forged(&token))),
        column("token of a revoked client", of_revoked),
        column(
            "token of another account beside a key",
            account(app).await.with_header("authorization", &format!("Bearer {token}")),
        ),
    ]
}

/// The status, or the letter of the sentence of 403.
fn cell(operation: &Operation, answer: &Answer) -> String {
    if answer.status != 403 {
        return answer.status.as_u16().to_string();
    }
    let mut said = answer.json()["detail"].as_str().unwrap().to_owned();
    if let Some(scope) = operation.needs {
        said = said.replace(scope.as_str(), "…");
    }
    let letter = SENTENCES.iter().find(|(_, sentence)| *sentence == said);
    letter.unwrap_or_else(|| panic!("{} {}: {said}", operation.method, operation.route)).0.into()
}

async fn table(app: &TestApp) -> String {
    let mut columns = keys(app).await;
    columns.extend(families(app).await);
    columns.extend(tokens(app).await);
    app.feed_has_caught_up().await;

    let mut text = "What every operation answers to every kind of caller. A number is a status, a letter is 403 with a sentence:\n\n".to_owned();
    for (letter, sentence) in SENTENCES {
        writeln!(text, "  {letter}  {sentence}").unwrap();
    }
    text.push_str(
        "\nThe requests say nothing and aim at nothing: 400, 404 and 415 mean that the caller may. The callers:\n\n",
    );
    for (number, column) in columns.iter().enumerate() {
        writeln!(text, "  {:>2}  {}", number + 1, column.who).unwrap();
    }
    text.push('\n');
    for number in 1..=columns.len() {
        write!(text, "{number:>4}").unwrap();
    }
    text.push('\n');
    for operation in operations::all() {
        for column in &columns {
            let cell = match (column.caller)(operation.needs) {
                None => "-".to_owned(),
                Some(caller) => {
                    let body = operation.has_body().then(|| json!("nothing"));
                    let path = operation.path(&Target::nothing());
                    cell(&operation, &caller.send(operation.method.clone(), &path, body).await)
                }
            };
            write!(text, "{cell:>4}").unwrap();
        }
        let needs = operation.needs.map(|scope| format!(" ({scope})")).unwrap_or_default();
        writeln!(text, "  {} {}{needs}", operation.method, operation.route).unwrap();
    }
    text
}

#[allow(clippy::disallowed_methods, reason = "the tests' own settings")]
fn to_be_accepted() -> bool {
    std::env::var_os("UPDATE_SNAPSHOTS").is_some()
}

#[tokio::test]
async fn every_operation_answers_every_kind_of_caller_as_in_the_table() {
    let app = TestApp::start().await;
    let table = table(&app).await;
    if to_be_accepted() {
        fs::write(SNAPSHOT, &table).unwrap();
    }
    let accepted = fs::read_to_string(SNAPSHOT).unwrap_or_default();
    assert!(
        table == accepted,
        "access has changed; if that is meant, accept it with UPDATE_SNAPSHOTS=1 cargo test --test it access_matrix\n\n{table}"
    );
}

#[tokio::test]
async fn the_list_of_operations_equals_the_routers() {
    operations::compare_with_the_router(&TestApp::start().await).await;
}

#[tokio::test]
async fn the_requests_of_the_table_change_nothing() {
    let app = TestApp::start().await;
    let caller = account(&app).await;
    let events = app.rows("select * from audit_events").await.len();
    for operation in operations::all() {
        let body = operation.has_body().then(|| json!("nothing"));
        caller.send(operation.method.clone(), &operation.path(&Target::nothing()), body).await;
    }
    assert_eq!(app.rows("select * from audit_events").await.len(), events);
    assert_eq!(caller.get(SUBACCOUNTS).await.expect(200)["count"], 0);
}
