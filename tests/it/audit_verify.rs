//! Somebody with the database and without the key damages the evidence by hand, and verification names the record and the
//! kind of damage.

use credenza::audit::checkpoint::{Checkpoint, InvalidCheckpoint};
use serde_json::json;

use crate::support::installation::{Installation, file};
use crate::support::{Caller, TestApp};

const NONE: [&str; 0] = [];

/// An application with two accounts, each with ten records.
struct Recorded {
    app: TestApp,
    a: i64,
    b: i64,
}

impl Recorded {
    async fn start() -> Self {
        let app = TestApp::start().await;
        let mut accounts = [0; 2];
        for (index, account) in accounts.iter_mut().enumerate() {
            let caller = app.account(&format!("devs-{index}@platform.example")).await;
            write(&caller, 7).await;
            *account = caller.account.0;
        }
        assert_eq!(app.audit_faults().await, NONE);
        let [a, b] = accounts;
        app.sql("create table all_events as table audit_events; create table all_heads as table audit_heads").await;
        Self { app, a, b }
    }

    /// The faults after statements that a superuser runs, which are undone; `A` and `B` stand for the accounts.
    async fn after(&self, statements: &str) -> Vec<String> {
        let (a, b) = (self.a.to_string(), self.b.to_string());
        self.app.sql(&statements.replace('A', &a).replace('B', &b)).await;
        let faults = self.app.audit_faults().await;
        self.app
            .sql(
                "delete from audit_events; insert into audit_events select * from all_events;
                 delete from audit_heads; insert into audit_heads select * from all_heads",
            )
            .await;
        let (a, b) = (format!("{a} "), format!("{b} "));
        let name = |fault: String| match (fault.strip_prefix(&a), fault.strip_prefix(&b)) {
            (Some(rest), _) => format!("A {rest}"),
            (_, Some(rest)) => format!("B {rest}"),
            _ => fault,
        };
        faults.into_iter().map(name).collect()
    }
}

async fn write(caller: &Caller<'_>, times: usize) {
    for _ in 0..times {
        caller.post("/extra/v2/credentials", json!({"supplier_code": "HIT"})).await.expect(201);
    }
}

#[tokio::test]
async fn a_changed_record_is_named() {
    let recorded = Recorded::start().await;
    for change in [
        "occurred_at = occurred_at + interval '1 microsecond'",
        "action = 'credentials.deleted'",
        "acting_account_id = B",
        "acting_account_id = null",
        "user_email = 'somebody@else.example'",
        "key_id = gen_random_uuid()",
        "supplier_code = 'PCNA'",
        "service = 'INV'",
        "environment = ''",
        "subject_id = gen_random_uuid()",
        "outcome = 403",
        "source = 'account'",
        "asked_account_id = 1",
        "since = now()",
        "request_id = null",
        "client_address = '192.0.2.1'",
        "format = 1",
        "format = 1, outcome = null",
        "mac = sha256('')",
    ] {
        let update = format!("update audit_events set {change} where account_id = A and sequence = 5");
        assert_eq!(recorded.after(&update).await, ["A 5-5 changed"], "{change}");
    }
}

#[tokio::test]
async fn the_first_and_the_last_record_and_several_at_once_are_named() {
    let recorded = Recorded::start().await;
    let update = "update audit_events set outcome = 403 where account_id = A and sequence in (1, 4, 10)";
    assert_eq!(recorded.after(update).await, ["A 1-1 changed", "A 4-4 changed", "A 10-10 changed"]);
    let both = "update audit_events set outcome = 403 where sequence = 6 and account_id in (A, B)";
    assert_eq!(recorded.after(both).await, ["A 6-6 changed", "B 6-6 changed"]);
}

#[tokio::test]
async fn deleted_records_are_named() {
    let recorded = Recorded::start().await;
    assert_eq!(
        recorded.after("delete from audit_events where account_id = A and sequence in (4, 5, 8)").await,
        ["A 4-5 deleted", "A 8-8 deleted"]
    );
    assert_eq!(
        recorded.after("delete from audit_events where account_id = A and sequence = 1").await,
        ["A 1-1 deleted"]
    );
    // To close the gap is of no use.
    let closed = "delete from audit_events where account_id = A and sequence = 8;
        update audit_events set sequence = sequence - 1 where account_id = A and sequence = 9;
        update audit_events set sequence = sequence - 1 where account_id = A and sequence = 10;
        update audit_heads set sequence = 9 where account_id = A";
    assert_eq!(recorded.after(closed).await, ["A 8-8 changed", "A 9-9 unproven"]);
}

const SWAP: &str = "update audit_events set sequence = -1 where account_id = A and sequence = X;
    update audit_events set sequence = X where account_id = A and sequence = Y;
    update audit_events set sequence = Y where account_id = A and sequence = -1;";

