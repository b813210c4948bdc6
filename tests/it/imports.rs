//! `POST /extra/v2/credentials/import`: what a file stores, what that leaves behind, and who sees it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use credenza::app::App;
use credenza::cluster::Owner;
use credenza::credentials::import::{Imported, Mode, Report, import};
use credenza::principal::{Actor, Scope};
use credenza::types::AccountId;
use credenza::vault::Retirement;
use serde_json::{Value, json};

use crate::support::app::code;
use crate::support::fixtures::{furnished, seen};
use crate::support::query_count::counted;
use crate::support::{Caller, TestApp};

pub const BASE: &str = "supplier_code,staging_username,staging_password,production_username,production_password\n";
pub const SERVICE: &str = "supplier_code,service,environment,username,password\n";

pub fn report(rows: u64, created: u64, updated: u64, unchanged: u64) -> Value {
    json!({"rows": rows, "created": created, "updated": updated, "unchanged": unchanged, "errors": []})
}

/// Suppliers S1, S2 and so on.
pub async fn suppliers(app: &TestApp, number: usize) {
    app.sql(&format!(
        "insert into suppliers (code, name, created_at, modified_on)
         select 'S' || number, 'S', now(), now() from generate_series(1, {number}) number"
    ))
    .await;
}

/// A file of base credentials for these suppliers, with these four cells for each.
fn file_of(suppliers: Range<usize>, cells: impl Fn(usize) -> String) -> String {
    suppliers.fold(BASE.to_owned(), |file, number| file + &format!("S{number},{}\n", cells(number)))
}

/// Imports a file for an account as the command line does.
async fn import_on(app: &App, account: AccountId, file: String) -> Report {
    let (actor, file) = (Actor::operator(), file.into_bytes().into());
    let imported = import(app, &actor, account, file, Mode::Store, None, &mut |_, _, _| ()).await.unwrap();
    let Imported::Done(report, Some(work)) = imported else { panic!("it is to be stored") };
    work.commit(None).await.unwrap();
    report
}

async fn pair(caller: &Caller<'_>, supplier: &str, service: &str, environment: &str) -> [String; 2] {
    let answer = caller.resolve(supplier, service, environment).await.expect(200);
    ["username", "password"].map(|field| answer[field].as_str().unwrap().to_owned())
}

/// Both tables and the data keys of an account, as they are stored.
async fn stored(app: &TestApp, account: AccountId) -> Vec<Value> {
    let mut rows = vec![];
    for table in ["supplier_credentials", "service_credentials", "data_keys", "audit_events", "audit_heads"] {
        rows.extend(app.rows(&format!("select * from {table} where account_id = {account} order by 1, 2, 3")).await);
    }
    rows
}

