//! The drill of `docs/OPERATIONS.md`, with its own commands: dump, lose everything, restore into an empty cluster, look
//! whether all is well, resolve.

use std::path::PathBuf;

use embedded_postgres::Embedded;
use embedded_postgres::programs::{Places, find};
use serde_json::json;
use sqlx::{ConnectOptions, Connection, query_scalar};
use tokio::process::Command;

use crate::support::cluster::{Database, PASSWORD, in_tests, options, scratch_folder, server, setting};
use crate::support::installation::Installation;
use crate::support::program::{Finished, run};
use crate::support::skip::skip;

const OPERATIONS: &str = include_str!("../../docs/OPERATIONS.md");

/// The commands of the drill, in order: dump, restore, look.
fn drill() -> [&'static str; 3] {
    let text = OPERATIONS.split("### The drill").nth(1).unwrap().split("\n### ").next().unwrap();
    let blocks: Vec<_> = text.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    blocks.try_into().unwrap_or_else(|blocks| panic!("not three blocks: {blocks:?}"))
}

/// The folder with the programs of the server, if the clients are there as well: packages bring both, the wheel may not.
async fn clients() -> Option<PathBuf> {
    let setting_of = |name| setting(name).map(PathBuf::from);
    let places =
        Places { setting: setting_of("CREDENZA_POSTGRES_BIN"), search_path: setting("PATH"), root: PathBuf::from("/") };
    let folders = find(&places).await.ok()?.folders;
    let complete = |folder: &&PathBuf| ["pg_dump", "pg_restore", "psql"].iter().all(|name| folder.join(name).exists());
    folders.first().filter(complete).cloned()
}

/// Somebody who pastes commands into a shell.
struct Shell {
    installation: Installation,
    clients: PathBuf,
    folder: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Shell {
    async fn paste(&self, commands: &str) -> Finished {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_credenza"));
        let path = format!(
            "{}:{}:{}",
            program.parent().unwrap().display(),
            self.clients.display(),
            setting("PATH").unwrap().to_str().unwrap()
        );
        let mut shell = Command::new("/bin/sh");
        shell.args(["-e", "-c", commands]).current_dir(&self.folder).env_clear().env("PATH", path).kill_on_drop(true);
        shell.envs(self.installation.settings.iter().map(|(name, value)| (name, value)));
        shell.envs(self.variables.iter().map(|(name, value)| (name, value)));
        run(shell, "").await
    }
}

#[tokio::test]
async fn a_backup_is_restored_into_an_empty_cluster() {
    let Some(clients) = clients().await else {
        skip!("no pg_dump, pg_restore and psql with the server programs");
        return;
    };
    let [dump, restore, look] = drill();
    let installation = Installation::new().await;
    let name = installation.database.admin.get_database().unwrap().to_owned();
    let account = installation.account("A").await;
    let key = installation.key(&account, &["--scopes", "credentials:write,credentials:resolve"]).await;
    let service = installation.serve().await;
    let body = json!({"supplier_code": "HIT", "production_username": "me", "production_password": "hunter2"});
    service.public.with_key(&key).post("/extra/v2/credentials", &body).await.expect(201);

    // While the service runs.
    let folder = scratch_folder("backup");
    let admin_url = server().await.admin_url(&name);
    let variables = vec![("ADMIN_URL", admin_url)];
    let shell = Shell { installation, clients, folder, variables };
    shell.paste(dump).await.done();
    service.program.stop().await.done();
    let backup = std::fs::read(shell.folder.join("credenza.dump")).unwrap();
    assert!(!backup.windows(7).any(|window| window == b"hunter2"));

    let mut cluster = server().await.admin_options("postgres").connect().await.unwrap();
    sqlx::raw_sql(in_tests(format!("drop database {name}"))).execute(&mut cluster).await.unwrap();
    let fresh = Embedded::start(options(false), &mut |step| eprintln!("{step}")).await.unwrap();
    let restored = Installation::on(&fresh, Database::of(&fresh, "credenza"));
    let variables = vec![
        ("NEW_CLUSTER_URL", fresh.admin_url("postgres")),
        ("NEW_ADMIN_URL", fresh.admin_url("credenza")),
        ("OWNER_PASSWORD", PASSWORD.to_owned()),
        ("APPLICATION_PASSWORD", PASSWORD.to_owned()),
    ];
    let shell = Shell { installation: restored, variables, ..shell };
    shell.paste(restore).await.done();
    std::fs::write(shell.folder.join("api-key"), format!("{key}\n")).unwrap();
    let looked = shell.paste(look).await;
    let findings: Vec<_> = looked.done().lines().filter(|line| line.starts_with("ok ")).collect();
    // All of them, after a line of `migrate`.
    assert_eq!(findings.len(), 15, "{looked:?}");
    assert!(looked.stdout.contains("instances    none is running"), "{looked:?}");

    let service = shell.installation.serve().await;
    let answer = service.resolve(&key, &account, "HIT").await.expect(200);
    assert_eq!(answer["password"], "hunter2");
    let other = json!({"supplier_code": "HIT", "production_username": "me", "production_password": "hunter3"});
    service.public.with_key(&key).post("/extra/v2/credentials", &other).await.expect(201);
    assert_eq!(service.resolve(&key, &account, "HIT").await.expect(200)["password"], "hunter3");
    service.program.stop().await.done();
    assert_eq!(tables_without_forced_row_security(&shell.installation).await, 0);

    // Without the secrets a backup is worth nothing, and the doctor says so.
    let others = "k9:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyE=";
    let lost = shell.installation.with("CREDENZA_KEY_ENCRYPTION_KEYS", others).run(&["doctor"]).await;
    assert_eq!(lost.code, Some(1));
    assert!(lost.stdout.contains("add `test` to CREDENZA_KEY_ENCRYPTION_KEYS"), "{lost:?}");
    fresh.discard().await.unwrap();
}

/// The second wall stands again, too.
async fn tables_without_forced_row_security(installation: &Installation) -> i64 {
    let mut admin = installation.database.admin.connect().await.unwrap();
    let count = query_scalar(
        "select count(*) from pg_attribute join pg_class on pg_class.oid = attrelid
         where attname = 'account_id' and relkind = 'r' and relnamespace = 'public'::regnamespace
             and not (relrowsecurity and relforcerowsecurity)",
    );
    let count = count.fetch_one(&mut admin).await.unwrap();
    admin.close().await.unwrap();
    count
}

#[tokio::test]
async fn the_owner_of_the_tables_cannot_dump_them() {
    let Some(clients) = clients().await else {
        skip!("no pg_dump, pg_restore and psql with the server programs");
        return;
    };
    let installation = Installation::new().await;
    let owner = installation.setting("CREDENZA_MIGRATION_DATABASE_URL").to_owned();
    let folder = scratch_folder("backup");
    let shell = Shell { installation, clients, folder, variables: vec![("ADMIN_URL", owner)] };
    let refused = shell.paste(drill()[0]).await;
    assert_ne!(refused.code, Some(0));
    // As the page says.
    let said = "query would be affected by row-level security policy";
    assert!(refused.stderr.contains(said) && OPERATIONS.contains(said), "{refused:?}");
}
