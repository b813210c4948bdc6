//! From one key-encryption key to another with the real program, and when it is safe to remove the old one: never while
//! something needs it, and never while somebody could still make something need it.

use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection};

use crate::support::cluster;
use crate::support::installation::Installation;
use crate::support::program::a_moment;

const K1: &str = "k1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
const K2: &str = "k2:YGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn8=";
const KEYS: &str = "CREDENZA_KEY_ENCRYPTION_KEYS";

/// The same installation with its keys in three states of a rotation.
struct Orders {
    old: Installation,
    new: Installation,
    /// Without the old key.
    only_new: Installation,
}

impl Orders {
    async fn new() -> Self {
        let installation = Installation::new().await;
        Self {
            old: installation.with(KEYS, &format!("{K1},{K2}")),
            new: installation.with(KEYS, &format!("{K2},{K1}")),
            only_new: installation.with(KEYS, K2),
        }
    }

    async fn sql(&self, statements: &'static str) -> Result<(), sqlx::Error> {
        let mut admin = self.old.database.admin.connect().await.unwrap();
        let done = sqlx::raw_sql(statements).execute(&mut admin).await.map(drop);
        admin.close().await.unwrap();
        done
    }
}

/// Stores a login of the operator, whose data key is made with the first one.
async fn set_default(installation: &Installation, supplier: &str) {
    let set = [
        "default-credentials",
        "set",
        "--supplier",
        supplier,
        "--environment",
        "PROD",
        "--username",
        "u",
        "--password-stdin",
    ];
    let done = installation.run_with(&set, "p").await;
    assert_eq!(done.code, Some(0), "{done:?}");
}

/// Makes a data key for each of these accounts.
async fn store(installation: &Installation, accounts: &[String]) {
    let service = installation.serve().await;
    for account in accounts {
        let key = installation.key(account, &[]).await;
        let body = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "p"});
        service.public.with_key(&key).post("/extra/v2/credentials", &body).await.expect(201);
    }
    service.program.stop().await.done();
}

async fn status(installation: &Installation) -> Vec<Value> {
    let status = installation.run(&["keys", "status", "--json"]).await.json();
    status["keys"].as_array().unwrap().clone()
}

/// `id data_keys safe` of every key.
async fn summary(installation: &Installation) -> Vec<String> {
    let keys = status(installation).await;
    keys.iter()
        .map(|key| format!("{} {} {}", key["id"].as_str().unwrap(), key["data_keys"], key["safe_to_remove"]))
        .collect()
}

#[tokio::test]
async fn a_rotation_from_its_first_to_its_last_command() {
    let orders = Orders::new().await;
    let accounts = [orders.old.account("A").await, orders.old.account("B").await];
    store(&orders.old, &accounts).await;
    assert_eq!(summary(&orders.old).await, ["k1 2 false", "k2 0 false"]);
    let text = orders.old.run(&["keys", "status"]).await;
    let lines: Vec<_> = text.done().lines().collect();
    assert_eq!(lines[0], "key k1: 2 values need it, data keys of 2 accounts");
    assert!(lines[1].starts_with("    first in the settings; fingerprint "), "{lines:?}");
    assert_eq!(lines[2], "key k2: 0 values need it now; not closed, so it may still be used");

    // A new order alone moves nothing, and makes nothing safe.
    assert_eq!(summary(&orders.new).await, ["k2 0 false", "k1 2 false"]);
    orders.only_new.run(&["keys", "status"]).await.code.filter(|code| *code == 1).expect("k1 is missing");

    let rewrapped = orders.new.run(&["keys", "rewrap"]).await;
    let lines: Vec<_> = rewrapped.done().lines().collect();
    assert_eq!(lines[0], "2 data keys were wrapped anew, under k2");
    assert!(lines.contains(&"key k1: 0 values need it; safe to remove"), "{lines:?}");
    // After the warning about the former name of a setting.
    assert_eq!(rewrapped.stderr.lines().last(), Some("2 of 2 data keys"));
    assert_eq!(summary(&orders.new).await, ["k2 2 false", "k1 0 true"]);
    orders.only_new.run(&["verify"]).await.done();
    assert_eq!(orders.only_new.run(&["keys", "status"]).await.done().lines().count(), 4);

    // Again, and nothing is left to do.
    let again = orders.new.run(&["keys", "rewrap"]).await;
    assert!(again.done().starts_with("0 data keys were wrapped anew, under k2\n"), "{again:?}");
    // It is on record, and the record holds.
    let service = orders.only_new.serve().await;
    service.program.stop().await.done();
}

#[tokio::test]
async fn nobody_wraps_under_a_key_that_was_called_safe() {
    let orders = Orders::new().await;
    let accounts = [orders.old.account("A").await, orders.old.account("B").await, orders.old.account("C").await];
    store(&orders.old, &accounts[..1]).await;
    // An instance that was never told of the new order.
    let stale = orders.old.serve().await;
    let key = orders.old.key(&accounts[1], &[]).await;
    orders.new.run(&["keys", "rewrap"]).await.done();
    assert_eq!(summary(&orders.new).await, ["k2 1 false", "k1 0 true"]);

    let body = json!({"supplier_code": "HIT", "production_username": "u", "production_password": "p"});
    stale.public.with_key(&key).post("/extra/v2/credentials", &body).await.expect(201);
    set_default(&orders.old, "HIT").await;
    orders.old.run(&["keys", "rotate-data"]).await.done();
    assert_eq!(summary(&orders.new).await, ["k2 6 false", "k1 0 true"]);
    stale.program.stop().await.done();
    // An older version, which knows nothing of closed keys, is refused by the database.
    let insert = "insert into data_keys (account_id, generation, kek_id, wrapped, created_at)
                  values ((select max(id) from accounts), 1, 'k1', '', now())";
    let refused = orders.sql(insert).await.unwrap_err();
    assert!(refused.to_string().contains("the key-encryption key \"k1\" is closed"), "{refused}");
    let refused = orders.sql("update data_keys set kek_id = 'k1'").await.unwrap_err();
    assert!(refused.to_string().contains("is closed"), "{refused}");
    orders.only_new.run(&["verify"]).await.done();
}

