//! API keys: how many an account may have, and what is left of one once it has been shown.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use credenza::api_credentials::{self, KeySummary, NewKey};
use credenza::api_key::{ApiKey, Kind};
use credenza::error::{Error, Limit};
use credenza::principal::Scope;
use credenza::types::AccountId;
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use crate::support::TestApp;
use crate::support::app::name;
use crate::support::operator;

fn new_key(kind: Kind) -> NewKey {
    let scopes = if kind == Kind::Private { Scope::DEFAULT.to_vec() } else { vec![] };
    NewKey::new(name("test"), kind, scopes)
}

async fn create(app: &TestApp, account: AccountId, kind: Kind) -> Result<(KeySummary, ApiKey), Error> {
    operator::create_key(&app.app, account, &new_key(kind)).await
}

#[track_caller]
fn expect_too_many(result: Result<(KeySummary, ApiKey), Error>) {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Limit(Limit::ApiKeys(6))), "{error:?}");
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// Every row of every table, as text.
pub async fn whole_database(app: &TestApp) -> String {
    let tables = app.rows("select table_name from information_schema.tables where table_schema = 'public'").await;
    let mut dump = String::new();
    for table in tables {
        let table = table["table_name"].as_str().unwrap();
        for row in app.rows(&format!("select * from {table}")).await {
            writeln!(dump, "{table} {row}").unwrap();
        }
    }
    dump
}

#[tokio::test]
async fn an_account_has_at_most_six_keys_that_work() {
    let app = TestApp::start().await;
    let account = app.account("devs@platform.example").await.account;
    for kind in [Kind::Private, Kind::Public, Kind::Private, Kind::Public, Kind::Private] {
        create(&app, account, kind).await.unwrap();
    }
    expect_too_many(create(&app, account, Kind::Private).await);
    expect_too_many(create(&app, account, Kind::Public).await);
    // Another account's keys do not count.
    app.account("other@elsewhere.example").await;
}

#[tokio::test]
async fn a_key_that_was_revoked_or_has_expired_makes_room() {
    let app = TestApp::start().await;
    let account = app.account("devs@platform.example").await.account;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(create(&app, account, Kind::Private).await.unwrap().0);
    }
    operator::revoke_key(&app.app, account, ids[0].id).await.unwrap();
    create(&app, account, Kind::Private).await.unwrap();
    expect_too_many(create(&app, account, Kind::Private).await);

    app.sql_authenticated(&format!(
        "update api_keys set expires_at = '2026-01-02T03:05:05Z' where id = '{}'",
        ids[1].id
    ))
    .await;
    expect_too_many(create(&app, account, Kind::Private).await);
    app.advance(Duration::from_mins(1));
    create(&app, account, Kind::Private).await.unwrap();
    expect_too_many(create(&app, account, Kind::Private).await);
}

#[tokio::test]
async fn twenty_creations_at_once_make_exactly_six_keys() {
    let app = TestApp::start().await;
    let account = app.account("devs@platform.example").await.account;
    let mut tasks = JoinSet::new();
    for number in 0..20 {
        let app = Arc::clone(&app.app);
        let new = new_key(if number % 2 == 0 { Kind::Private } else { Kind::Public });
        tasks.spawn(async move { operator::create_key(&app, account, &new).await });
    }
    let (made, refused): (Vec<_>, Vec<_>) = tasks.join_all().await.into_iter().partition(Result::is_ok);
    // One came with the account.
    assert_eq!((made.len(), refused.len()), (5, 15));
    refused.into_iter().for_each(expect_too_many);
    assert_eq!(app.rows("select * from api_keys where revoked_at is null").await.len(), 6);
}

#[tokio::test]
async fn the_database_holds_nothing_that_a_key_could_be_made_from() {
    let app = TestApp::start().await;
    let account = app.account("devs@platform.example").await.account;
    for kind in [Kind::Private, Kind::Public] {
        let (_, key) = create(&app, account, kind).await.unwrap();
        let key = key.expose();
        let random = &key[kind.prefix().len()..key.len() - 6];
        let dump = whole_database(&app).await;
        assert!(dump.contains(&format!(r#""last_four":"{}""#, &key[key.len() - 4..])), "the dump has the key's row");
        for secret in [key, random] {
            let hash = Sha256::digest(secret.as_bytes());
            let forms = [
                secret.to_owned(),
                hex(secret.as_bytes()),
                BASE64_STANDARD.encode(secret),
                // A hash without a secret of its own: anyone could try candidates against it.
                hex(&hash),
                BASE64_STANDARD.encode(hash),
            ];
            for form in forms {
                assert!(!dump.contains(&form), "{form}");
            }
        }
        // Nor a piece: the last four characters belong to the checksum.
        for piece in random.as_bytes().windows(8) {
            assert!(!dump.contains(std::str::from_utf8(piece).unwrap()));
        }
    }
}

#[tokio::test]
async fn a_listed_key_opens_nothing() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let key = caller.key.clone().unwrap();
    let listed = api_credentials::list(&app.app, caller.account).await.unwrap().remove(0);
    assert_eq!(listed.masked, format!("czs_…{}", &key[key.len() - 4..]));
    for shown in [&listed.masked, &listed.name, &listed.id.to_string()] {
        if shown.is_ascii() {
            caller.with_key(shown).get("/extra/v2/credentials").await.expect_error(403, "Invalid API key");
        }
    }
    assert!(!format!("{listed:?}").contains(&key));
}
