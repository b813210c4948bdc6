//! Acts of the operator, each a unit of work of its own, as the command line carries them out.

use credenza::accounts::users::{self, HashedPassword};
use credenza::accounts::{self, NewAccount, Purged};
use credenza::api_credentials::{self, KeySummary, NewKey};
use credenza::api_key::ApiKey;
use credenza::app::App;
use credenza::error::Error;
use credenza::oauth::{self, NewSigningKey};
use credenza::postgres::Tenant;
use credenza::principal::Actor;
use credenza::suppliers::{defaults, import};
use credenza::types::{AccountId, Email, Environment, Origin, Pair, Service, SupplierCode};
use credenza::work::Work;
use secrecy::SecretString;
use uuid::Uuid;

pub async fn create_account(app: &App, new: &NewAccount) -> Result<AccountId, Error> {
    let create = async |work: &mut Work<'_>| accounts::create(work, new).await;
    Work::carry_out(app, &Actor::operator(), Tenant::Every, create).await
}

pub async fn set_allowed_origins(app: &App, account: AccountId, origins: &[Origin]) -> Result<(), Error> {
    let set = async |work: &mut Work<'_>| accounts::set_allowed_origins(work, origins).await;
    Work::carry_out(app, &Actor::operator(), account, set).await
}

pub async fn purge(app: &App, account: AccountId) -> Result<Purged, Error> {
    let purge = async |work: &mut Work<'_>| accounts::purge(work).await;
    Work::carry_out(app, &Actor::operator(), account, purge).await
}

pub async fn create_user(
    app: &App,
    account: AccountId,
    email: &Email,
    password: Option<SecretString>,
) -> Result<Uuid, Error> {
    let password = match password {
        Some(password) => Some(HashedPassword::of(password).await?),
        None => None,
    };
    let create = async |work: &mut Work<'_>| users::create(work, email, password.as_ref()).await;
    Work::carry_out(app, &Actor::operator(), account, create).await
}

pub async fn create_key(app: &App, account: AccountId, new: &NewKey) -> Result<(KeySummary, ApiKey), Error> {
    let operator = Actor::operator();
    let mut work = Work::begin(app, &operator, account).await?;
    let made = api_credentials::create(&mut work, new).await?;
    work.commit(None).await?;
    Ok(made)
}

pub async fn revoke_key(app: &App, account: AccountId, id: Uuid) -> Result<(), Error> {
    let revoke = async |work: &mut Work<'_>| api_credentials::revoke(work, id).await;
    Work::carry_out(app, &Actor::operator(), account, revoke).await
}

pub async fn set_default(
    app: &App,
    supplier: &SupplierCode,
    environment: Environment,
    services: &[Service],
    pair: &Pair,
) -> Result<(), Error> {
    let sealer = app.vault.sealer(AccountId::OPERATOR, app.clock.now()).await?;
    let set =
        async |work: &mut Work<'_>| defaults::set(work, supplier, environment, services.to_vec(), pair, &sealer).await;
    Work::carry_out(app, &Actor::operator(), AccountId::OPERATOR, set).await
}

pub async fn remove_default(app: &App, supplier: &SupplierCode, environment: Environment) -> Result<bool, Error> {
    let remove = async |work: &mut Work<'_>| defaults::remove(work, supplier, environment).await;
    Work::carry_out(app, &Actor::operator(), AccountId::OPERATOR, remove).await
}

/// Imports the directory from a CSV file.
pub async fn import_directory(app: &App, file: &str) -> Result<import::Report, Error> {
    let entries = import::parse(file.as_bytes()).unwrap();
    let import = async |work: &mut Work<'_>| import::import(work, &entries, |_, _| ()).await;
    Work::carry_out(app, &Actor::operator(), AccountId::OPERATOR, import).await
}

/// Rotates the key that signs tokens; returns the new key's id.
pub async fn rotate_signing_key(app: &App) -> Result<String, Error> {
    let new = NewSigningKey::make(&app.vault, app.clock.now()).await?;
    let operator = Actor::operator();
    let mut work = Work::begin(app, &operator, AccountId::OPERATOR).await?;
    let id = oauth::rotate_signing_key(&mut work, new).await?;
    work.commit(None).await?;
    Ok(id)
}
