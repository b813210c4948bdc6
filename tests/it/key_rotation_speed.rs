//! The cost of rewrapping and resealing: `cargo test --release --test it key_rotation_speed -- --ignored --nocapture`.

use std::time::Instant;

use chrono::TimeDelta;
use credenza::rotation::{self, Scope};
use credenza::sealed_pair::Storage;
use credenza::types::{AccountId, Environment};

use crate::support::TestApp;
use crate::support::app::{code, pair_of, place};

const ACCOUNTS: i64 = 1_000;
const GENERATIONS: u32 = 100;
const ROWS: usize = 50;

#[tokio::test]
#[ignore = "a measurement"]
async fn a_hundred_thousand_data_keys_and_values() {
    let app = TestApp::start().await;
    app.sql_authenticated(&format!(
        "insert into accounts (id, name, created_at, modified_on)
         select number, 'A', now(), now() from generate_series(1, {ACCOUNTS}) number;
         insert into suppliers (code, name, created_at, modified_on)
         select 'S' || number, 'S', now(), now() from generate_series(1, {ROWS}) number"
    ))
    .await;
    let now = app.app.clock.now();
    let (mut accounts, mut suppliers, mut usernames, mut passwords) = (vec![], vec![], vec![], vec![]);
    for account in (1..=ACCOUNTS).map(AccountId) {
        let sealer = app.app.vault.sealer(account, now).await.unwrap();
        for number in 1..=ROWS {
            let supplier = format!("S{number}");
            let pair = place(&code(&supplier), Storage::Base, Environment::Production)
                .seal(&sealer, &pair_of("integration@example.com", "correct horse battery"))
                .unwrap();
            accounts.push(account.0);
            suppliers.push(supplier);
            usernames.push(pair.username.as_bytes().to_vec());
            passwords.push(pair.password.as_bytes().to_vec());
        }
    }
    sqlx::query(
        "insert into supplier_credentials (account_id, supplier_code, production_username, production_password,
             created_at, created_by, modified_on, modified_by)
         select *, now(), 'x', now(), 'x' from unnest($1::bigint[], $2::text[], $3::bytea[], $4::bytea[])",
    )
    .bind(accounts)
    .bind(suppliers)
    .bind(usernames)
    .bind(passwords)
    .execute(&mut app.admin().await)
    .await
    .unwrap();
    let ids: Vec<_> = (1..=ACCOUNTS).map(AccountId).collect();
    for _ in 1..GENERATIONS {
        app.app.vault.renew(&ids, now + TimeDelta::days(1), now).await.unwrap();
    }
    app.sql("analyze").await;

    let keys = "k2:YGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn8=,test:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
    let other = app.other_process_on(&[("CREDENZA_KEY_ENCRYPTION_KEYS", keys)], |_| ()).await;
    let start = Instant::now();
    let done = rotation::rewrap(&other, |_| ()).await.unwrap();
    println!("{} data keys in {:?}", done.rewrapped, start.elapsed());
    assert_eq!(done.rewrapped, u64::from(GENERATIONS) * 1_000);

    let start = Instant::now();
    let done = rotation::rotate_data(&other, Scope::Every, |_| ()).await.unwrap();
    println!("{} values in {:?}", done.values, start.elapsed());
    assert_eq!(done.values, 1_000 * 2 * ROWS as u64);

    let start = Instant::now();
    let done = rotation::verify(&other, |_| ()).await.unwrap();
    println!("{} values and {} data keys verified in {:?}", done.values, done.data_keys, start.elapsed());
    assert_eq!(done.faults, []);
}
