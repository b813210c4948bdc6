//! `credenza doctor`: reports that all is well when it is, and finds each thing that can be wrong.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sqlx::{ConnectOptions, query};

use crate::support::cluster::{PASSWORD, empty_database, server};
use crate::support::installation::Installation;
use crate::support::program::eventually;

/// The checks by name, with the whole of what each found. The exit code shows whether something is wrong.
async fn doctor(installation: &Installation, key: Option<&str>) -> BTreeMap<String, Value> {
    let arguments: &[&str] = if key.is_some() { &["doctor", "--json", "--key-stdin"] } else { &["doctor", "--json"] };
    let finished = installation.run_with(arguments, key.unwrap_or_default()).await;
    let findings: Vec<Value> =
        serde_json::from_str(&finished.stdout).unwrap_or_else(|_| panic!("not JSON: {finished:?}"));
    let any_wrong = findings.iter().any(|finding| finding["status"] == "wrong");
    assert_eq!(finished.code, Some(i32::from(any_wrong)), "{finished:?}");
    for secret in [PASSWORD, "AQIDBAUGBwgJ", "ICEiIyQlJicoKSor", "QEFCQ0RFRkdISUpL"] {
        assert!(!format!("{finished:?}").contains(secret), "{secret} is in {finished:?}");
    }
    for finding in &findings {
        let needs_advice = finding["status"] == "wrong" || finding["status"] == "warning";
        assert_eq!(finding["advice"].is_string(), needs_advice, "{finding}");
    }
    findings.into_iter().map(|finding| (finding["check"].as_str().unwrap().to_owned(), finding)).collect()
}

/// With an account, a key, and something sealed.
async fn furnished() -> (Installation, String) {
    let installation = Installation::new().await;
    let account = installation.account("A").await;
    let key = installation.key(&account, &[]).await;
    let set = ["default-credentials", "set", "--supplier", "HIT", "--environment", "PROD", "--username", "u"];
    installation.run_with(&[&set[..], &["--password-stdin"]].concat(), "p").await.done();
    (installation, key)
}