#[tokio::test]
async fn reordered_records_are_named() {
    let recorded = Recorded::start().await;
    for (x, y) in [(4, 5), (3, 8), (9, 10)] {
        let swap = SWAP.replace('X', &x.to_string()).replace('Y', &y.to_string());
        let head = "update audit_heads set mac = (select mac from audit_events where account_id = A and sequence = 10)
            where account_id = A";
        let found = recorded.after(&format!("{swap}{head}")).await;
        assert_eq!(found, [format!("A {x}-{x} reordered"), format!("A {y}-{y} reordered")]);
    }
}

#[tokio::test]
async fn a_record_that_is_played_again_is_named() {
    let recorded = Recorded::start().await;
    let copy = |to: &str, at: i64| {
        format!(
            "create temporary table copied as select * from audit_events where account_id = A and sequence = 4;
             update copied set account_id = {to}, sequence = {at};
             delete from audit_events where account_id = {to} and sequence = {at};
             insert into audit_events select * from copied;"
        )
    };
    let head = "update audit_heads set sequence = 11, mac = (select mac from copied) where account_id = A";
    assert_eq!(recorded.after(&format!("{}{head}", copy("A", 11))).await, ["A 11-11 replayed"]);
    // Whatever was chained to the one in whose place it stands cannot be proven.
    assert_eq!(recorded.after(&copy("A", 7)).await, ["A 7-7 replayed", "A 8-8 unproven"]);
    assert_eq!(recorded.after(&copy("B", 7)).await, ["B 7-7 replayed", "B 8-8 unproven"]);
}

#[tokio::test]
async fn missing_last_records_and_a_wrong_head_are_named() {
    let recorded = Recorded::start().await;
    for (statements, fault) in [
        ("delete from audit_events where account_id = A and sequence > 7", "A 8-10 truncated"),
        ("delete from audit_events where account_id = A", "A 1-10 truncated"),
        ("update audit_heads set sequence = 7 where account_id = A", "A 8-10 behind_head"),
        ("update audit_heads set mac = sha256('') where account_id = A", "A 10-10 head_changed"),
        ("delete from audit_heads where account_id = A", "A 10-10 head_missing"),
        (
            "delete from audit_heads where account_id = A; delete from audit_events where account_id = A",
            "A 0-0 no_chain",
        ),
        (
            "insert into audit_events (account_id, sequence, occurred_at, action, mac)
             values (A, 0, now(), 'user.created', sha256(''))",
            "A 0-0 changed",
        ),
    ] {
        assert_eq!(recorded.after(statements).await, [fault], "{statements}");
    }
}

/// Cuts the last records off, and puts the head back to where they are no more missed.
const REWIND: &str = "delete from audit_events where account_id = A and sequence > 7;
    update audit_heads set sequence = 7,
        mac = (select mac from audit_events where account_id = A and sequence = 7) where account_id = A";

#[tokio::test]
async fn only_a_checkpoint_detects_a_chain_restored_with_its_head() {
    let Recorded { app, a, .. } = Recorded::start().await;
    let checkpoints = app.checkpoints().await;
    assert_eq!(app.audit_faults_against(&checkpoints).await, NONE);
    app.sql(&REWIND.replace('A', &a.to_string())).await;
    assert_eq!(app.audit_faults().await, NONE);
    assert_eq!(app.audit_faults_against(&checkpoints).await, [format!("{a} 8-10 rewound")]);
    let gone =
        format!("delete from audit_events where account_id = {a}; delete from audit_heads where account_id = {a}");
    app.sql(&format!("{gone}; set session_replication_role = replica; delete from accounts where id = {a}")).await;
    assert_eq!(app.audit_faults().await, NONE);
    assert_eq!(app.audit_faults_against(&checkpoints).await, [format!("{a} 1-10 rewound")]);
}

#[tokio::test]
async fn a_restored_backup_that_went_on_is_a_fork() {
    let Recorded { app, a, .. } = Recorded::start().await;
    let caller = app.account("third@platform.example").await;
    let b = caller.account;
    write(&caller, 7).await;
    let mut checkpoints = app.checkpoints().await;
    app.sql("create table saved_events as table audit_events; create table saved_heads as table audit_heads").await;
    write(&caller, 3).await;
    checkpoints.extend(app.checkpoints().await);
    app.sql(
        "truncate audit_events, audit_heads; insert into audit_events table saved_events;
         insert into audit_heads table saved_heads",
    )
    .await;
    write(&caller, 5).await;
    // Every record is genuine.
    assert_eq!(app.audit_faults().await, NONE);
    let (key, pool) = (&app.app.audit_key, &app.app.pool);
    let report = credenza::audit::verify::verify(pool, key, None, &checkpoints, |_| ()).await.unwrap();
    let told: Vec<_> = report.faults.iter().map(credenza::audit::verify::Fault::sentence).collect();
    let [fault] = told.as_slice() else { panic!("{told:?}") };
    assert!(
        fault.starts_with(&format!("account {b}: record 13 forked")) && fault.contains("behind record 10"),
        "{fault}"
    );
    let of_another =
        credenza::audit::verify::verify(pool, key, Some(credenza::types::AccountId(a)), &checkpoints, |_| ());
    assert!(of_another.await.unwrap().is_sound());
}

