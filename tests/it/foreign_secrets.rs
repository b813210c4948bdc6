//! Secrets of another installation: `serve` and every command refuse them before they write anything, and name the one that
//! is.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sqlx::{ConnectOptions, query, query_scalar};

use crate::support::installation::Installation;
use crate::support::transit::KeyService;

/// A secret that is none of the tests' installation.
fn other() -> String {
    BASE64_STANDARD.encode([b"another secret, of 32 bytes, yes" as &[u8]].concat())
}

/// Each secret of an installation as another one, with a part of the refusal.
fn foreign() -> [(&'static str, String, &'static str); 3] {
    [
        ("CREDENZA_KEY_ENCRYPTION_KEYS", format!("test:{}", other()), "the key-encryption key `test` is not the one"),
        ("CREDENZA_KEY_PEPPER", other(), "CREDENZA_KEY_PEPPER is not the one"),
        ("CREDENZA_AUDIT_KEY", other(), "CREDENZA_AUDIT_KEY is not the one"),
    ]
}

/// Counts everything that a command could have written.
async fn written(installation: &Installation) -> i64 {
    let mut admin = installation.database.admin.connect().await.unwrap();
    let count = "select (select count(*) from audit_events) + (select count(*) from data_keys)
                     + (select count(*) from accounts) + (select count(*) from secret_fingerprints)";
    query_scalar(count).fetch_one(&mut admin).await.unwrap()
}

#[tokio::test]
async fn a_foreign_secret_is_refused_before_anything_is_written() {
    let installation = Installation::new().await;
    installation.account("A").await;
    let before = written(&installation).await;
    for (name, value, part) in foreign() {
        let wrong = installation.with(name, &value);
        for command in [&["serve"][..], &["account", "create", "--name", "B", "--owner", "b@example.com"], &["verify"]]
        {
            let refused = wrong.run(command).await;
            refused.refused(1, part);
            assert!(!refused.stderr.contains(&other()), "{refused:?}");
        }
        wrong.run(&["keys", "status"]).await.refused(1, part);
        assert_eq!(written(&installation).await, before);
    }
    // A key of an id of its own is a new key.
    let both = format!("{},new:{}", installation.setting("CREDENZA_KEY_ENCRYPTION_KEYS"), other());
    installation.with("CREDENZA_KEY_ENCRYPTION_KEYS", &both).run(&["account", "list"]).await.done();
    assert_eq!(written(&installation).await, before + 1);
}

#[tokio::test]
async fn without_fingerprints_the_secrets_of_an_older_installation_are_checked_against_its_rows() {
    let installation = Installation::new().await;
    let set = ["default-credentials", "set", "--supplier", "HIT", "--environment", "PROD", "--username", "u"];
    installation.run_with(&[&set[..], &["--password-stdin"]].concat(), "p").await.done();
    let mut admin = installation.database.admin.connect().await.unwrap();
    query("delete from secret_fingerprints").execute(&mut admin).await.unwrap();
    for (name, value, part) in foreign() {
        // Nothing but a key's hash is made with the pepper.
        if name != "CREDENZA_KEY_PEPPER" {
            installation.with(name, &value).run(&["serve"]).await.refused(1, part);
        }
    }
    assert_eq!(
        query_scalar::<_, i64>("select count(*) from secret_fingerprints").fetch_one(&mut admin).await.unwrap(),
        0
    );
    installation.run(&["account", "list"]).await.done();
    assert_eq!(
        query_scalar::<_, i64>("select count(*) from secret_fingerprints").fetch_one(&mut admin).await.unwrap(),
        3
    );
}

#[tokio::test]
async fn keys_that_open_nothing_do_not_serve() {
    let installation = Installation::new().await;
    let set = ["default-credentials", "set", "--supplier", "HIT", "--environment", "PROD", "--username", "u"];
    installation.run_with(&[&set[..], &["--password-stdin"]].concat(), "p").await.done();
    let wrong = installation.with("CREDENZA_KEY_ENCRYPTION_KEYS", &format!("k9:{}", other()));
    wrong.run(&["serve"]).await.refused(1, "add `test`, after the first");
}

#[tokio::test]
async fn a_foreign_key_of_a_key_service_is_refused_before_anything_is_written() {
    let installation = Installation::new().await.without("CREDENZA_KEY_ENCRYPTION_KEYS");
    // The same names, and other keys behind them.
    let (own, other) = (KeyService::start().await, KeyService::start().await);
    let behind = |service: &KeyService| {
        service
            .variables()
            .iter()
            .fold(installation.with("CREDENZA_KEY_ENCRYPTION_KEYS", ""), |all, (name, value)| all.with(name, value))
    };
    let (right, wrong) = (behind(&own), behind(&other));
    right.account("A").await;
    let before = written(&installation).await;
    for command in
        [&["serve"][..], &["account", "create", "--name", "B", "--owner", "b@example.com"], &["keys", "status"]]
    {
        wrong.run(command).await.refused(1, "the key-encryption key `transit:");
    }
    let doctor = wrong.run(&["doctor"]).await;
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    assert!(doctor.stdout.contains("WRONG    master keys"), "{doctor:?}");
    assert_eq!(written(&installation).await, before);
    right.account("B").await;
}
