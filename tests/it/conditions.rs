//! Optimistic concurrency: the tag of what is configured for a supplier moves with every write, and a write that names a
//! tag happens only if nothing has moved since.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::operations::{self, Operation, Target};
use crate::support::{Answer, Caller, TestApp};

const BASE: &str = "/extra/v2/credentials";
const HIT: &str = "/extra/v2/credentials/HIT";
const SERVICES: &str = "/extra/v2/credentials/HIT/services";

fn pair(password: &str) -> Value {
    json!({"supplier_code": "HIT", "production_username": "u", "production_password": password})
}

fn service(password: &str) -> Value {
    json!({"service": "INV", "environment": "PROD", "username": "u", "password": password})
}

#[track_caller]
fn etag(answer: &Answer) -> String {
    let tag = answer.header("etag").unwrap_or_else(|| panic!("no ETag: {answer:?}"));
    assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 20, "{tag}");
    tag.to_owned()
}

async fn seen(caller: &Caller<'_>) -> String {
    let answer = caller.get(HIT).await;
    answer.expect(200);
    etag(&answer)
}

/// Everything that a write could leave behind.
async fn everything(app: &TestApp) -> Vec<Vec<Value>> {
    let mut all = Vec::new();
    for table in ["supplier_credentials", "service_credentials", "audit_events"] {
        all.push(app.rows(&format!("select * from {table} order by {table}::text")).await);
    }
    all
}

/// The four writes that take a condition, on what is there.
async fn each_write(caller: &Caller<'_>) -> [Answer; 4] {
    [
        caller.post(BASE, pair("changed")).await,
        caller.post(SERVICES, service("changed")).await,
        caller.delete(&format!("{SERVICES}/INV/PROD")).await,
        caller.delete(HIT).await,
    ]
}

/// A new operation is in the list, or the test of the list fails; so none passes over a condition.
#[tokio::test]
async fn every_write_takes_conditions_or_refuses_them() {
    let app = TestApp::start().await;
    let caller = app.account_that_resolves("devs@platform.example").await;
    let mut taken = vec![];
    let writes = operations::all().into_iter().filter(|operation| !operation.method.is_safe());
    for Operation { method, route, .. } in writes {
        let path = Operation { method: method.clone(), route, needs: None }.path(&Target::nothing());
        for header in ["If-Match", "If-None-Match", "If-Unmodified-Since"] {
            // Of the wrong form, so that an operation that reads it refuses it as well.
            let caller = caller.with_header(header, "5f1c");
            let answer = caller.send(method.clone(), &path, Some(json!({}))).await;
            let body = answer.expect(400);
            let told = body["detail"].as_str().or(body["error_description"].as_str()).unwrap();
            if told.starts_with(&format!("{header}: must be")) {
                taken.push((method.to_string(), route));
                continue;
            }
            assert_eq!(told, format!("{header}: is a condition that this operation does not take"), "{method} {route}");
        }
    }
    taken.dedup();
    let expected = [
        ("POST", BASE),
        ("DELETE", "/extra/v2/credentials/{supplier_code}"),
        ("POST", "/extra/v2/credentials/{supplier_code}/services"),
        ("DELETE", "/extra/v2/credentials/{supplier_code}/services/{service}/{environment}"),
    ];
    assert_eq!(taken, expected.map(|(method, route)| (method.to_owned(), route)));
}

#[tokio::test]
async fn an_import_with_a_condition_stores_nothing() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    caller.post(BASE, pair("old")).await.expect(201);
    let stale = seen(&caller).await;
    caller.post(BASE, pair("newer")).await.expect(201);
    let before = everything(&app).await;
    let file = "supplier_code,staging_username,staging_password,production_username,production_password\nHIT,,,u,old\n";
    for (header, value) in [("if-match", stale.as_str()), ("if-none-match", "*"), ("if-match", "*")] {
        for query in ["", "?dry_run=true"] {
            caller.with_header(header, value).import(query, file).await.expect(400);
        }
    }
    assert_eq!(everything(&app).await, before);
}

/// The clock of the tests stands still, so all of these writes happen at one moment.
#[tokio::test]
async fn the_tag_moves_with_all_that_is_shown_and_with_every_password() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let mut tags = Vec::new();
    for _ in 0..2 {
        for (path, body) in [
            (BASE, json!({"supplier_code": "HIT"})),
            (BASE, pair("p")),
            (BASE, pair("p")),
            (BASE, json!({"supplier_code": "HIT", "production_password": "p2"})),
            (BASE, json!({"supplier_code": "HIT", "production_username": "u2"})),
            (BASE, json!({"supplier_code": "HIT", "staging_username": "u", "staging_password": "p"})),
            (SERVICES, service("p")),
            (SERVICES, service("p2")),
        ] {
            let answer = caller.post(path, body).await;
            answer.expect(201);
            assert_eq!(etag(&answer), seen(&caller).await, "the answer to a write shows what a read shows");
            tags.push(etag(&answer));
        }
        for statement in [
            "update service_credentials set password = password",
            "update supplier_credentials set production_password = production_password",
            "update suppliers set name = name || '!' where code = 'HIT'",
        ] {
            app.sql(statement).await;
            tags.push(seen(&caller).await);
        }
        caller.delete(&format!("{SERVICES}/INV/PROD")).await.expect(204);
        tags.push(seen(&caller).await);
        // And once more, from nothing.
        caller.delete(HIT).await.expect(204);
    }
    let all = tags.len();
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), all);
}