#[tokio::test]
async fn a_checkpoint_is_refused_when_it_was_changed_and_not_taken_of_a_damaged_end() {
    let Recorded { app, a, .. } = Recorded::start().await;
    let checkpoint = app.checkpoints().await.pop().unwrap();
    let key = &app.app.audit_key;
    let (words, json) = (checkpoint.to_string(), serde_json::to_string(&checkpoint).unwrap());
    assert_eq!(Checkpoint::read(&words, key).as_ref(), Ok(&checkpoint));
    assert_eq!(Checkpoint::read(&json, key).as_ref(), Ok(&checkpoint));
    for (from, to) in
        [("sequence=10", "sequence=9"), ("account=", "account=1"), ("mac=", "mac=0"), ("at=2026", "at=2025")]
    {
        assert_eq!(Checkpoint::read(&words.replace(from, to), key), Err(InvalidCheckpoint::Signature), "{to}");
    }
    for line in ["", "credenza-audit-checkpoint-1", "{}", "credenza-audit-checkpoint-1 account=1"] {
        assert_eq!(Checkpoint::read(line, key), Err(InvalidCheckpoint::Form), "{line}");
    }
    app.sql(&format!("update audit_heads set sequence = 9 where account_id = {a}")).await;
    let mut transaction = app.app.read(credenza::postgres::Tenant::Every).await.unwrap();
    let taken = credenza::audit::checkpoint::take(&mut transaction, key, None, app.app.clock.now(), |_| ()).await;
    assert!(taken.unwrap_err().to_string().contains(&format!("account {a} is damaged")));
}

#[tokio::test]
async fn records_of_the_first_format_stay_proven() {
    let app = TestApp::start().await;
    // What the version before this one wrote for account 7 under the tests' key.
    app.sql(include_str!("audit_first_format.sql")).await;
    assert_eq!(app.audit_faults().await, NONE);
    app.sql("update audit_events set outcome = 200 where account_id = 7 and sequence = 1").await;
    assert_eq!(app.audit_faults().await, ["7 1-1 changed"]);
}

#[tokio::test]
async fn the_command_line_reports_as_text_and_as_json() {
    let installation = Installation::new().await;
    let account = installation.account("Platform").await;
    let taken = installation.run(&["audit", "checkpoint"]).await;
    let kept = file("heads", &format!("{}\n", taken.done()));
    let taken = installation.run(&["audit", "checkpoint", "--account", &account, "--json"]).await;
    assert_eq!(taken.json()["account_id"].to_string(), account);
    installation.run(&["audit", "checkpoint", "--account", "4711"]).await.refused(1, "account 4711 has no chain");

    let sound = installation.run(&["audit", "verify", "--against", &kept]).await;
    assert!(sound.done().ends_with("no damage, against 1 checkpoints"), "{sound:?}");
    assert!(
        installation.run(&["audit", "verify"]).await.done().contains("2 records in 1 chains: no damage; without a")
    );
    let wrong = file("heads", &taken.done().replace("\"sequence\":2", "\"sequence\":1"));
    installation.run(&["audit", "verify", "--against", &wrong]).await.refused(1, "is not signed with this audit key");
    installation.run(&["audit", "verify", "--against", "/nowhere"]).await.refused(1, "`/nowhere` cannot be read");

    let mut admin = sqlx::ConnectOptions::connect(&installation.database.admin).await.unwrap();
    sqlx::raw_sql("update audit_events set outcome = 403 where sequence = 2").execute(&mut admin).await.unwrap();
    let damaged = installation.run(&["audit", "verify", "--account", &account]).await;
    assert_eq!(damaged.code, Some(1));
    assert!(damaged.stdout.starts_with(&format!("account {account}: record 2 changed")), "{damaged:?}");
    let damaged = installation.run(&["audit", "verify", "--json"]).await;
    assert_eq!(damaged.code, Some(1));
    let report: serde_json::Value = serde_json::from_str(damaged.stdout.trim_end()).unwrap();
    let fault = &report["faults"][0];
    assert_eq!((&fault["first"], &fault["last"], &fault["damage"]), (&json!(2), &json!(2), &json!("changed")));
    // The check of everything looks at the chains as well.
    let everything = installation.run(&["verify"]).await;
    assert!(everything.stdout.contains(&format!("account {account}: record 2 changed")), "{everything:?}");
    assert!(everything.code == Some(1) && everything.stderr.contains("the audit is damaged"), "{everything:?}");
}
