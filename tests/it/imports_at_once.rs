//! Imports that meet other writes of the same rows: none is lost, and each is as if it had been the only one.

use serde_json::{Value, json};
use sqlx::{Connection, query_scalar};

use crate::imports::{BASE, SERVICE, report, suppliers};
use crate::support::cluster::in_tests;
use crate::support::{Caller, TestApp};

async fn pair(caller: &Caller<'_>) -> [Value; 2] {
    let answer = caller.resolve("HIT", "INV", "PROD").await.expect(200);
    ["username", "password"].map(|field| answer[field].clone())
}

/// Makes a change with psql, and commits it when an import of this file waits for it: between its looks at the rows.
async fn import_during(app: &TestApp, caller: &Caller<'_>, change: &str, file: String) -> crate::support::Answer {
    let (mut person, mut admin) = (app.admin().await, app.admin().await);
    let mut transaction = person.begin().await.unwrap();
    sqlx::raw_sql(in_tests(change.to_owned())).execute(&mut *transaction).await.unwrap();
    let commit_when_waited_for = async {
        let waiting = "select count(*) from pg_stat_activity
                       where datname = current_database() and application_name = 'credenza' and wait_event_type = 'Lock'";
        while query_scalar::<_, i64>(waiting).fetch_one(&mut admin).await.unwrap() == 0 {}
        transaction.commit().await.unwrap();
    };
    tokio::join!(caller.import("", file), commit_when_waited_for).0
}

#[tokio::test]
async fn half_a_pair_is_completed_from_the_row_at_the_moment_of_the_write() {
    let app = TestApp::start().await;
    let caller = app.account_that_resolves("devs@platform.example").await;
    caller.import("", format!("{BASE}HIT,,,first,first\n")).await.expect(200);
    app.sql("create table first as table supplier_credentials").await;
    caller.import("", format!("{BASE}HIT,,,second,second\n")).await.expect(200);
    let first = "update supplier_credentials stored set production_username = first.production_username,
                     production_password = first.production_password from first";
    let answer = import_during(&app, &caller, first, format!("{BASE}HIT,,,,third\n")).await;
    assert_eq!(answer.expect(200), report(1, 0, 1, 0));
    assert_eq!(pair(&caller).await, ["first", "third"]);

    // What was unchanged is not so any more, and the other way round.
    let answer = import_during(&app, &caller, first, format!("{BASE}HIT,,,first,third\nPCNA,,,,\n")).await;
    assert_eq!(answer.expect(200), report(2, 1, 1, 0));
    assert_eq!(pair(&caller).await, ["first", "third"]);
    let answer = import_during(&app, &caller, first, format!("{BASE}HIT,,,first,first\n")).await;
    assert_eq!(answer.expect(200), report(1, 0, 0, 1));
    assert_eq!(app.audit_faults().await, [""; 0]);
}

#[tokio::test]
async fn a_row_that_needs_deleted_credentials_is_named() {
    let app = TestApp::start().await;
    let caller = app.account_that_resolves("devs@platform.example").await;
    caller.import("", format!("{BASE}HIT,,,u,p\nPCNA,,,,\n")).await.expect(200);
    let none = "update supplier_credentials set production_username = null, production_password = null";
    let answer = import_during(&app, &caller, none, format!("{BASE}PCNA,,,u,p\nHIT,,,,p2\n")).await;
    let wrong = json!([{
        "row": 3, "field": "production_username",
        "message": "is required together with production_password, because no production pair is stored yet",
    }]);
    assert_eq!(answer.expect(400)["errors"], wrong);
    let gone = "delete from supplier_credentials where supplier_code = 'HIT'";
    let answer = import_during(&app, &caller, gone, format!("{SERVICE}PCNA,INV,PROD,u,p\nHIT,INV,PROD,u,p\n")).await;
    let wrong = json!([{"row": 3, "field": "supplier_code", "message": "Parent credentials must exist first"}]);
    assert_eq!(answer.expect(400)["errors"], wrong);
    assert_eq!(app.rows("select 1 as one from service_credentials").await.len(), 0);
    // A supplier that leaves the directory: only the constraint tells.
    app.supplier("NEW", "New", "").await;
    let left = "delete from suppliers where code = 'NEW'";
    let answer = import_during(&app, &caller, left, format!("{BASE}HIT,,,u,p\nNEW,,,u,p\n")).await;
    assert_eq!(answer.expect(400)["errors"][0]["message"], "Supplier not found");
    assert_eq!(caller.get("/extra/v2/credentials").await.expect(200)["count"], 1);
}

#[tokio::test]
async fn imports_and_single_writes_at_once_are_all_kept_and_recorded() {
    let app = TestApp::start().await;
    let caller = app.account_that_resolves("devs@platform.example").await;
    suppliers(&app, 40).await;
    let base = |round: usize, order: bool| {
        let row = |number: usize| format!("S{number},,,u{round},p{round}\n");
        // In one order and in the other: a file's order is not that of the locks.
        let numbers: Vec<_> = if order { (1..=40).collect() } else { (1..=40).rev().collect() };
        numbers.into_iter().fold(BASE.to_owned(), |file, number| file + &row(number))
    };
    for round in 0..8 {
        let mut requests =
            vec![caller.import_request("", base(round, true)), caller.import_request("", base(round + 100, false))];
        for number in 1..=10 {
            let body =
                json!({"supplier_code": format!("S{number}"), "staging_username": "su", "staging_password": "sp"});
            requests.push(caller.request(axum::http::Method::POST, "/extra/v2/credentials", Some(body)));
        }
        for answer in app.send_at_once(requests).await {
            assert!(answer.status.is_success(), "{answer:?}");
        }
        // One of the two imports came last, in every row.
        let first = caller.resolve("S1", "INV", "PROD").await.expect(200)["password"].clone();
        assert!([format!("p{round}"), format!("p{}", round + 100)].iter().any(|password| first == *password));
        for number in 2..=40 {
            let resolved = caller.resolve(&format!("S{number}"), "INV", "PROD").await.expect(200);
            assert_eq!(resolved["password"], first);
        }
        assert_eq!(caller.resolve("S5", "INV", "STAGING").await.expect(200)["password"], "sp");
    }
    let count = async |what: &str| app.rows(&format!("select 1 as one from {what}")).await.len();
    assert_eq!(count("audit_events where action = 'credentials.created'").await, 40);
    assert_eq!(app.audit_faults().await, [""; 0]);
}
