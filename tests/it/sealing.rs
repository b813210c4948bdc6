//! A sealed value opens in the one place that it was sealed for, unchanged, and nowhere else. Values are taken from a
//! database that was filled through the service: two accounts, two suppliers, every level, service and environment.

use credenza::error::Error;
use credenza::sealed_pair::{Place, SealedPair, Storage};
use credenza::types::{AccountId, Environment, Service, SupplierCode, Username};
use credenza::vault::{OpenError, Sealed};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use sqlx::Row;

use crate::support::TestApp;
use crate::support::app::{code, place};

const SUPPLIERS: [&str; 2] = ["HIT", "PCNA"];

/// A pair where it is stored.
struct Stored {
    account: AccountId,
    supplier: SupplierCode,
    storage: Storage,
    environment: Environment,
    /// In clear for service credentials.
    username: Result<Sealed, Username>,
    password: Sealed,
}

impl Stored {
    fn place(&self) -> Place<'_> {
        place(&self.supplier, self.storage, self.environment)
    }

    async fn opens(
        &self,
        app: &TestApp,
        username: &Result<Sealed, Username>,
        password: &Sealed,
    ) -> Result<(), OpenError> {
        let vault = &app.app.vault;
        let opened = match username {
            Ok(username) => {
                let pair = SealedPair { username: username.clone(), password: password.clone() };
                let keys = vault.data_keys(self.account, pair.halves()).await;
                keys.and_then(|keys| Ok(self.place().open(&keys, self.account, &pair).map(drop)?))
            }
            Err(username) => {
                let keys = vault.data_keys(self.account, [password]).await;
                keys.and_then(|keys| {
                    Ok(self.place().open_password(&keys, self.account, username, password).map(drop)?)
                })
            }
        };
        opened.map_err(|error| match error {
            Error::Unreadable(why) => why,
            Error::Shared(error) if let Error::Unreadable(why) = *error => why,
            other => panic!("{other:?}"),
        })
    }
}

/// An application whose database has a pair in every place.
async fn populated() -> (TestApp, Vec<Stored>) {
    let app = TestApp::start().await;
    for email in ["a@one.example", "b@two.example"] {
        let caller = app.account(email).await;
        for supplier in SUPPLIERS {
            // The same text everywhere: only the place tells one value from another.
            let base = json!({"supplier_code": supplier, "staging_username": "same", "staging_password": "same",
                              "production_username": "same", "production_password": "same"});
            caller.post("/extra/v2/credentials", base).await.expect(201);
            for (service, environment) in calls() {
                let body =
                    json!({"service": service, "environment": environment, "username": "same", "password": "same"});
                caller.post(&format!("/extra/v2/credentials/{supplier}/services"), body).await.expect(201);
            }
        }
    }
    for supplier in SUPPLIERS {
        for environment in Environment::ALL {
            app.set_default(supplier, environment, &Service::ALL, ("same", "same")).await;
        }
    }
    let stored = everything_stored(&app).await;
    (app, stored)
}

fn calls() -> impl Iterator<Item = (Service, Environment)> {
    Service::ALL.into_iter().flat_map(|service| Environment::ALL.map(|environment| (service, environment)))
}

async fn everything_stored(app: &TestApp) -> Vec<Stored> {
    let rows = sqlx::query(
        "select account_id, supplier_code, 'base' as level, 'STAGING' as environment,
             staging_username as sealed_username, null as clear_username, staging_password as password
         from supplier_credentials where staging_password is not null
         union all select account_id, supplier_code, 'base', 'PROD', production_username, null, production_password
         from supplier_credentials where production_password is not null
         union all select account_id, supplier_code, service, environment, null, username, password
         from service_credentials
         union all select 0, supplier_code, 'default', environment, username, null, password from default_credentials",
    )
    .fetch_all(&mut app.admin().await)
    .await
    .unwrap();
    let stored = |row: &sqlx::postgres::PgRow| Stored {
        account: row.get("account_id"),
        supplier: code(row.get("supplier_code")),
        storage: match row.get("level") {
            "base" => Storage::Base,
            "default" => Storage::Default,
            service => Storage::Service(Service::parse(service).unwrap()),
        },
        environment: Environment::parse(row.get("environment")).unwrap(),
        username: match row.get::<Option<Vec<u8>>, _>("sealed_username") {
            Some(sealed) => Ok(Sealed::parse(sealed).unwrap()),
            None => Err(Username::parse(row.get::<String, _>("clear_username").into()).unwrap()),
        },
        password: Sealed::parse(row.get("password")).unwrap(),
    };
    rows.iter().map(stored).collect()
}

