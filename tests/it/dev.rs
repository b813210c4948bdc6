//! `credenza dev`: everything from one command, and the same again from the same folder.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, query_as, query_scalar};

use crate::support::dev::{Dev, Folder, first};
use crate::support::installation::Installation;
use crate::support::program::{credenza, eventually, processes_of, run};
use crate::support::skip::skip;
use crate::support::wire::Endpoint;

#[tokio::test]
async fn an_existing_folder_is_ready_for_a_fraction_of_what_an_empty_one_costs() {
    let first = first().await;
    let folder = Folder::existing().await;
    let again = folder.dev().await;
    // Processor time, because other work on the machine changes the time on the wall.
    if let (Some(first), Some(again)) = (first.cost, again.cost) {
        assert!(again * 2 < first, "{again:?} in an existing folder, {first:?} in an empty one");
    } else {
        skip!("no /proc to read processor times in");
    }
    again.stop().await.done();
}

#[tokio::test]
async fn json_is_one_line_with_everything_and_nothing_after_it() {
    let folder = Folder::existing().await;
    let dev = folder.dev().await;
    let names =
        ["url", "internal_url", "account_id", "api_key", "resolver_key", "public_key", "database_url", "env_file"];
    let ready = dev.ready.as_object().unwrap().clone();
    assert_eq!(ready.len(), names.len(), "{ready:?}");
    assert!(names.iter().all(|name| ready.contains_key(*name)), "{ready:?}");

    dev.store("HIT", "me", "secret").await.expect(201);
    let finished = dev.stop().await;
    assert_eq!(finished.done(), finished.stdout.trim_end());
    assert_eq!(finished.stdout.lines().count(), 1, "{finished:?}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&finished.stdout).unwrap(), json!(ready));
}

#[tokio::test]
async fn a_stored_pair_is_resolved_only_on_the_internal_listener() {
    let folder = Folder::existing().await;
    let dev = folder.dev().await;
    dev.store("HIT", "me", "secret").await.expect(201);
    let resolved = dev.resolve("HIT").await.expect(200);
    assert_eq!((&resolved["username"], &resolved["password"]), (&json!("me"), &json!("secret")));
    assert_eq!(resolved["source"], "account");

    let on_public = Endpoint::new(dev.text("url")).with_key(dev.text("resolver_key"));
    on_public.post("/internal/v1/resolve", &json!({})).await.expect_error(404, "Not found");
    dev.stop().await.done();
}

#[tokio::test]
async fn the_database_url_leads_in_as_an_administrator_and_the_env_file_serves_every_command() {
    let folder = Folder::existing().await;
    let dev = folder.dev().await;
    let mut connection = PgConnection::connect(dev.text("database_url")).await.unwrap();
    let superuser = query_scalar::<_, bool>("select rolsuper from pg_roles where rolname = current_user");
    assert!(superuser.fetch_one(&mut connection).await.unwrap());
    let accounts: Vec<(i64, String)> =
        query_as("select id, name from accounts where id <> 0").fetch_all(&mut connection).await.unwrap();
    assert_eq!(accounts, [(dev.ready["account_id"].as_i64().unwrap(), "Demo Platform".to_owned())]);
    connection.close().await.unwrap();

    let list = ["--env-file", dev.text("env_file"), "account", "list", "--json"];
    let accounts = run(credenza(list), "").await.json();
    assert_eq!(accounts[0]["name"], "Demo Platform");
    assert_eq!(accounts[0]["plan"], "enterprise");
    dev.stop().await.done();
}

#[tokio::test]
async fn doctor_shows_the_address_that_it_listens_on() {
    let folder = Folder::existing().await;
    let dev = folder.dev().await;
    let address = dev.text("url").strip_prefix("http://").unwrap();
    eventually("it is in the table", async || {
        let doctor = run(credenza(["--env-file", dev.text("env_file"), "doctor"]), "").await;
        doctor.stdout.contains("instances") && doctor.stdout.contains(address)
    })
    .await;
    dev.stop().await.done();
}

#[tokio::test]
async fn the_same_folder_has_the_same_data_and_shows_the_same_keys() {
    let folder = Folder::existing().await;
    let dev = folder.dev().await;
    dev.store("HIT", "me", "secret").await.expect(201);
    let before = dev.ready.clone();
    dev.stop().await.done();

    let dev = folder.dev().await;
    for name in ["account_id", "api_key", "resolver_key", "public_key", "database_url", "env_file"] {
        assert_eq!(dev.ready[name], before[name], "{name}");
    }
    assert_eq!(dev.resolve("HIT").await.expect(200)["password"], "secret");
    dev.stop().await.done();
}

#[tokio::test]
async fn a_second_start_in_the_folder_is_refused_and_names_the_first() {
    let folder = Folder::existing().await;
    let dev = folder.dev().await;
    let second = run(folder.command(), "").await;
    second.refused(1, &format!("is in use by process {}", dev.program.pid().as_raw_pid()));
    dev.store("HIT", "me", "secret").await.expect(201);
    dev.stop().await.done();
}

#[tokio::test]
async fn files_with_secrets_are_readable_only_by_their_owner() {
    let folder = &first().await.folder;
    let mode = fs::metadata(folder).unwrap().permissions().mode();
    assert_eq!(mode & 0o066, 0, "the folder has mode {mode:o}");
    for name in ["secrets.json", "demo-keys.json", "env", "postgres.password", "postgres.log"] {
        let mode = fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name} has mode {mode:o}");
    }
}

