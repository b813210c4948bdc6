//! The database's walls at the start: `serve` refuses a database on which one is down, and `doctor` names it.

use std::fs;
use std::path::Path;

use credenza::postgres::walls;
use sqlx::{ConnectOptions, Connection};

use crate::support::cluster::{self, in_tests, setting};
use crate::support::installation::Installation;
use crate::which_server::{server_and_standby, socket};

/// Compares the list that is compiled in with the catalogue that the migrations make. `UPDATE_SNAPSHOTS=1` writes it anew.
#[tokio::test]
async fn the_expected_catalogue_is_that_of_the_migrations() {
    let database = cluster::database().await;
    let mut admin = database.admin.connect().await.unwrap();
    let catalogue = walls::catalogue(&mut admin).await.unwrap();
    let line = |lines: String, (subject, state): (&String, &String)| lines + subject + " = " + state + "\n";
    let lines = catalogue.iter().fold(String::new(), line);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/postgres/walls/expected.txt");
    if setting("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&file, &lines).unwrap();
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), lines, "UPDATE_SNAPSHOTS=1 writes {} anew", file.display());
}

#[tokio::test]
async fn a_wall_that_is_down_is_refused_and_named() {
    let installation = Installation::new().await;
    let mut admin = installation.database.admin.connect().await.unwrap();
    let name = installation.database.admin.get_database().unwrap();
    let table = "alter table supplier_credentials";
    let definition = "select pg_get_functiondef('plan_of_parent()'::regprocedure)";
    let plan_of_parent: String = sqlx::query_scalar(definition).fetch_one(&mut admin).await.unwrap();
    for (down, up, check, named) in [
        (
            format!("{table} disable row level security"),
            format!("{table} enable row level security"),
            "walls",
            "table supplier_credentials: `no row security, forced`",
        ),
        (
            format!("{table} no force row level security"),
            format!("{table} force row level security"),
            "walls",
            "table supplier_credentials: `row security` instead",
        ),
        (
            "alter policy tenant on supplier_credentials using (true)".to_owned(),
            "alter policy tenant on supplier_credentials using (account_id = current_tenant() or every_tenant())"
                .to_owned(),
            "walls",
            "policies on supplier_credentials: `tenant: permissive for * to {} using true",
        ),
        (
            "create policy further on supplier_credentials using (true)".to_owned(),
            "drop policy further on supplier_credentials".to_owned(),
            "walls",
            "policies on supplier_credentials",
        ),
        (
            format!("{table} disable trigger user"),
            format!("{table} enable trigger user"),
            "walls",
            "on supplier_credentials: `disabled` instead of `enabled`",
        ),
        (format!("{table} disable trigger all"), format!("{table} enable trigger all"), "walls", "`not enforced`"),
        (
            "alter function plan_of_parent() rename to other_plan".to_owned(),
            "alter function other_plan() rename to plan_of_parent".to_owned(),
            "walls",
            "function plan_of_parent(): is gone",
        ),
        (
            "create or replace function plan_of_parent() returns text language sql as $$ select 'enterprise' $$"
                .to_owned(),
            plan_of_parent,
            "walls",
            "function plan_of_parent(): is another one",
        ),
        (
            format!("alter database {name} set default_transaction_read_only = on"),
            format!("alter database {name} reset default_transaction_read_only"),
            "server",
            "sessions are read-only",
        ),
        (
            format!("alter database {name} set session_replication_role = replica"),
            format!("alter database {name} reset session_replication_role"),
            "server",
            "triggers do not fire",
        ),
    ] {
        sqlx::raw_sql(in_tests(down.clone())).execute(&mut admin).await.unwrap();
        installation.run(&["serve"]).await.refused(1, named);
        let doctor = installation.run(&["doctor"]).await;
        assert_eq!(doctor.code, Some(1), "{down}: {doctor:?}");
        assert!(doctor.stdout.contains(&format!("WRONG    {check}")) && doctor.stdout.contains(named), "{doctor:?}");
        sqlx::raw_sql(in_tests(up)).execute(&mut admin).await.unwrap();
    }
    admin.close().await.unwrap();
    assert!(!installation.run(&["doctor"]).await.stdout.contains("WRONG"));
}

#[tokio::test]
async fn a_server_without_fsync_is_refused_unless_its_name_permits_the_loss_of_data() {
    let mut options = cluster::options(false);
    let server = embedded_postgres::Embedded::start(options.clone(), &mut |_| ()).await.unwrap();
    cluster::prepare(&server).await;
    let mut admin = server.admin_options("postgres").connect().await.unwrap();
    sqlx::raw_sql("alter system set fsync = off").execute(&mut admin).await.unwrap();
    admin.close().await.unwrap();
    server.stop().await.unwrap();
    options.durable = true;
    let server = embedded_postgres::Embedded::start(options, &mut |_| ()).await.unwrap();
    let installation = Installation::on(&server, cluster::Database::of(&server, "credenza"));
    installation.run(&["serve"]).await.refused(1, "fsync = off");
    let doctor = installation.run(&["doctor"]).await;
    assert!(doctor.stdout.contains("WRONG    server       the server runs with fsync = off"), "{doctor:?}");

    // As when the role has used up its connections.
    let mut admin = server.admin_options("credenza").connect().await.unwrap();
    sqlx::raw_sql("alter role credenza connection limit 0").execute(&mut admin).await.unwrap();
    admin.close().await.unwrap();
    let doctor = installation.run(&["doctor"]).await;
    assert!(doctor.stdout.contains("too many connections for role"), "{doctor:?}");
    assert!(doctor.stdout.contains("-> give it room: `alter role … connection limit`"), "{doctor:?}");
    server.discard().await.unwrap();
}

#[tokio::test]
async fn an_older_version_starts_on_a_newer_schema() {
    let installation = Installation::new().await;
    let mut admin = installation.database.admin.connect().await.unwrap();
    let newer = "create or replace function members_lock() returns bigint immutable language sql as $$ select 1 $$;
                 insert into _sqlx_migrations (version, description, success, checksum, execution_time)
                 values (9999, 'of a newer version', true, '', 0)";
    sqlx::raw_sql(newer).execute(&mut admin).await.unwrap();
    installation.serve().await.program.stop().await.done();
    sqlx::raw_sql("alter table accounts disable row level security").execute(&mut admin).await.unwrap();
    installation.run(&["serve"]).await.refused(1, "table accounts: `no row security, forced`");
}

#[tokio::test]
async fn a_standby_is_refused_and_named() {
    let (installation, primary, standby) = server_and_standby(async |_| {}).await;
    let folder = |server| socket(server).to_str().unwrap().replace('/', "%2F");
    let url = installation.setting("DATABASE_URL").replace(&folder(&primary), &folder(&standby));
    let on_standby = installation.with("DATABASE_URL", &url);
    on_standby.run(&["serve"]).await.refused(1, "standby");
    let doctor = on_standby.run(&["doctor"]).await;
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    assert!(doctor.stdout.contains("WRONG    server") && doctor.stdout.contains("standby"), "{doctor:?}");
    assert!(!installation.run(&["doctor"]).await.stdout.contains("WRONG    server"));
}
