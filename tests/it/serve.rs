//! `credenza serve`: from an empty database to a service, as roles that may do no more than they need, and to its end.

use rustix::process::Signal;
use serde_json::json;
use sqlx::{ConnectOptions, Connection, PgConnection, query, query_scalar};

use crate::support::cluster::in_tests;
use crate::support::installation::Installation;
use crate::support::program::eventually;
use crate::support::skip::skip;

#[tokio::test]
async fn a_database_that_was_never_migrated_is_refused_until_it_is() {
    let installation = Installation::unmigrated().await;
    let sentence = "the database's schema is older than this version needs: run `credenza migrate`";
    installation.run(&["serve"]).await.refused(1, sentence);

    let migrated = installation.run(&["migrate"]).await;
    assert!(migrated.done().starts_with("the schema is at migration "), "{migrated:?}");
    let account = installation.account("A").await;
    let key = installation.key(&account, &[]).await;
    let service = installation.serve().await;
    let body = json!({"supplier_code": "HIT", "production_username": "me", "production_password": "secret"});
    service.public.with_key(&key).post("/extra/v2/credentials", &body).await.expect(201);
    let finished = service.program.stop().await;
    assert_eq!(finished.done(), "");
}

#[tokio::test]
async fn the_services_role_may_work_with_rows_and_nothing_else() {
    let installation = Installation::unmigrated().await;
    installation.run(&["migrate"]).await.done();
    installation.account("one with evidence").await;
    let mut connection = installation.database.application.connect().await.unwrap();
    let role = query_scalar::<_, bool>(
        "select rolsuper or rolbypassrls or rolcreatedb or rolcreaterole from pg_roles where rolname = current_user",
    );
    assert!(!role.fetch_one(&mut connection).await.unwrap());
    for forbidden in [
        "alter table accounts add column more text",
        "drop table audit_events",
        "create table more (id int)",
        "drop trigger accounts_announce on accounts",
        "alter table accounts disable trigger all",
        "create or replace function announce_key() returns trigger language plpgsql as 'begin return null; end'",
        "update audit_events set action = action",
        "delete from audit_events",
        "truncate audit_events",
        "delete from _sqlx_migrations",
    ] {
        assert_eq!(refusal(&mut connection, forbidden).await.as_deref(), Some("42501"), "{forbidden}");
    }
    sqlx::raw_sql("set credenza.every_account = 'on'").execute(&mut connection).await.unwrap();
    let events: i64 = query_scalar("select count(*) from audit_events").fetch_one(&mut connection).await.unwrap();
    assert!(events > 0);
}

/// The SQLSTATE that a statement ends with.
async fn refusal(connection: &mut PgConnection, statement: &str) -> Option<String> {
    let result = sqlx::raw_sql(in_tests(statement.to_owned())).execute(connection).await;
    Some(result.err()?.as_database_error()?.code()?.into_owned())
}

#[tokio::test]
async fn a_request_under_way_completes_before_the_service_stops() {
    let installation = Installation::new().await;
    let account = installation.account("A").await;
    let key = installation.key(&account, &[]).await;
    let mut service = installation.serve().await;

    let mut admin = installation.database.admin.connect().await.unwrap();
    let mut lock = installation.database.admin.connect().await.unwrap();
    let mut held = lock.begin().await.unwrap();
    query("lock table supplier_credentials in exclusive mode").execute(&mut *held).await.unwrap();
    let public = service.public.with_key(&key);
    let request = tokio::spawn(async move {
        let body = json!({"supplier_code": "HIT", "production_username": "me", "production_password": "secret"});
        public.post("/extra/v2/credentials", &body).await
    });
    eventually("the request waits for the lock", async || {
        let waiting = "select exists (select from pg_locks where not granted
             and relation = 'supplier_credentials'::regclass
             and database = (select oid from pg_database where datname = current_database()))";
        query_scalar(waiting).fetch_one(&mut admin).await.unwrap()
    })
    .await;

    service.program.signal(Signal::TERM);
    eventually("no new connection is taken", async || service.public.refuses().await).await;
    assert!(!service.program.has_ended() && !request.is_finished());
    held.commit().await.unwrap();
    request.await.unwrap().expect(201);
    service.program.end().await.done();
}

#[tokio::test]
async fn a_signal_right_after_the_start_is_not_missed() {
    let installation = Installation::new().await;
    for _ in 0..5 {
        // Returns as soon as the log says that it serves.
        installation.serve().await.program.stop().await.done();
    }
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_end() {
    let installation = Installation::new().await.with("CREDENZA_DRAIN_LIMIT", "10m");
    let service = installation.serve().await;
    let _silent = service.public.connect().await;
    let _kept = service.public.connect_and_ask("/healthz").await;
    service.program.signal(Signal::TERM);
    // Long before it would cut off requests.
    service.program.end().await.done();
}

#[tokio::test]
async fn core_dumps_are_forbidden() {
    let installation = Installation::new().await;
    let service = installation.serve().await;
    let Ok(limits) = std::fs::read_to_string(format!("/proc/{}/limits", service.program.pid().as_raw_pid())) else {
        skip!("no /proc to read the limits of a process in");
        return;
    };
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    service.program.stop().await.done();
}

/// By a command that waits for standard input. As root under another account: root itself may read everything.
#[tokio::test]
async fn the_memory_of_every_command_is_closed_to_its_own_user() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_credenza"));
    command.args(["doctor", "--key-stdin"]).stdin(std::process::Stdio::piped());
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        std::os::unix::process::CommandExt::uid(&mut command, 65534);
    }
    let Ok(mut child) = command.spawn() else {
        skip!("the account `nobody` may not run the program here");
        return;
    };
    let process = std::path::PathBuf::from(format!("/proc/{}", child.id()));
    if !process.exists() {
        skip!("no /proc to look at a process in");
        return;
    }
    eventually("it is closed", async || {
        let memory = process.join("mem");
        // The system gives the files of such a process to root.
        let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&memory).unwrap());
        if is_root { owner == 0 } else { std::fs::File::open(&memory).is_err() }
    })
    .await;
    let limits = std::fs::read_to_string(process.join("limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let installation = Installation::new().await.with("CREDENZA_LISTEN", &address);
    installation.run(&["serve"]).await.refused(1, &format!("cannot listen on {address}"));
}
