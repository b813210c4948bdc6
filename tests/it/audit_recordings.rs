//! The beginning and the end of an instance's recording are events of the operator's chain, and a beginning without an end is
//! a gap. Rows of the table `audit_writers` hide no gap and invent none.

use std::time::Duration;

use credenza::audit::{self, Action, Event};
use credenza::postgres::{self, Tenant};
use credenza::principal::Actor;
use credenza::types::AccountId;
use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::time::sleep;

use crate::support::cluster::in_tests;
use crate::support::installation::{Installation, Service};
use crate::support::program::eventually;
use crate::support::{Caller, TestApp};

/// An installation with an account whose key resolves.
struct Setup {
    installation: Installation,
    account: String,
    key: String,
}

impl Setup {
    async fn new() -> Self {
        let installation = Installation::new().await;
        let account = installation.account("Platform").await;
        let key = installation.key(&account, &["--scopes", "credentials:write,credentials:resolve"]).await;
        Self { installation, account, key }
    }

    /// Starts an instance that has recorded a resolve and goes on to answer from memory.
    async fn recording(&self) -> Service {
        let service = self.installation.serve().await;
        let base = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "p"});
        service.public.with_key(&self.key).post("/extra/v2/credentials", &base).await.expect(201);
        service.resolve(&self.key, &self.account, "HIT").await.expect(200);
        service
    }

    async fn admin(&self) -> PgConnection {
        self.installation.database.admin.connect().await.unwrap()
    }

    async fn sql(&self, statements: &str) {
        sqlx::raw_sql(in_tests(statements.to_owned())).execute(&mut self.admin().await).await.unwrap();
    }

    async fn rows<T>(&self, query: &str) -> Vec<T>
    where
        T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        sqlx::query_scalar(in_tests(query.to_owned())).fetch_all(&mut self.admin().await).await.unwrap()
    }

    /// The actions of the operator's chain about recordings, in order.
    async fn recordings(&self) -> Vec<String> {
        self.rows("select action from audit_events where account_id = 0 and action like 'resolves.%' order by sequence")
            .await
    }

    async fn verified(&self) -> Value {
        self.installation.run(&["audit", "verify", "--json"]).await.json()
    }
}

async fn kill(service: Service) {
    service.program.signal(Signal::KILL);
    service.program.end().await;
}

#[tokio::test]
async fn a_recording_begins_before_the_first_answer_from_memory_and_ends_at_the_stop() {
    let setup = Setup::new().await;
    let idle = setup.installation.serve().await;
    idle.program.stop().await.done();
    assert_eq!(setup.recordings().await, [""; 0]);
    let service = setup.recording().await;
    assert_eq!(setup.recordings().await, ["resolves.begun"]);
    let open = setup.verified().await["open_recordings"].take();
    assert_eq!((open.as_array().unwrap().len(), &open[0]["is_alive"]), (1, &json!(true)), "{open}");
    service.program.stop().await.done();
    assert_eq!(setup.recordings().await, ["resolves.begun", "resolves.ended"]);
    assert_eq!(setup.verified().await["open_recordings"], json!([]));
}

#[tokio::test]
async fn a_gap_is_found_without_the_table_by_the_chain_and_by_the_next_start() {
    let setup = Setup::new().await;
    kill(setup.recording().await).await;
    setup.sql("delete from audit_writers").await;
    // Nobody has recorded it yet.
    let open = setup.verified().await["open_recordings"].take();
    assert_eq!((open.as_array().unwrap().len(), &open[0]["is_alive"]), (1, &json!(false)), "{open}");
    let told = setup.installation.run(&["audit", "verify"]).await;
    assert!(told.done().contains("gap: instance"), "{told:?}");

    let next = setup.installation.serve().await;
    eventually("the gap is on record", async || setup.recordings().await == ["resolves.begun", "resolves.gap"]).await;
    next.program.stop().await.done();
    let since_beginning: Vec<bool> = setup
        .rows(
            "select gap.since = begun.occurred_at from audit_events gap join audit_events begun using (subject_id)
             where gap.action = 'resolves.gap' and begun.action = 'resolves.begun'",
        )
        .await;
    assert_eq!(since_beginning, [true]);
    let report = setup.verified().await;
    assert_eq!((&report["gaps"], &report["open_recordings"]), (&json!(1), &json!([])));
}