/// The records of an account: action, supplier, service, environment, who.
async fn events(app: &TestApp, account: AccountId) -> Vec<String> {
    let text = "concat_ws(' ', action, supplier_code, service, environment, user_email)";
    let of_credentials = format!("account_id = {account} and action ~ 'credentials.(created|updated)'");
    let rows =
        app.rows(&format!("select {text} as text from audit_events where {of_credentials} order by sequence")).await;
    rows.iter().map(|row| row["text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_file_of_base_credentials_is_stored_as_single_posts_would_have_stored_it() {
    let app = TestApp::start().await;
    let caller = app.account_that_resolves("devs@platform.example").await;
    let file = format!("{BASE}HIT,su,sp,pu,pp\nPCNA,,,\"p,u\",\"p\"\"p \"\nSanMar,,,,\n");
    caller
        .import("", file.clone())
        .await
        .expect_text(200, r#"{"rows":3,"created":3,"updated":0,"unchanged":0,"errors":[]}"#);
    assert_eq!(pair(&caller, "HIT", "INV", "STAGING").await, ["su", "sp"]);
    assert_eq!(pair(&caller, "HIT", "INV", "PROD").await, ["pu", "pp"]);
    assert_eq!(pair(&caller, "PCNA", "INV", "PROD").await, ["p,u", "p\"p "]);
    let sanmar = caller.get("/extra/v2/credentials/SanMar").await.expect(200);
    assert_eq!(
        (&sanmar["has_staging_credentials"], &sanmar["has_production_credentials"]),
        (&json!(false), &json!(false))
    );

    // Once more: nothing changes, nothing is recorded.
    app.resolves_are_written().await;
    let before = stored(&app, caller.account).await;
    app.advance(Duration::from_mins(1));
    assert_eq!(caller.import("", file).await.expect(200), report(3, 0, 0, 3));
    assert_eq!(stored(&app, caller.account).await, before);

    // What a row leaves out is kept, and half a pair is completed by what is stored.
    let file = format!("{BASE}HIT,,,,pp\nPCNA,,,,pp2\nSanMar,su,sp,,\nCAP,,,u,p\n");
    assert_eq!(caller.import("/", file).await.expect(200), report(4, 1, 2, 1));
    assert_eq!(pair(&caller, "HIT", "INV", "STAGING").await, ["su", "sp"]);
    assert_eq!(pair(&caller, "PCNA", "INV", "PROD").await, ["p,u", "pp2"]);
    assert_eq!(pair(&caller, "SanMar", "INV", "STAGING").await, ["su", "sp"]);
    let modified = async |supplier: &str| {
        let trail = caller.get(&format!("/extra/v2/credentials/{supplier}/audit")).await.expect(200);
        ["created_at", "modified_on", "modified_by"].map(|field| trail[field].as_str().unwrap().to_owned())
    };
    let (then, later) = ("2026-01-02T03:04:05Z", "2026-01-02T03:05:05Z");
    assert_eq!(modified("HIT").await, [then, then, "devs@platform.example"]);
    assert_eq!(modified("PCNA").await, [then, later, "devs@platform.example"]);
    assert_eq!(
        events(&app, caller.account)
            .await
            .iter()
            .map(|event| event.replace(" devs@platform.example", ""))
            .collect::<Vec<_>>(),
        [
            "credentials.created HIT",
            "credentials.created PCNA",
            "credentials.created SanMar",
            "credentials.updated PCNA",
            "credentials.updated SanMar",
            "credentials.created CAP",
        ]
    );
    assert_eq!(app.audit_faults().await, [""; 0]);
}

#[tokio::test]
async fn a_file_of_service_credentials_is_recognised_by_its_columns_in_any_order() {
    let app = TestApp::start().await;
    let caller = app.account_that_resolves("devs@platform.example").await;
    caller.import("", format!("{BASE}HIT,,,,\nPCNA,,,,\n")).await.expect(200);
    // As Excel writes it.
    let file = "\u{feff}password,username,environment,service,supplier_code\r\n\
                p1,u1,PROD,INV,HIT\r\np2,u2,STAGING,ODRSTAT,PCNA\r\n\r\n";
    assert_eq!(caller.import("", file).await.expect(200), report(2, 2, 0, 0));
    assert_eq!(pair(&caller, "HIT", "INV", "PROD").await, ["u1", "p1"]);
    assert_eq!(pair(&caller, "PCNA", "OSTAT", "STAGING").await, ["u2", "p2"]);
    let file = format!("{SERVICE}PCNA,OSTAT,STAGING,u2,p2\nHIT,INV,PROD,u1,p3\nHIT,PO,PROD,u,p\n");
    assert_eq!(caller.import("", file.clone()).await.expect(200), report(3, 1, 1, 1));
    assert_eq!(pair(&caller, "HIT", "INV", "PROD").await, ["u1", "p3"]);
    assert_eq!(caller.import("", file).await.expect(200), report(3, 0, 0, 3));
    // The same password under another name is another pair.
    assert_eq!(caller.import("", format!("{SERVICE}HIT,INV,PROD,u9,p3\n")).await.expect(200), report(1, 0, 1, 0));
    let by = "devs@platform.example";
    assert_eq!(
        events(&app, caller.account).await[2..],
        [
            format!("service_credentials.created HIT INV PROD {by}"),
            format!("service_credentials.created PCNA OSTAT STAGING {by}"),
            format!("service_credentials.updated HIT INV PROD {by}"),
            format!("service_credentials.created HIT PO PROD {by}"),
            format!("service_credentials.updated HIT INV PROD {by}"),
        ]
    );
    assert_eq!(app.audit_faults().await, [""; 0]);
}

#[tokio::test]
async fn a_dry_run_answers_as_the_import_and_changes_nothing() {
    let app = TestApp::start().await;
    let caller = app.account_that_resolves("devs@platform.example").await;
    for (before, files) in [
        (String::new(), vec![format!("{BASE}HIT,,,u,p\n"), format!("{BASE}HIT,,,u,p\nHITT,,,u,p\nPCNA,,,u,\n")]),
        (
            format!("{BASE}HIT,,,u,p\nPCNA,,,,\n"),
            vec![
                format!("{BASE}HIT,,,u,p\nPCNA,s,s,,\nCAP,,,,\n"),
                format!("{SERVICE}HIT,INV,PROD,u,p\n"),
                format!("{SERVICE}HIT,INV,PROD,u,p\nCAP,INV,PROD,u,p\n"),
                "nonsense".to_owned(),
                BASE.to_owned(),
            ],
        ),
    ] {
        if !before.is_empty() {
            caller.import("", before).await.expect(200);
        }
        for file in files {
            let before = stored(&app, caller.account).await;
            let dry = caller.import("?dry_run=true", file.clone()).await;
            assert_eq!(stored(&app, caller.account).await, before, "{file}");
            let wet = caller.import("?dry_run=false", file.clone()).await;
            assert_eq!((dry.status, &dry.body), (wet.status, &wet.body), "{file}");
        }
    }
    caller.import("?dry_run=perhaps", BASE).await.expect_error(400, "dry_run: has a value of the wrong form");
    caller.import("?dryrun=true", BASE).await.expect_error(400, "dryrun: is not a parameter of this operation");
}

#[tokio::test]
async fn imported_pairs_are_visible_at_once_on_another_instance() {
    let app = TestApp::start().await;
    let other = app.other_process().await;
    let caller = furnished(&app).await;
    assert_eq!(seen(&caller).await, "own base shared");
    let run = async |file| import_on(&other, caller.account, file).await;
    assert_eq!(run(format!("{BASE}HIT,,,,base2\n")).await.updated, 1);
    assert_eq!(seen(&caller).await, "own base2 shared");
    assert_eq!(run(format!("{SERVICE}HIT,INV,PROD,u,own2\nHIT,MED,STAGING,u,new\n")).await.created, 1);
    assert_eq!(seen(&caller).await, "own2 base2 new");
}

#[tokio::test]
async fn a_large_import_makes_nobody_elses_memory_void() {
    let app = TestApp::start().await;
    suppliers(&app, 1000).await;
    let caller = app.account_that_resolves("devs@platform.example").await;
    caller.import("", format!("{BASE}S1,,,u,p\n")).await.expect(200);
    app.feed_has_caught_up().await;
    let trust = app.app.cluster.trust();
    let generation = |account: i64| {
        let owner = Owner::Bundle(AccountId(account), code("S1"));
        trust.begin(&owner).map(|reading| reading.generation)
    };
    let accounts = || (1..=100).map(|number| caller.account.0 + number).map(generation).collect::<Vec<_>>();
    let (own, before) = (generation(caller.account.0), accounts());
    let file = file_of(1..1001, |number| format!(",,u,p{number}"));
    assert_eq!(caller.import("", file).await.expect(200), report(1000, 999, 1, 0));
    app.feed_has_caught_up().await;
    assert_ne!(generation(caller.account.0), own);
    // Some share a number.
    let kept = accounts().iter().zip(&before).filter(|(one, other)| one == other).count();
    assert!(kept > 90, "{kept}");
}

#[tokio::test]
async fn ten_thousand_rows_take_as_many_statements_as_ten() {
    let mut app = TestApp::start().await;
    suppliers(&app, 10_000).await;
    let account = app.account("devs@platform.example").await.account;
    let (database, statements) = counted(&app.database.application);
    app.database.application = database;
    let other = app.other_process().await;
    let run = async |rows: Range<usize>| {
        let file = file_of(rows, |_| "su,sp,pu,pp".to_owned());
        let before = statements.so_far();
        let report = import_on(&other, account, file).await;
        (report.created, statements.so_far() - before)
    };
    // The account's data key is made, statements are prepared, connections opened.
    run(1..3).await;
    let (ten, ten_thousand) = (run(3..13).await, run(13..10_001).await);
    assert_eq!((ten.0, ten_thousand.0), (10, 9_988));
    // Ten write so little that most of them do not count their seals, and leases are renewed meanwhile.
    assert!(ten.1 >= 10 && ten_thousand.1 <= ten.1 + 20, "{ten:?} {ten_thousand:?}");
    assert_eq!(app.rows("select 1 as one from audit_events where action = 'credentials.created'").await.len(), 10_000);
    assert_eq!(app.audit_faults().await, [""; 0]);
}

#[tokio::test]
async fn no_data_key_seals_more_than_it_may_within_one_import() {
    let retirement = Retirement { seals: 20, stride: 1, ..Retirement::default() };
    let app = TestApp::start_with(|settings| settings.retirement = retirement).await;
    let caller = app.account_that_resolves("devs@platform.example").await;
    suppliers(&app, 35).await;
    caller
        .post(
            "/extra/v2/credentials",
            json!({"supplier_code": "HIT", "production_username": "u", "production_password": "p"}),
        )
        .await
        .expect(201);
    let file = file_of(1..36, |number| format!(",,u{number},p{number}"));
    assert_eq!(caller.import("", file).await.expect(200), report(35, 35, 0, 0));
    let sealed = app
        .rows(&format!(
            "select get_byte(production_password, 4) as generation, 2 * count(*) as seals
             from supplier_credentials where account_id = {} group by 1",
            caller.account
        ))
        .await;
    let counted =
        app.rows(&format!("select generation, seals from data_keys where account_id = {}", caller.account)).await;
    let by_generation = |rows: Vec<Value>| -> BTreeMap<i64, i64> {
        rows.iter().map(|row| (row["generation"].as_i64().unwrap(), row["seals"].as_i64().unwrap())).collect()
    };
    let (sealed, counted) = (by_generation(sealed), by_generation(counted));
    assert_eq!(sealed.values().sum::<i64>(), 72);
    // The post counted as four and sealed two.
    assert!(sealed.values().all(|seals| *seals <= 20), "{sealed:?}");
    assert!(sealed.iter().all(|(generation, seals)| counted[generation] >= *seals), "{sealed:?} {counted:?}");
    for number in [1, 20, 35] {
        let pair = pair(&caller, &format!("S{number}"), "INV", "PROD").await;
        assert_eq!(pair, [format!("u{number}"), format!("p{number}")]);
    }
}

#[tokio::test]
async fn an_import_is_for_the_account_that_the_caller_acts_for_and_for_no_other() {
    let app = TestApp::start().await;
    let (parent, stranger) =
        (app.account("parent@platform.example").await, app.account("other@platform.example").await);
    let child = app.subaccount(&parent, "c-1").await;
    stranger.import("", format!("{BASE}HIT,,,theirs,theirs\n")).await.expect(200);
    let before = stored(&app, stranger.account).await;
    // What others store is neither compared nor completed.
    let file = format!("{BASE}HIT,,,u,p\n");
    assert_eq!(parent.acting_for(child.account).import("", file.clone()).await.expect(200), report(1, 1, 0, 0));
    assert_eq!(
        parent.import("", format!("{BASE}HIT,,,,p\n")).await.expect(400)["errors"][0]["field"],
        "production_username"
    );
    assert_eq!(parent.import("", format!("{SERVICE}HIT,INV,PROD,u,p\n")).await.expect(400)["errors"][0]["row"], 2);
    assert_eq!(child.import("", file.clone()).await.expect(200), report(1, 0, 0, 1));
    let counts = async |caller: &Caller<'_>| caller.get("/extra/v2/credentials").await.expect(200)["count"].clone();
    assert_eq!([counts(&parent).await, counts(&child).await], [0, 1]);
    assert_eq!(events(&app, child.account).await, ["credentials.created HIT parent@platform.example"]);

    parent.acting_for(stranger.account).import("", file.clone()).await.expect(403);
    child.acting_for(parent.account).import("", file.clone()).await.expect(403);
    let reader = parent.with_scopes(&[Scope::CredentialsRead]).await;
    reader.import("?dry_run=true", file.clone()).await.expect_error(403, "The scope credentials:write is required");
    parent.with_no_key().import("", file).await.expect_error(403, "Not authenticated");
    assert_eq!(stored(&app, stranger.account).await, before);
}