#[tokio::test]
async fn the_tag_is_the_same_everywhere_and_moves_for_nothing_else() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let neighbour = app.account("other@platform.example").await;
    caller.post(BASE, pair("p")).await.expect(201);
    caller.post(SERVICES, service("p")).await.expect(201);
    let before = seen(&caller).await;

    caller.post(BASE, json!({"supplier_code": "PCNA"})).await.expect(201);
    neighbour.post(BASE, pair("p")).await.expect(201);
    caller.post(BASE, json!({"supplier_code": "HIT", "staging_username": "half"})).await.expect(400);
    assert_eq!(seen(&caller).await, before);
    assert_ne!(seen(&neighbour).await, before);
    let elsewhere = app.other_router(app.app.settings.clone());
    let answer = app.send_to(&elsewhere, caller.request(Method::GET, HIT, None)).await;
    assert_eq!(etag(&answer), before);
}

#[tokio::test]
async fn a_write_with_an_old_tag_is_refused_and_changes_nothing() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let neighbour = app.account("other@platform.example").await;
    neighbour.post(BASE, pair("p")).await.expect(201);
    caller.post(BASE, pair("p")).await.expect(201);
    caller.post(SERVICES, service("p")).await.expect(201);
    let old = seen(&caller).await;
    caller.post(BASE, json!({"supplier_code": "HIT", "production_password": "p2"})).await.expect(201);
    let (current, theirs) = (seen(&caller).await, seen(&neighbour).await);
    let before = everything(&app).await;
    for wrong in [old.clone(), format!("W/{current}"), theirs, format!("{old}, W/{current}"), "\"\"".into()] {
        for answer in each_write(&caller.with_header("if-match", &wrong)).await {
            answer.expect_error(412, "The credentials are not in the state that the request asks for");
        }
    }
    for wrong in ["*".into(), current.clone(), format!("W/{current}"), format!("{old}, {current}")] {
        for answer in each_write(&caller.with_header("if-none-match", &wrong)).await {
            answer.expect(412);
        }
    }
    assert_eq!(everything(&app).await, before);
}

#[tokio::test]
async fn a_write_with_the_current_tag_happens_and_its_own_tag_serves_the_next() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let first = caller.with_header("if-none-match", "*").post(BASE, pair("p")).await;
    first.expect(201);
    let mut tag = etag(&first);
    for (path, body) in [(BASE, pair("p2")), (SERVICES, service("p")), (SERVICES, service("p2")), (BASE, pair("p3"))] {
        let answer = caller.with_header("if-match", &format!("\"old\", {tag}")).post(path, body).await;
        answer.expect(201);
        tag = etag(&answer);
    }
    // Two lines of one header are one list.
    let caller_twice = caller.with_header("if-match", "\"old\"").with_header("if-match", &tag);
    caller_twice.delete(&format!("{SERVICES}/INV/PROD")).await.expect(204);
    let whatever = caller.with_header("if-match", "*").with_header("if-none-match", "\"old\"");
    whatever.post(BASE, pair("p4")).await.expect(201);
    whatever.delete(HIT).await.expect(204);
}

#[tokio::test]
async fn if_none_match_star_stores_only_absent_credentials() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let new = caller.with_header("if-none-match", "*");
    new.post(BASE, pair("p")).await.expect(201);
    new.post(BASE, pair("p2")).await.expect(412);
    new.post(SERVICES, service("p")).await.expect(201);
    new.post(SERVICES, service("p2")).await.expect(412);
    let other = json!({"service": "PO", "environment": "PROD", "username": "u", "password": "p"});
    new.post(SERVICES, other).await.expect(201);
    let there = caller.with_header("if-match", "*");
    there.post(BASE, json!({"supplier_code": "PCNA"})).await.expect(412);
    caller.get(&format!("{BASE}/PCNA")).await.expect(404);
}

#[tokio::test]
async fn absent_credentials_are_404_and_not_412() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await.with_header("if-match", "\"old\"");
    caller.get(HIT).await.expect_error(404, "Credentials not found");
    caller.post(BASE, json!({"supplier_code": "Nobody"})).await.expect_error(404, "Supplier not found");
    caller.delete(HIT).await.expect_error(404, "Credentials not found");
    caller.post(SERVICES, service("p")).await.expect_error(404, "Parent credentials must exist first");
    caller.delete(&format!("{SERVICES}/INV/PROD")).await.expect_error(404, "Service credential not found");
}