#[tokio::test]
async fn the_table_narrows_a_gap_only_with_a_genuine_row() {
    for (forgery, is_narrow) in [("select", true), ("update audit_writers set written_at = now()", false)] {
        let setup = Setup::new().await;
        let service = setup.recording().await;
        let later = "select written_at > occurred_at from audit_writers join audit_events on subject_id = writer_id
            where action = 'resolves.begun'";
        eventually("the row is later than the beginning", async || {
            service.resolve(&setup.key, &setup.account, "HIT").await.expect(200);
            setup.rows::<bool>(later).await == [true]
        })
        .await;
        kill(service).await;
        setup.sql(forgery).await;
        let next = setup.installation.serve().await;
        eventually("the gap is on record", async || setup.recordings().await.len() == 2).await;
        next.program.stop().await.done();
        let narrow = "select gap.since > begun.occurred_at and gap.since <= gap.occurred_at
            from audit_events gap join audit_events begun using (subject_id)
            where gap.action = 'resolves.gap' and begun.action = 'resolves.begun'";
        assert_eq!(setup.rows::<bool>(narrow).await, [is_narrow], "{forgery}");
    }
}

#[tokio::test]
async fn invented_rows_and_records_provoke_no_gap() {
    const INVENTED: &str = "00000000-0000-4000-8000-00000000000";
    let setup = Setup::new().await;
    kill(setup.recording().await).await;
    setup
        .sql(&format!(
            "insert into audit_writers values ('{INVENTED}1', '2001-02-03Z');
             insert into audit_events (account_id, format, sequence, occurred_at, action, outcome, subject_id, mac)
             select 0, 2, sequence + 1, '2001-02-03Z', 'resolves.begun', 200, '{INVENTED}2', sha256('')
             from audit_heads where account_id = 0;
             insert into audit_events (account_id, format, sequence, occurred_at, action, outcome, subject_id, mac)
             select 0, 2, sequence + 2, '2001-02-03Z', 'resolves.ended', 200,
                 (select subject_id from audit_events where action = 'resolves.begun' and account_id = 0 limit 1), sha256('')
             from audit_heads where account_id = 0;
             update audit_heads set sequence = sequence + 2, mac = sha256('') where account_id = 0"
        ))
        .await;
    // The genuine gap is recorded after the invented records, and no other is.
    let next = setup.installation.serve().await;
    let gaps = "select subject_id::text from audit_events where action = 'resolves.gap'";
    eventually("the gap is on record", async || setup.rows::<String>(gaps).await.len() == 1).await;
    next.program.stop().await.done();
    let another = setup.recording().await;
    another.program.stop().await.done();
    let genuine = "select subject_id::text from audit_events where action = 'resolves.begun' order by sequence limit 1";
    assert_eq!(setup.rows::<String>(gaps).await, setup.rows::<String>(genuine).await);
    let damaged = setup.installation.run(&["audit", "verify"]).await;
    assert_eq!(damaged.code, Some(1), "{damaged:?}");
}

#[tokio::test]
async fn an_instance_without_its_row_goes_on_and_its_end_is_recorded() {
    let setup = Setup::new().await;
    let service = setup.recording().await;
    setup.sql("delete from audit_writers").await;
    eventually("the row is there again", async || {
        service.resolve(&setup.key, &setup.account, "HIT").await.expect(200);
        setup.rows::<i32>("select 1 from audit_writers").await == [1]
    })
    .await;
    assert_eq!(setup.recordings().await, ["resolves.begun"]);
    service.program.stop().await.done();
    assert_eq!(setup.recordings().await, ["resolves.begun", "resolves.ended"]);
}

async fn resolving(app: &TestApp) -> Caller<'_> {
    let caller = app.account_that_resolves("devs@platform.example").await;
    caller.resolve("HIT", "INV", "PROD").await.expect(403);
    caller
}

