//! `Idempotency-Key` of an import: which begins more than once, changes nothing if it is done again, and is one request all the
//! same.

use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, query_scalar};
use tokio::io::AsyncWriteExt;

use crate::idempotency::{REUSED, UNDER_WAY, is_replay};
use crate::imports::{BASE, SERVICE, report};
use crate::support::cluster::in_tests;
use crate::support::installation::Installation;
use crate::support::program::eventually;
use crate::support::{Caller, TestApp};

const IMPORT: &str = "/extra/v2/credentials/import";

/// Rows for two suppliers, both with this password.
fn file(password: &str) -> String {
    format!("{BASE}HIT,,,u,{password}\nPCNA,,,u,{password}\n")
}

async fn caller(app: &TestApp) -> Caller<'_> {
    app.account_that_resolves("devs@platform.example").await
}

fn once<'a>(caller: &Caller<'a>, key: &str) -> Caller<'a> {
    caller.with_header("idempotency-key", key)
}

async fn password(caller: &Caller<'_>) -> Value {
    caller.resolve("HIT", "INV", "PROD").await.expect(200)["password"].clone()
}

async fn outcomes(app: &TestApp) -> usize {
    app.rows("select 1 from idempotency_keys").await.len()
}

#[tokio::test]
async fn a_key_belongs_to_one_file() {
    let app = TestApp::start().await;
    let caller = caller(&app).await;
    let once = once(&caller, "k");
    let first = once.import("", file("p")).await;
    assert_eq!(first.expect(200), report(2, 2, 0, 0));
    for (query, other) in [
        ("", file("p2")),
        ("", file("p") + "\n"),
        ("?dry_run=false", file("p")),
        // Where it would fail is not looked at.
        ("", format!("{SERVICE}SanMar,INV,PROD,u,p\n")),
    ] {
        once.import(query, other).await.expect_error(422, REUSED);
    }
    once.post("/extra/v2/credentials", json!({"supplier_code": "SanMar"})).await.expect_error(422, REUSED);
    // Neither what is no file of credentials, nor a trial, is the request that the key is for.
    once.import("", "nonsense").await.expect_json_error(400);
    assert_eq!(once.import("?dry_run=true", file("p")).await.expect(200), report(2, 0, 0, 2));
    let again = once.import("", file("p")).await;
    assert!(is_replay(&again) && !is_replay(&first));
    assert_eq!((again.expect(200), password(&caller).await), (first.json(), json!("p")));
    assert_eq!(outcomes(&app).await, 1);
}

#[tokio::test]
async fn a_refused_file_and_a_trial_use_nothing_up() {
    let app = TestApp::start().await;
    let caller = caller(&app).await;
    let once = once(&caller, "k");
    for wrong in [format!("{BASE}HIT,,,u,p\nPCNA,,,u,\n"), format!("{BASE}Nobody,,,u,p\n"), "nonsense".to_owned()] {
        once.import("", wrong).await.expect(400);
    }
    once.import("?dry_run=true", file("p")).await.expect(200);
    assert_eq!(outcomes(&app).await, 0);
    let answer = once.import("", file("p")).await;
    assert_eq!(answer.expect(200), report(2, 2, 0, 0));
    assert!(!is_replay(&answer));
}

/// Somebody who sends a file again, long after it was done, must not bring back what was replaced since.
#[tokio::test]
async fn an_import_that_changed_nothing_is_answered_from_storage_too() {
    let app = TestApp::start().await;
    let caller = caller(&app).await;
    caller.import("", file("p")).await.expect(200);
    let first = once(&caller, "1").import("", file("p")).await;
    assert_eq!((first.expect(200), is_replay(&first)), (report(2, 0, 0, 2), false));
    caller.import("", file("p2")).await.expect(200);
    let again = once(&caller, "1").import("", file("p")).await;
    assert_eq!((again.expect(200), is_replay(&again)), (report(2, 0, 0, 2), true));
    assert_eq!(password(&caller).await, "p2");

    // Also where it could not even be done any more.
    let services = format!("{SERVICE}HIT,INV,PROD,u,p\n");
    once(&caller, "2").import("", services.clone()).await.expect(200);
    caller.delete("/extra/v2/credentials/HIT").await.expect(204);
    assert_eq!(once(&caller, "2").import("", services.clone()).await.expect(200), report(1, 1, 0, 0));
    once(&caller, "3").import("", services).await.expect(400);
}