#[tokio::test]
async fn of_all_pairs_of_sealed_values_none_opens_in_the_others_place() {
    let (app, stored) = populated().await;
    let usernames = stored.iter().filter_map(|stored| stored.username.as_ref().ok());
    let values: Vec<&Sealed> = usernames.chain(stored.iter().map(|stored| &stored.password)).collect();
    // Two accounts, two suppliers: two base pairs and sixteen passwords each; and the defaults, two pairs a supplier.
    assert_eq!(values.len(), 2 * 2 * (4 + 16) + 2 * 4);
    let mut tried = 0;
    for stored in &stored {
        assert_eq!(stored.opens(&app, &stored.username, &stored.password).await, Ok(()));
        for &foreign in &values {
            if foreign != &stored.password {
                tried += 1;
                assert!(stored.opens(&app, &stored.username, foreign).await.is_err());
            }
            if stored.username.as_ref().is_ok_and(|own| own != foreign) {
                tried += 1;
                assert!(stored.opens(&app, &Ok(foreign.clone()), &stored.password).await.is_err());
            }
        }
    }
    assert_eq!(tried, values.len() * (values.len() - 1));
}

#[tokio::test]
async fn a_password_opens_only_with_the_user_name_it_was_sealed_with() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let store = async |username| {
        let body = json!({"supplier_code": "HIT", "production_username": username, "production_password": "p"});
        caller.post("/extra/v2/credentials", body).await.expect(201);
        everything_stored(&app).await.remove(0)
    };
    // Each user name was sealed for this very place; only its password tells the older one from the newer.
    let (older, newer) = (store("older").await, store("newer").await);
    assert_eq!(newer.opens(&app, &older.username, &older.password).await, Ok(()));
    assert!(newer.opens(&app, &older.username, &newer.password).await.is_err());
    assert!(newer.opens(&app, &newer.username, &older.password).await.is_err());
}

#[tokio::test]
async fn every_shortened_lengthened_or_flipped_value_is_refused() {
    let (app, stored) = populated().await;
    for stored in [&stored[0], stored.iter().find(|stored| stored.username.is_err()).unwrap()] {
        let whole = stored.password.as_bytes();
        let mut changed: Vec<Vec<u8>> = (0..whole.len()).map(|length| whole[..length].to_vec()).collect();
        changed.extend((0..whole.len() * 8).map(|bit| {
            let mut flipped = whole.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            flipped
        }));
        changed.extend((0..=u8::MAX).map(|byte| [whole, &[byte]].concat()));
        for bytes in changed {
            let Ok(sealed) = Sealed::parse(bytes) else { continue };
            assert!(stored.opens(&app, &stored.username, &sealed).await.is_err());
            if stored.username.is_ok() {
                assert!(stored.opens(&app, &Ok(sealed), &stored.password).await.is_err());
            }
        }
    }
    let parse = |bytes: &[u8]| Sealed::parse(bytes.to_vec()).err();
    assert_eq!(parse(&[]), Some(OpenError::Malformed));
    assert_eq!(parse(&stored[0].password.as_bytes()[..32]), Some(OpenError::Malformed));
    assert_eq!(parse(&[2; 100]), Some(OpenError::UnknownFormat));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_is_refused_without_panic() {
    let (app, stored) = populated().await;
    let runtime = tokio::runtime::Handle::current();
    let noise = proptest::collection::vec(any::<u8>(), 0..120);
    // Noise alone, and noise behind a header that is right.
    let strategy = (noise, any::<bool>(), 0..stored.len());
    let config = Config { cases: 2000, failure_persistence: None, ..Config::default() };
    let result = tokio::task::block_in_place(|| {
        TestRunner::new(config).run(&strategy, |(mut noise, behind_a_header, index)| {
            if behind_a_header {
                noise.splice(0..0, [1, 0, 0, 0, 1]);
            }
            let Ok(sealed) = Sealed::parse(noise) else { return Ok(()) };
            let stored = &stored[index];
            prop_assert!(runtime.block_on(stored.opens(&app, &stored.username, &sealed)).is_err());
            Ok(())
        })
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

#[tokio::test]
async fn two_seals_of_one_text_differ() {
    let (_app, stored) = populated().await;
    let mut values: Vec<_> = stored.iter().map(|stored| stored.password.as_bytes()).collect();
    values.extend(stored.iter().filter_map(|stored| stored.username.as_ref().ok()).map(Sealed::as_bytes));
    // Everything in front of the ciphertext is format, generation and nonce: the nonce alone must tell them apart.
    let nonces: std::collections::HashSet<_> = values.iter().map(|value| &value[5..17]).collect();
    assert_eq!(nonces.len(), values.len());
}
