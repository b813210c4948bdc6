//! The command line as a whole: exit codes (0 done, 1 the work failed, 2 wrong usage), `migrate`, `keys`, and the
//! messages of commands that cannot work.

use sqlx::{ConnectOptions, query};

use crate::support::installation::Installation;
use crate::support::program::{credenza, run};

#[tokio::test]
async fn a_generated_key_is_one_that_the_settings_take() {
    let key = run(credenza(["keys", "generate", "--id", "2026-a"]), "").await.done().to_owned();
    assert!(key.starts_with("2026-a:"), "{key}");
    let other = run(credenza(["keys", "generate", "--id", "2026-b"]), "").await.done().to_owned();
    assert_ne!(key.split_once(':').unwrap().1, other.split_once(':').unwrap().1);
    let installation = Installation::new().await.with("CREDENZA_KEY_ENCRYPTION_KEYS", &format!("{key},{other}"));
    assert_eq!(installation.run(&["account", "list"]).await.done(), "");
    run(credenza(["keys", "generate", "--id", "a b"]), "").await.refused(1, "error: --id must be 1 to 64 letters");
}

#[tokio::test]
async fn migrate_reports_the_state_and_can_be_repeated() {
    let installation = Installation::unmigrated().await;
    let status = installation.run(&["migrate", "--status"]).await;
    assert_eq!(status.code, Some(1));
    let needed = status.stdout.trim_end().strip_prefix("database: migration none; this version needs: ").unwrap();
    assert!(status.stderr.contains("run `credenza migrate`"), "{status:?}");
    // Other commands say the same.
    installation.run(&["account", "list"]).await.refused(1, "run `credenza migrate`");
    for expected in [1, 0] {
        let migrated = installation.run(&["migrate"]).await;
        // Each migration is told before it is applied.
        let told = migrated.stderr.lines().filter(|line| line.contains(": accounts")).count();
        assert_eq!(told, expected, "{migrated:?}");
        assert_eq!(migrated.done(), format!("the schema is at migration {needed}; role credenza may work with it"));
    }
    let status = installation.run(&["migrate", "--status"]).await;
    assert_eq!(status.done(), format!("database: migration {needed}; this version needs: {needed}"));
    let json = installation.run(&["migrate", "--status", "--json"]).await.json();
    assert_eq!(json["missing"], 0, "{json}");
    let missing = installation.without("CREDENZA_MIGRATION_DATABASE_URL").run(&["migrate"]).await;
    missing.refused(1, "error: CREDENZA_MIGRATION_DATABASE_URL is not set: ");
}

#[tokio::test]
async fn a_migration_that_came_late_is_missed_although_its_number_is_low() {
    let installation = Installation::new().await;
    let mut admin = installation.database.admin.connect().await.unwrap();
    let forget = "delete from _sqlx_migrations where version = 9";
    assert_eq!(query(forget).execute(&mut admin).await.unwrap().rows_affected(), 1);
    let status = installation.run(&["migrate", "--status", "--json"]).await;
    assert_eq!(status.code, Some(1));
    assert!(status.stdout.contains(r#""missing":1"#), "{status:?}");
    installation.run(&["serve"]).await.refused(1, "run `credenza migrate`");
    // One of a newer version is none of our business.
    let newer = "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
                 values (9, 'again', true, '', 0), (9999, 'newer', true, '', 0)";
    query(newer).execute(&mut admin).await.unwrap();
    installation.run(&["migrate", "--status"]).await.done();
    installation.serve().await.program.stop().await.done();
}

#[tokio::test]
async fn wrong_usage_is_two_and_help_is_zero() {
    for wrong in [&["frobnicate"][..], &[], &["account"], &["account", "create"], &["dev", "--listen", "8080"]] {
        assert_eq!(run(credenza(wrong), "").await.code, Some(2), "{wrong:?}");
    }
    for right in [&["--help"][..], &["--version"], &["api-key", "create", "--help"]] {
        assert!(!run(credenza(right), "").await.done().is_empty(), "{right:?}");
    }
}

#[tokio::test]
async fn a_missing_database_is_reported_as_unreachable() {
    let url = "postgres://credenza:hunter2@127.0.0.1:1/credenza";
    let away = Installation::new().await.with("DATABASE_URL", url).with("CREDENZA_MIGRATION_DATABASE_URL", url);
    let cannot = "cannot be reached: ";
    for (command, part) in [
        (&["account", "list"][..], cannot),
        (&["serve"], cannot),
        (&["migrate", "--status"], cannot),
        (&["migrate"], "error: the database could not be used: "),
    ] {
        let refused = away.run(command).await;
        refused.refused(1, part);
        refused.refused(1, "Connection refused");
        assert!(!refused.stderr.contains("hunter2"), "{refused:?}");
    }
}