/// It begins once more, because what it had compared is another by then.
#[tokio::test]
async fn an_import_that_begins_again_has_its_key_to_itself_and_gives_it_back() {
    let app = TestApp::start().await;
    let caller = caller(&app).await;
    for (key, change, expected) in [
        ("1", "update supplier_credentials set staging_username = null, staging_password = null", 200),
        ("2", "update supplier_credentials set production_username = null, production_password = null", 400),
        ("3", "delete from supplier_credentials", 400),
    ] {
        caller.import("", format!("{BASE}HIT,s,s,u,p\n")).await.expect(200);
        let once = once(&caller, key);
        let half = format!("{BASE}HIT,,,,p{key}\n");
        let meanwhile = app.meanwhile(change).await;
        let first = meanwhile.commit_when_it_waits_and(&app, once.import("", half.clone()), async || {
            once.import("", half.clone()).await.expect_error(409, UNDER_WAY);
            once.import("", file("p")).await.expect_error(409, UNDER_WAY);
            once.import("?dry_run=true", half.clone()).await.expect(200);
        });
        let first = first.await;
        first.expect(expected);
        let again = once.import("", half).await;
        assert_eq!((again.expect(expected), is_replay(&again)), (first.json(), expected == 200));
    }
}

#[tokio::test]
async fn of_twenty_imports_at_once_only_one_is_carried_out() {
    let app = TestApp::start().await;
    let caller = caller(&app).await;
    let once = once(&caller, "k");
    let answers = app.send_at_once((0..20).map(|_| once.import_request("", file("p")))).await;
    let done = answers.iter().filter(|answer| answer.status == 200 && !is_replay(answer));
    assert_eq!(done.count(), 1);
    for answer in answers {
        match answer.status.as_u16() {
            // Also to those who saw only rows that were as the file says.
            200 => assert_eq!(answer.json(), report(2, 2, 0, 0)),
            _ => answer.expect_error(409, UNDER_WAY),
        }
    }
    assert_eq!(app.rows("select 1 from audit_events where action = 'credentials.created'").await.len(), 2);
}

#[tokio::test]
async fn an_uncommitted_request_of_a_killed_program_is_done_by_the_next() {
    let installation = Installation::new().await;
    let account = installation.account("A").await;
    let key = installation.key(&account, &[]).await;
    let service = installation.serve().await;
    let count = async |rows: &str| -> i64 {
        let mut admin = installation.database.admin.connect().await.unwrap();
        query_scalar(in_tests(format!("select count(*) from {rows}"))).fetch_one(&mut admin).await.unwrap()
    };
    // Its last statement but the outcome.
    let mut lock = installation.database.admin.connect().await.unwrap();
    sqlx::raw_sql("begin; lock table audit_events in exclusive mode").execute(&mut lock).await.unwrap();
    let text = file("p");
    let request = format!(
        "POST {IMPORT} HTTP/1.1\r\nHost: here\r\nX-API-Key: {key}\r\nIdempotency-Key: k\r\n\
         Content-Type: text/csv\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    );
    let mut client = service.public.connect().await;
    client.write_all(request.as_bytes()).await.unwrap();
    eventually("the import waits for the lock", async || {
        count("pg_locks where not granted and relation = 'audit_events'::regclass").await > 0
    })
    .await;
    service.program.signal(Signal::KILL);
    service.program.end().await;
    sqlx::raw_sql("commit").execute(&mut lock).await.unwrap();

    let next = installation.serve().await;
    let public = next.public.with_key(&key).with_header("Idempotency-Key", "k");
    let mut answer = public.post_csv(IMPORT, &text).await;
    eventually("the key is free", async || {
        answer = public.post_csv(IMPORT, &text).await;
        answer.status != 409
    })
    .await;
    assert_eq!(answer.expect(200), report(2, 2, 0, 0));
    assert_eq!(public.post_csv(IMPORT, &text).await.expect(200), report(2, 2, 0, 0));
    assert_eq!(count("audit_events where action like 'credentials.%'").await, 2);
    next.program.stop().await.done();
}