#[tokio::test]
async fn an_instance_that_was_taken_for_gone_begins_again() {
    let app = TestApp::start().await;
    let caller = resolving(&app).await;
    let writer: Vec<Value> = app.rows("select writer_id from audit_writers").await;
    let instance = writer[0]["writer_id"].as_str().unwrap().parse().unwrap();
    let mut transaction = postgres::begin(&app.app.pool, Tenant::Every).await.unwrap();
    let (key, now) = (&app.app.audit_key, app.app.clock.now());
    let gap = Event { since: Some(now), ..Event::about(Action::ResolvesGap, instance) };
    audit::record(&mut transaction, key, AccountId::OPERATOR, &Actor::operator(), now, &[gap]).await.unwrap();
    sqlx::query("delete from audit_writers").execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
    eventually("the recording begins again", async || {
        caller.resolve("HIT", "INV", "PROD").await.expect(403);
        app.rows("select sequence from audit_events where action = 'resolves.begun'").await.len() == 2
    })
    .await;
    assert_eq!(app.audit_faults().await, Vec::<String>::new());
    app.app.close().await;
    let actions =
        app.rows("select action from audit_events where account_id = 0 and action like 'resolves.%' order by sequence");
    let expected = ["resolves.begun", "resolves.gap", "resolves.begun", "resolves.ended"];
    assert_eq!(actions.await, expected.map(|action| json!({"action": action})));
}

#[tokio::test]
async fn notes_from_before_the_upgrade_become_gaps_once() {
    const FORMER: &str = "11111111-1111-4111-8111-111111111111";
    let setup = Setup::new().await;
    setup
        .sql(&format!(
            "insert into audit_writers values ('{FORMER}', '2026-01-02T03:04:05Z');
             insert into audit_former_writers values ('{FORMER}', '2026-01-02T03:04:05Z')"
        ))
        .await;
    for _ in 0..2 {
        let service = setup.installation.serve().await;
        let gap = "select since = '2026-01-02T03:04:05Z' from audit_events where action = 'resolves.gap'";
        eventually("the gap is on record", async || setup.rows::<bool>(gap).await == [true]).await;
        service.program.stop().await.done();
        // Its note is put back by somebody.
        setup.sql(&format!("insert into audit_writers values ('{FORMER}', now()) on conflict do nothing")).await;
    }
    let kept = setup.recording().await;
    kept.program.stop().await.done();
    assert_eq!(setup.recordings().await, ["resolves.gap", "resolves.begun", "resolves.ended"]);
}

#[tokio::test]
async fn the_applications_role_deletes_no_heads_and_writes_no_former_notes() {
    let app = TestApp::start().await;
    let mut connection = app.database.application.connect().await.unwrap();
    for statement in [
        "delete from audit_heads",
        "delete from audit_events",
        "update audit_events set action = 'x'",
        "insert into audit_former_writers values (gen_random_uuid(), now())",
        "update audit_former_writers set written_at = now()",
        "delete from audit_former_writers",
    ] {
        let refused = sqlx::raw_sql(statement).execute(&mut connection).await.unwrap_err();
        assert!(refused.to_string().contains("permission denied"), "{statement}: {refused}");
    }
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_slow_at_the_stop_leaves_no_gap() {
    let setup = Setup::new().await;
    let service = setup.recording().await;
    let mut holder = setup.admin().await;
    let lock = format!("begin; select from audit_heads where account_id = {} for update", setup.account);
    sqlx::raw_sql(in_tests(lock)).execute(&mut holder).await.unwrap();
    service.resolve(&setup.key, &setup.account, "HIT").await.expect(200);
    service.program.signal(Signal::TERM);
    eventually("the lease is given up", async || setup.rows::<i32>("select 1 from instances").await.is_empty()).await;
    // Longer than everything else may take at a stop, and shorter than the events may take.
    sleep(Duration::from_secs(4)).await;
    drop(holder);
    service.program.end().await.done();
    assert_eq!(setup.recordings().await, ["resolves.begun", "resolves.ended"]);
    let resolved = "select 1 from audit_events where action = 'credentials.resolved'";
    assert_eq!(setup.rows::<i32>(resolved).await.len(), 2);
}

#[tokio::test]
async fn an_event_that_cannot_be_written_at_the_stop_is_a_gap() {
    let setup = Setup::new().await;
    let service = setup.recording().await;
    let mut holder = setup.admin().await;
    let lock = format!("begin; select from audit_heads where account_id = {} for update", setup.account);
    sqlx::raw_sql(in_tests(lock)).execute(&mut holder).await.unwrap();
    service.resolve(&setup.key, &setup.account, "HIT").await.expect(200);
    let ended = service.program.stop().await;
    assert!(ended.stderr.contains("events of resolves could not be written"), "{ended:?}");
    drop(holder);
    let next = setup.installation.serve().await;
    eventually("the gap is on record", async || setup.recordings().await == ["resolves.begun", "resolves.gap"]).await;
    next.program.stop().await.done();
}