#[tokio::test]
async fn rewrap_waits_for_transactions_that_wrap_under_the_old_key() {
    let orders = Orders::new().await;
    let accounts = [orders.old.account("A").await, orders.old.account("B").await];
    store(&orders.old, &accounts[..1]).await;
    let mut writer = orders.old.database.admin.connect().await.unwrap();
    let mut under_way = writer.begin().await.unwrap();
    sqlx::raw_sql(
        "insert into data_keys (account_id, generation, kek_id, wrapped, created_at)
         select max(a.id), 1, 'k1', '', now() from accounts a",
    )
    .execute(&mut *under_way)
    .await
    .unwrap();
    let rewrap = tokio::spawn({
        let new = orders.new.with("CREDENZA_LOG", "warn");
        async move { new.run(&["keys", "rewrap"]).await }
    });
    // It waits for the writer, and not for anything else.
    let mut admin = orders.old.database.admin.connect().await.unwrap();
    loop {
        // In this database: other tests wait for locks in theirs.
        let waiting = "select exists (
            select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database())";
        let waits: bool = sqlx::query_scalar(waiting).fetch_one(&mut admin).await.unwrap();
        if waits {
            break;
        }
        a_moment().await;
    }
    under_way.commit().await.unwrap();
    let done = rewrap.await.unwrap();
    assert!(!done.stdout.contains("safe to remove"), "{done:?}");
    assert_eq!(summary(&orders.new).await, ["k2 1 false", "k1 1 false"]);
}

#[tokio::test]
async fn a_backup_that_is_restored_needs_the_old_key_again() {
    let orders = Orders::new().await;
    let accounts = [orders.old.account("A").await];
    store(&orders.old, &accounts).await;
    let backup = cluster::backup(&orders.old.database).await;
    orders.new.run(&["keys", "rewrap"]).await.done();
    assert_eq!(summary(&orders.new).await, ["k2 1 false", "k1 0 true"]);

    let restored = orders.new.restored(&backup).await;
    assert_eq!(summary(&restored).await, ["k2 0 false", "k1 1 false"]);
    restored.run(&["verify"]).await.done();
    restored.run(&["keys", "rewrap"]).await.done();
    assert_eq!(summary(&restored).await, ["k2 1 false", "k1 0 true"]);

    // Some rows of a backup, put back past the trigger, under a key that is closed.
    orders
        .sql(
            "set session_replication_role = replica;
              update data_keys set kek_id = 'k1'",
        )
        .await
        .unwrap();
    assert_eq!(summary(&orders.new).await, ["k2 0 false", "k1 1 false"]);
}

#[tokio::test]
async fn data_keys_can_be_rewrapped_under_the_former_key() {
    let orders = Orders::new().await;
    store(&orders.old, &[orders.old.account("A").await]).await;
    orders.new.run(&["keys", "rewrap"]).await.done();
    orders.old.run(&["keys", "rewrap"]).await.done();
    assert_eq!(summary(&orders.old).await, ["k1 1 false", "k2 0 true"]);
    let old_alone = orders.old.with(KEYS, K1);
    old_alone.run(&["verify"]).await.done();
    // With the closed key alone nothing new can be wrapped; what is there goes on.
    let new_alone = orders.only_new.run(&["keys", "rotate-data"]).await;
    assert_eq!(new_alone.code, Some(1), "{new_alone:?}");
    old_alone.run(&["verify"]).await.done();
}

#[tokio::test]
async fn a_data_key_that_does_not_unwrap_is_named_and_left() {
    let orders = Orders::new().await;
    let accounts = [orders.old.account("A").await, orders.old.account("B").await];
    store(&orders.old, &accounts).await;
    orders
        .sql(
            "update data_keys set wrapped = set_byte(wrapped, 30, get_byte(wrapped, 30) # 1)
              where account_id = (select max(account_id) from data_keys)",
        )
        .await
        .unwrap();
    let done = orders.new.run(&["keys", "rewrap"]).await;
    assert_eq!(done.code, Some(1), "{done:?}");
    let named = format!("data key 1 of account {} was left as it is: the seal does not match", accounts[1]);
    assert!(done.stderr.contains(&named), "{done:?}");
    assert_eq!(summary(&orders.new).await, ["k2 1 false", "k1 1 false"]);
}

#[tokio::test]
async fn new_data_keys_for_one_account_or_for_all() {
    let orders = Orders::new().await;
    let accounts = [orders.old.account("A").await, orders.old.account("B").await];
    store(&orders.old, &accounts).await;
    set_default(&orders.old, "HIT").await;
    let one = orders.old.run(&["keys", "rotate-data", "--account", &accounts[0]]).await;
    assert_eq!(one.done(), "1 accounts have a new data key; 2 values were sealed anew, in 1 rows");
    let all = orders.old.run(&["keys", "rotate-data"]).await;
    assert_eq!(all.done(), "3 accounts have a new data key; 6 values were sealed anew, in 3 rows");
    orders.old.run(&["keys", "rotate-data", "--account", "4711"]).await.refused(1, "there is no account 4711");
    let operator = orders.old.run(&["keys", "rotate-data", "--account", "0"]).await;
    assert_eq!(operator.done(), "1 accounts have a new data key; 2 values were sealed anew, in 1 rows");
    orders.old.run(&["verify"]).await.done();
}
