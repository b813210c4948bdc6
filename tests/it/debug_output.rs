//! `{:?}` ends up in logs sooner or later, so nothing that holds a secret prints it there.

use credenza::api_key::{ApiKey, Kind};
use credenza::credentials::{BaseUpdate, ServiceUpdate};
use credenza::resolver::Resolved;
use credenza::resolver::precedence::Level;
use credenza::types::{Environment, HalfPair, Password, Service, Username};
use credenza::vault::Keyring;

use crate::support::app::{code, pair_of};

const USERNAME: &str = "the-user-name";
const PASSWORD: &str = "the-password";
const MASTER_KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";

#[test]
fn nothing_that_holds_a_secret_prints_it() {
    let pair = pair_of(USERNAME, PASSWORD);
    let half = HalfPair { username: Some(pair.username.clone()), password: Some(pair.password.clone()) };
    let key = ApiKey::generate(Kind::Private);
    let (service, environment) = (Service::Inv, Environment::Production);
    let update = ServiceUpdate { supplier: code("HIT"), service, environment, pair: pair.clone() };
    let printed = [
        format!("{:?}", Username::parse(USERNAME.into())),
        format!("{:?}", Password::parse(PASSWORD.into())),
        format!("{:?}", Password::parse(PASSWORD.repeat(99).into())),
        format!("{pair:#?} {half:#?} {update:#?}"),
        format!("{:?}", BaseUpdate { supplier: code("HIT"), staging: half.clone(), production: half }),
        format!("{:?}", Resolved { source: Level::Account, pair, stale_for: None }),
        format!("{key:#?}"),
        format!("{:?}", Keyring::parse(&format!("k:{MASTER_KEY}").into())),
        format!("{:?}", Keyring::parse(&format!("k:{MASTER_KEY},k:{MASTER_KEY}").into())),
        format!("{:?}", Keyring::parse(&format!("{MASTER_KEY}:k").into())),
    ];
    for text in printed {
        for secret in [USERNAME, PASSWORD, MASTER_KEY, &MASTER_KEY[..8], key.expose(), &key.expose()[4..12]] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