#[tokio::test]
async fn all_is_well() {
    let (installation, key) = furnished().await;
    let service = installation.with("CREDENZA_INSTANCE_NAME", "the only one").serve().await;
    eventually("it is ready", async || service.public.is_at_full_speed().await).await;
    let findings = doctor(&installation, Some(&key)).await;
    let names: Vec<_> = findings.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "audit key",
            "clock",
            "database",
            "instances",
            "listener",
            "master keys",
            "migrations",
            "pepper",
            "role",
            "server",
            "settings",
            "statements",
            "suppliers",
            "tls",
            "walls"
        ]
    );
    for finding in findings.values() {
        assert_eq!(finding["status"], "ok", "{finding}");
    }
    let found = |check: &str| findings[check]["found"].as_str().unwrap().to_owned();
    assert!(found("instances").starts_with("1: `the only one` (renewed its lease "), "{}", found("instances"));
    assert_eq!(found("master keys"), "open all of 1 data keys");
    // It disturbed nobody.
    let metrics = service.internal.get("/metrics").await.body;
    assert!(!metrics.contains(r#"credenza_cache_drops_total{reason="everything changed"}"#), "{metrics}");
    service.program.stop().await.done();

    let text = installation.run(&["doctor"]).await;
    let lines: Vec<_> = text.done().lines().collect();
    assert_eq!(lines.len(), 15, "{text:?}");
    assert_eq!(lines[0], "ok       settings     complete, and every one can be used");
    assert!(lines.contains(&"ok       instances    none is running"), "{text:?}");
    assert!(lines.contains(&"ok       pepper       the one that this database has been used with"), "{text:?}");
}

/// The one check that is wrong, or the one that is before those that are skipped.
async fn finds(installation: &Installation, key: &str, check: &str, found: &str, advice: &str) {
    let findings = doctor(installation, Some(key)).await;
    let wrong: Vec<_> = findings.values().filter(|finding| finding["status"] == "wrong").collect();
    assert_eq!(wrong.len(), 1, "{findings:?}");
    assert_eq!(wrong[0]["check"], check, "{findings:?}");
    let text = |name: &str| wrong[0][name].as_str().unwrap().to_owned();
    assert!(text("found").contains(found), "`{found}` is missing in {:?}", wrong[0]);
    assert!(text("advice").contains(advice), "`{advice}` is missing in {:?}", wrong[0]);
}

#[tokio::test]
async fn a_wrong_secret_is_found() {
    let (installation, key) = furnished().await;
    let other = "//////////////////////////////////////////8=".replace('8', "4");
    for (name, value, check, found, advice) in [
        (
            "CREDENZA_KEY_ENCRYPTION_KEYS",
            format!("new:{other}"),
            "master keys",
            "1 of 1 data keys do not open",
            "add `test` to",
        ),
        (
            "CREDENZA_KEY_ENCRYPTION_KEYS",
            format!("test:{other}"),
            "master keys",
            "`test` is not the one",
            "is another key",
        ),
        (
            "CREDENZA_AUDIT_KEY",
            "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQI=".to_owned(),
            "audit key",
            "CREDENZA_AUDIT_KEY is not the one",
            "set CREDENZA_AUDIT_KEY to the right one",
        ),
        (
            "CREDENZA_KEY_PEPPER",
            "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQI=".to_owned(),
            "pepper",
            "CREDENZA_KEY_PEPPER is not the one",
            "set CREDENZA_KEY_PEPPER to the right one",
        ),
    ] {
        finds(&installation.with(name, &value), &key, check, found, advice).await;
    }
    // An old key behind a new one is all that is needed.
    let both = format!("new:{other},{}", installation.setting("CREDENZA_KEY_ENCRYPTION_KEYS"));
    let findings = doctor(&installation.with("CREDENZA_KEY_ENCRYPTION_KEYS", &both), Some(&key)).await;
    assert_eq!(findings["master keys"]["status"], "ok");
    // Before fingerprints only a key tells.
    let mut admin = installation.database.admin.connect().await.unwrap();
    query("delete from secret_fingerprints where secret = 'key pepper'").execute(&mut admin).await.unwrap();
    let other_pepper = installation.with("CREDENZA_KEY_PEPPER", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQI=");
    finds(&other_pepper, &key, "pepper", "the key is not found", "CREDENZA_KEY_PEPPER").await;
    assert_eq!(doctor(&other_pepper, None).await["pepper"]["status"], "skipped");
    finds(&installation, "czs_1", "pepper", "a key of the wrong length", "whole key").await;
}

#[tokio::test]
async fn a_changed_record_is_not_mistaken_for_a_wrong_key() {
    let (installation, key) = furnished().await;
    let mut admin = installation.database.admin.connect().await.unwrap();
    let change = "update audit_events set user_email = 'x' where account_id = 0
                  and sequence = (select max(sequence) from audit_events where account_id = 0)";
    assert_eq!(query(change).execute(&mut admin).await.unwrap().rows_affected(), 1);
    finds(&installation, &key, "audit key", "fits the last records of 1 chains, and not those of 1", "verify").await;
}

#[tokio::test]
async fn a_wrong_role_is_found() {
    let (installation, key) = furnished().await;
    let owner = installation.setting("CREDENZA_MIGRATION_DATABASE_URL").to_owned();
    let admin = server().await.admin_url(installation.database.admin.get_database().unwrap());
    for (url, found) in [(&owner, "owns the table"), (&admin, "is a superuser")] {
        let as_other = installation.with("DATABASE_URL", url);
        // Its password is of this run.
        let text = as_other.run(&["doctor"]).await;
        assert_eq!(text.code, Some(1), "{text:?}");
        assert!(text.stdout.contains("WRONG    role") && text.stdout.contains(found), "{text:?}");
        assert!(text.stdout.contains("-> let DATABASE_URL name a role of its own"), "{text:?}");
    }
    let mut connection = installation.database.admin.connect().await.unwrap();
    query("revoke select on suppliers from credenza").execute(&mut connection).await.unwrap();
    let finding = &doctor(&installation, Some(&key)).await["role"];
    assert_eq!(finding["found"], "`credenza` may not read the table `suppliers`");
    assert_eq!(finding["status"], "wrong");
}

#[tokio::test]
async fn checks_that_depend_on_a_failed_one_are_skipped() {
    let unmigrated = Installation::unmigrated().await;
    let findings = doctor(&unmigrated, None).await;
    assert_eq!(findings["migrations"]["status"], "wrong");
    assert_eq!(findings["migrations"]["advice"], "run `credenza migrate`");
    for check in ["database", "clock"] {
        assert_eq!(findings[check]["status"], "ok", "{findings:?}");
    }
    for check in ["walls", "master keys", "audit key", "pepper", "listener", "instances"] {
        assert_eq!(findings[check]["status"], "skipped", "{findings:?}");
    }

    let installation = Installation::new().await;
    let away = installation.with("DATABASE_URL", "postgres://credenza:x@127.0.0.1:1/credenza");
    let findings = doctor(&away, None).await;
    assert!(findings["database"]["found"].as_str().unwrap().contains("Connection refused"), "{findings:?}");
    assert!(findings.iter().all(|(check, finding)| {
        ["settings", "tls", "database"].contains(&check.as_str()) || finding["status"] == "skipped"
    }));

    let findings = doctor(&installation.without("CREDENZA_KEY_PEPPER"), None).await;
    assert!(findings["settings"]["found"].as_str().unwrap().starts_with("CREDENZA_KEY_PEPPER is not set"));
    assert_eq!(findings["database"]["status"], "skipped");
}

#[tokio::test]
async fn a_listener_connection_without_notifications_is_found() {
    let (installation, key) = furnished().await;
    // LISTEN works there, and what is said here never arrives: as behind a pooler in transaction mode.
    let elsewhere = empty_database().await;
    let url = installation.setting("DATABASE_URL");
    let name = |database: &sqlx::postgres::PgConnectOptions| format!("/{}?", database.get_database().unwrap());
    let deaf = url.replace(&name(&installation.database.admin), &name(&elsewhere.admin));
    let deaf = installation.with("CREDENZA_LISTENER_DATABASE_URL", &deaf);
    finds(&deaf, &key, "listener", "a notification did not arrive", "pooler in transaction mode").await;
    let nowhere = installation.with("CREDENZA_LISTENER_DATABASE_URL", "postgres://credenza:x@127.0.0.1:1/credenza");
    finds(&nowhere, &key, "listener", "Connection refused", "CREDENZA_LISTENER_DATABASE_URL").await;
}

#[tokio::test]
async fn an_oddity_is_a_warning_and_not_a_fault() {
    let (installation, key) = furnished().await;
    let odd = installation
        .with("CREDENZA_TLS_CRET", "server.pem")
        .with("CREDENZA_INTERNAL_LISTEN", "0.0.0.0:8081")
        .with("CREDENZA_LISTEN", "127.0.0.1:8080");
    let mut admin = installation.database.admin.connect().await.unwrap();
    let dead = "insert into instances (id, name, lease_ms, renewed_at)
                values (gen_random_uuid(), 'gone', 2000, now() - interval '1 minute')";
    query(dead).execute(&mut admin).await.unwrap();
    let findings = doctor(&odd, Some(&key)).await;
    for check in ["settings", "tls", "instances"] {
        assert_eq!(findings[check]["status"], "warning", "{findings:?}");
    }
    let expected = json!({
        "check": "settings", "status": "warning", "found": "CREDENZA_TLS_CRET is not a setting, and nothing reads it",
        "advice": "did you mean CREDENZA_TLS_CERT?",
    });
    assert_eq!(findings["settings"], expected);
    // Other commands say so as well, and go on.
    let list = odd.run(&["account", "list"]).await;
    list.done();
    assert!(list.stderr.contains("CREDENZA_TLS_CRET") && list.stderr.contains("CREDENZA_TLS_CERT"), "{list:?}");
}

#[tokio::test]
async fn files_of_tls_are_looked_at() {
    let (installation, key) = furnished().await;
    let with = installation.with("CREDENZA_TLS_CERT", "/nowhere.pem").with("CREDENZA_TLS_KEY", "/nowhere.key");
    finds(&with, &key, "tls", "`/nowhere.pem` cannot be read as PEM with a certificate", "mend the file").await;
}