#[tokio::test]
async fn without_its_secrets_a_folder_is_refused_and_left_as_it_is() {
    let folder = Folder::empty();
    fs::copy(first().await.folder.join("env"), folder.path("env")).unwrap();
    let refused = run(folder.command(), "").await;
    refused.refused(1, "secrets.json` is gone, and nothing opens without it: restore it, or start anew");
    assert!(!folder.path("secrets.json").exists() && !folder.path("postgres").exists());
}

#[tokio::test]
async fn with_a_database_url_no_server_is_started() {
    let folder = Folder::empty();
    let installation = Installation::unmigrated().await;
    let mut command = folder.command();
    command.arg("--json");
    for name in ["DATABASE_URL", "CREDENZA_MIGRATION_DATABASE_URL"] {
        command.env(name, installation.setting(name));
    }
    let dev = Dev::start(command).await;
    assert_eq!(dev.text("database_url"), installation.setting("CREDENZA_MIGRATION_DATABASE_URL"));
    dev.store("HIT", "me", "secret").await.expect(201);
    assert_eq!(dev.resolve("HIT").await.expect(200)["password"], "secret");
    assert!(!folder.path("postgres").exists());
    assert!(processes_of(&folder.0).iter().all(|pid| *pid == dev.program.pid()));

    // The folder has an owner all the same: its secrets and keys belong to one installation.
    let second = run(folder.command(), "").await;
    second.refused(1, &format!("is in use by process {}", dev.program.pid().as_raw_pid()));
    dev.stop().await.done();
}

#[tokio::test]
async fn settings_of_another_installation_in_the_environment_are_not_taken_for_its_own() {
    let folder = Folder::existing().await;
    let mut command = folder.command();
    command.arg("--json");
    // Nothing is there, so using one of them would fail; in earnest it might be somebody's production.
    for name in ["CREDENZA_MIGRATION_DATABASE_URL", "CREDENZA_LISTENER_DATABASE_URL"] {
        command.env(name, "postgres://credenza:wrong@127.0.0.1:1/production");
    }
    command.env("CREDENZA_KEY_ENCRYPTION_KEYS", "production:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=");
    let dev = Dev::start(command).await;
    dev.store("HIT", "me", "secret").await.expect(201);
    dev.stop().await.done();
    // Sealed with the folder's own key, so that the next start opens it.
    let dev = folder.dev().await;
    assert_eq!(dev.resolve("HIT").await.expect(200)["password"], "secret");
    dev.stop().await.done();
}