#[tokio::test]
async fn a_read_may_be_conditional_as_well() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    caller.post(BASE, pair("p")).await.expect(201);
    let tag = seen(&caller).await;
    for seen_before in [tag.clone(), format!("W/{tag}"), "*".into()] {
        let answer = caller.with_header("if-none-match", &seen_before).get(HIT).await;
        assert_eq!((answer.status.as_u16(), answer.header("etag"), answer.body.as_str()), (304, Some(&*tag), ""));
        answer.expect_edge_headers();
    }
    caller.with_header("if-none-match", "\"old\"").get(HIT).await.expect(200);
    caller.with_header("if-match", &tag).get(HIT).await.expect(200);
    caller.with_header("if-match", "\"old\"").get(HIT).await.expect(412);
}

#[tokio::test]
async fn a_condition_that_cannot_be_read_is_refused_and_nothing_happens() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    caller.post(BASE, pair("p")).await.expect(201);
    caller.post(SERVICES, service("p")).await.expect(201);
    let before = everything(&app).await;
    for header in ["if-match", "if-none-match"] {
        for value in ["", "secret-guess", "\"open", "*, \"a\"", "\"a\" \"b\""] {
            for answer in each_write(&caller.with_header(header, value)).await {
                answer.expect(400);
                assert!(!answer.body.contains("secret-guess"), "{answer:?}");
                let field = answer.json()["errors"][0]["field"].as_str().unwrap().to_lowercase();
                assert_eq!(field, header);
            }
        }
    }
    assert_eq!(everything(&app).await, before);
}

/// A write that waited for a lock must not decide by its older view: not after any change of the other, also where it
/// never asks for the lock of the base row.
#[tokio::test]
async fn a_condition_is_checked_after_the_change_that_it_waited_for() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    for first in [
        "update supplier_credentials set production_password = production_password",
        "update service_credentials set password = password",
        "delete from service_credentials",
        "insert into service_credentials
             select account_id, supplier_code, 'PO', environment, username, password,
                 created_at, created_by, modified_on, modified_by from service_credentials",
    ] {
        for second in 0..3 {
            app.sql("delete from service_credentials").await;
            caller.post(BASE, pair("p")).await.expect(201);
            caller.post(SERVICES, service("p")).await.expect(201);
            let caller = caller.with_header("if-match", &seen(&caller).await);
            let meanwhile = app.meanwhile(first).await;
            let answer = meanwhile
                .commit_when_it_waits(&app, async {
                    match second {
                        0 => caller.post(BASE, pair("p2")).await,
                        1 => caller.post(SERVICES, service("p2")).await,
                        _ => caller.delete(HIT).await,
                    }
                })
                .await;
            assert_eq!(answer.status, 412, "{first}: {second}: {answer:?}");
        }
    }
}

/// A query for it finds nothing to see and nothing to lock; only the statement that stores meets it.
#[tokio::test]
async fn an_insert_that_is_not_committed_yet_counts_for_if_none_match() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    caller.post(BASE, pair("theirs")).await.expect(201);
    caller.post(SERVICES, service("theirs")).await.expect(201);
    let new = caller.with_header("if-none-match", "*");
    for (table, password, path, body) in [
        ("service_credentials", "password", SERVICES, service("ours")),
        ("supplier_credentials", "production_password", BASE, pair("ours")),
    ] {
        app.sql(&format!("create table theirs_{table} as table {table}; delete from {table}")).await;
        let meanwhile = app.meanwhile(&format!("insert into {table} table theirs_{table}")).await;
        let answer = meanwhile.commit_when_it_waits(&app, new.post(path, body)).await;
        assert_eq!(answer.status, 412, "{path}: {answer:?}");
        let passwords = async |table: &str| app.rows(&format!("select {password} as sealed from {table}")).await;
        assert_eq!(passwords(table).await, passwords(&format!("theirs_{table}")).await, "{path}");
    }
}

#[tokio::test]
async fn of_twenty_writes_with_one_etag_only_one_succeeds() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let statuses = async |caller: &Caller<'_>, path: &str, body: fn(&str) -> Value| {
        let requests = (0..20).map(|n| caller.request(Method::POST, path, Some(body(&n.to_string()))));
        let answers = app.send_at_once(requests).await;
        let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status.as_u16()).collect();
        statuses.sort_unstable();
        statuses
    };
    let one_of_twenty = [vec![201], vec![412; 19]].concat();
    let new = caller.with_header("if-none-match", "*");
    for (path, body) in [(BASE, pair as fn(&str) -> Value), (SERVICES, service)] {
        assert_eq!(statuses(&new, path, body).await, one_of_twenty, "{path}, new");
    }
    for (path, body) in [(BASE, pair as fn(&str) -> Value), (SERVICES, service)] {
        let same = caller.with_header("if-match", &seen(&caller).await);
        assert_eq!(statuses(&same, path, body).await, one_of_twenty, "{path}");
    }
}
