//! People: their passwords are stored as argon2id strings, and a password that is wrong takes as long as one that is right.

use std::time::{Duration, Instant};

use credenza::accounts::users;
use credenza::error::{BrokenRule, Error, Missing, Taken};
use credenza::types::{AccountId, Email};
use secrecy::SecretString;

use crate::support::TestApp;
use crate::support::installation::Installation;
use crate::support::operator;

const PASSWORD: &str = "correct horse battery";

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

async fn create(app: &TestApp, account: AccountId, address: &str, password: &str) -> Result<uuid::Uuid, Error> {
    operator::create_user(&app.app, account, &email(address), Some(password.into())).await
}

async fn verify(app: &TestApp, account: AccountId, address: &str, password: &str) -> bool {
    users::verify_password(&app.app, account, &email(address), SecretString::from(password)).await.unwrap()
}

#[tokio::test]
async fn a_password_is_stored_as_an_argon2id_string_with_a_salt_of_its_own() {
    let app = TestApp::start().await;
    let account = app.account("devs@platform.example").await.account;
    create(&app, account, "a@platform.example", PASSWORD).await.unwrap();
    create(&app, account, "b@platform.example", PASSWORD).await.unwrap();
    let rows = app.rows("select password_hash from users where password_hash is not null").await;
    let hashes: Vec<_> = rows.iter().map(|row| row["password_hash"].as_str().unwrap()).collect();
    for hash in &hashes {
        // OWASP's smallest parameters, or more.
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(!hash.contains("horse"));
    }
    assert!(hashes.len() == 2 && hashes[0] != hashes[1]);
}

#[tokio::test]
async fn only_the_right_password_of_the_right_user_of_the_right_account_is_right() {
    let app = TestApp::start().await;
    let account = app.account("devs@platform.example").await.account;
    let other = app.account("other@elsewhere.example").await.account;
    create(&app, account, "a@platform.example", PASSWORD).await.unwrap();
    assert!(verify(&app, account, "a@platform.example", PASSWORD).await);
    for wrong in ["", "Correct horse battery", "correct horse battery ", "nobody has this password"] {
        assert!(!verify(&app, account, "a@platform.example", wrong).await, "{wrong:?}");
    }
    for who in ["nobody@platform.example", "A@platform.example", "devs@platform.example"] {
        for password in [PASSWORD, "nobody has this password", ""] {
            assert!(!verify(&app, account, who, password).await, "{who} {password:?}");
        }
    }
    assert!(!verify(&app, other, "a@platform.example", PASSWORD).await);
}

#[tokio::test]
async fn a_user_who_does_not_exist_takes_as_long_to_refuse() {
    let app = TestApp::start().await;
    let account = app.account("devs@platform.example").await.account;
    create(&app, account, "a@platform.example", PASSWORD).await.unwrap();
    // Other work only ever makes it longer, so the shortest of several tells what it takes.
    let mut shortest = [Duration::MAX; 2];
    for round in 1.. {
        for (shortest, who) in shortest.iter_mut().zip(["a@platform.example", "nobody@platform.example"]) {
            let start = Instant::now();
            assert!(!verify(&app, account, who, "a wrong password").await);
            *shortest = start.elapsed().min(*shortest);
        }
        let [known, unknown] = shortest;
        if round >= 3 && known < unknown * 3 / 2 && unknown < known * 3 / 2 {
            return;
        }
        assert!(round < 40, "{known:?} for a user and {unknown:?} for none");
    }
}

#[tokio::test]
async fn a_password_that_is_too_short_is_refused_and_not_repeated() {
    let app = TestApp::start().await;
    let account = app.account("devs@platform.example").await.account;
    for short in ["", "hunter2", "ßßßßßßßßßßß"] {
        let error = create(&app, account, "a@platform.example", short).await.unwrap_err();
        assert!(matches!(error, Error::BrokenRule(BrokenRule::ShortPassword(12))), "{error:?}");
    }
    create(&app, account, "a@platform.example", "ßßßßßßßßßßßß").await.unwrap();
}

#[tokio::test]
async fn an_address_is_one_user_of_an_account_and_perhaps_of_another() {
    let app = TestApp::start().await;
    let account = app.account("devs@platform.example").await.account;
    let other = app.account("other@elsewhere.example").await.account;
    let error = create(&app, account, "devs@platform.example", PASSWORD).await.unwrap_err();
    assert!(matches!(error, Error::Taken(Taken::UserEmail)), "{error:?}");
    create(&app, other, "devs@platform.example", PASSWORD).await.unwrap();
    for nobody in [AccountId::OPERATOR, AccountId(4711)] {
        let error = create(&app, nobody, "a@platform.example", PASSWORD).await.unwrap_err();
        assert!(matches!(error, Error::NotFound { what: Missing::Account, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn the_command_reads_the_password_only_from_standard_input() {
    let installation = Installation::new().await;
    let account = installation.account("A").await;
    let create = ["user", "create", "--account", &account, "--email", "a@example.com"];
    let with_password = [&create[..], &["--password-stdin"]].concat();
    installation
        .run_with(&with_password, "hunter2\n")
        .await
        .refused(1, "password: must be at least 12 characters long");
    let made = installation.run_with(&with_password, &format!("{PASSWORD}\n")).await;
    made.done().parse::<uuid::Uuid>().unwrap();
    assert!(!format!("{made:?}").contains("horse"));
    installation.run_with(&with_password, PASSWORD).await.refused(1, "email: is already a user of this account");
    let mut nobody = create;
    nobody[3] = "4711";
    installation.run(&nobody).await.refused(1, "error: Account not found");
    installation.run(&[&create[..], &["--password", PASSWORD]].concat()).await.refused(2, "unexpected argument");

    // Who has no password can own keys all the same.
    let mut keyless = create;
    keyless[5] = "b@example.com";
    installation.run(&keyless).await.done();
    installation.key(&account, &["--user", "b@example.com"]).await;
    let mut connection = sqlx::ConnectOptions::connect(&installation.database.admin).await.unwrap();
    let query = "select email, password_hash from users order by created_at, email";
    let users: Vec<(String, Option<String>)> = sqlx::query_as(query).fetch_all(&mut connection).await.unwrap();
    let hash = |address: &str| users.iter().find(|(email, _)| email == address).unwrap().1.clone();
    assert!(hash("a@example.com").unwrap().starts_with("$argon2id$"));
    assert_eq!((hash("b@example.com"), hash("owner@example.com")), (None, None));
}
