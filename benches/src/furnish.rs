//! Fills a database: accounts and keys the way the service makes them, credentials sealed by the service's own vault and
//! written in bulk.

use anyhow::Result;
use credenza::accounts::{self, NewAccount, Plan};
use credenza::api_credentials::{self, NewKey};
use credenza::api_key::Kind;
use credenza::app::App;
use credenza::postgres::Tenant as Rows;
use credenza::principal::{Actor, Scope};
use credenza::sealed_pair::{Place, Storage};
use credenza::suppliers::defaults;
use credenza::types::{AccountId, Email, Environment, Name, Pair, Password, Service, SupplierCode, Username};
use credenza::work::Work;
use sqlx::{Connection, PgConnection};

use crate::world::{Tenant, World, password, username};

/// The service that is asked about.
pub const SERVICE: Service = Service::Inv;

/// Makes accounts with a key each, suppliers, and what every account has with every supplier: base credentials for both
/// environments and service credentials for one service.
pub async fn furnish(app: &App, admin: &mut PgConnection, accounts: usize, suppliers: usize) -> Result<World> {
    let world = furnish_empty(app, admin, accounts, suppliers).await?;
    let mut transaction = admin.begin().await?;
    for tenant in &world.tenants {
        credentials(app, &mut transaction, AccountId(tenant.account), &world.suppliers).await?;
    }
    transaction.commit().await?;
    sqlx::query("analyze").execute(admin).await?;
    Ok(world)
}

/// The same without any credentials.
pub async fn furnish_empty(app: &App, admin: &mut PgConnection, accounts: usize, suppliers: usize) -> Result<World> {
    let suppliers: Vec<_> = (1..=suppliers).map(World::supplier).collect();
    directory(admin, &suppliers).await?;
    let mut tenants = Vec::with_capacity(accounts);
    for number in 1..=accounts {
        tenants.push(tenant(app, number).await?);
    }
    Ok(World { tenants, suppliers })
}

/// Puts suppliers into the directory.
pub async fn directory(admin: &mut PgConnection, codes: &[String]) -> Result<()> {
    sqlx::query(
        "insert into suppliers (code, name, created_at, modified_on)
         select code, 'Supplier ' || code, now(), now() from unnest($1::text[]) code",
    )
    .bind(codes)
    .execute(admin)
    .await?;
    Ok(())
}

/// Makes as many suppliers for which the operator has default credentials, and nobody else any.
pub async fn furnish_defaults(app: &App, admin: &mut PgConnection, suppliers: usize) -> Result<()> {
    let codes: Vec<_> = (1..=suppliers).map(World::supplier_with_default).collect();
    directory(admin, &codes).await?;
    for code in &codes {
        let pair = pair(AccountId::OPERATOR, code)?;
        let services = Service::ALL.to_vec();
        let (supplier, sealer) =
            (SupplierCode::parse(code)?, app.vault.sealer(AccountId::OPERATOR, app.clock.now()).await?);
        let set = async |work: &mut Work<'_>| {
            defaults::set(work, &supplier, Environment::Production, services.clone(), &pair, &sealer).await
        };
        Work::carry_out(app, &Actor::operator(), AccountId::OPERATOR, set).await?;
    }
    Ok(())
}

fn pair(account: AccountId, code: &str) -> Result<Pair> {
    Ok(Pair {
        username: Username::parse(username(account.0, code).into())?,
        password: Password::parse(password(account.0, code).into())?,
    })
}

async fn tenant(app: &App, number: usize) -> Result<Tenant> {
    let new = NewAccount {
        name: Name::parse(&format!("Account {number}"))?,
        plan: Plan::Standard,
        subaccounts_enabled: false,
        owner_email: Email::parse("owner@example.com")?,
    };
    let create = async |work: &mut Work<'_>| accounts::create(work, &new).await;
    let account = Work::carry_out(app, &Actor::operator(), Rows::Every, create).await?;
    let key = NewKey::new(Name::parse("benchmark")?, Kind::Private, Scope::ALL.to_vec());
    let make = async |work: &mut Work<'_>| api_credentials::create(work, &key).await;
    let (_, key) = Work::carry_out(app, &Actor::operator(), account, make).await?;
    Ok(Tenant { account: account.0, key: key.expose().to_owned() })
}

/// Columns of the rows to be written.
#[derive(Default)]
struct Columns {
    staging: (Vec<Vec<u8>>, Vec<Vec<u8>>),
    production: (Vec<Vec<u8>>, Vec<Vec<u8>>),
    usernames: Vec<String>,
    passwords: Vec<Vec<u8>>,
}

/// What an account has with the suppliers: five sealed values for each.
pub async fn credentials(app: &App, admin: &mut PgConnection, account: AccountId, suppliers: &[String]) -> Result<()> {
    let seals = u32::try_from(suppliers.len() * 5)?;
    let data_key = app.vault.sealer_of(seals, account, app.clock.now()).await?;
    let mut columns = Columns::default();
    for code in suppliers {
        let supplier = SupplierCode::parse(code)?;
        let place = |storage, environment| Place { supplier: &supplier, storage, environment };
        let pair = pair(account, code)?;
        for (environment, (usernames, passwords)) in
            [(Environment::Staging, &mut columns.staging), (Environment::Production, &mut columns.production)]
        {
            let sealed = place(Storage::Base, environment).seal(&data_key, &pair)?;
            usernames.push(sealed.username.as_bytes().to_vec());
            passwords.push(sealed.password.as_bytes().to_vec());
        }
        let sealed = place(Storage::Service(SERVICE), Environment::Production);
        let sealed = sealed.seal_password(&data_key, &pair.username, &pair.password)?;
        columns.usernames.push(pair.username.expose().to_owned());
        columns.passwords.push(sealed.as_bytes().to_vec());
    }
    insert(admin, account, suppliers, columns).await?;
    Ok(credenza::rights::make_manifest(admin, &app.pepper, account).await?)
}

async fn insert(admin: &mut PgConnection, account: AccountId, suppliers: &[String], columns: Columns) -> Result<()> {
    sqlx::query(
        "insert into supplier_credentials (account_id, supplier_code, staging_username, staging_password,
             production_username, production_password, created_at, created_by, modified_on, modified_by)
         select $1, *, now(), 'owner@example.com', now(), 'owner@example.com'
         from unnest($2::text[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[])",
    )
    .bind(account.0)
    .bind(suppliers)
    .bind(columns.staging.0)
    .bind(columns.staging.1)
    .bind(columns.production.0)
    .bind(columns.production.1)
    .execute(&mut *admin)
    .await?;
    sqlx::query(
        "insert into service_credentials (account_id, supplier_code, service, environment, username, password,
             created_at, created_by, modified_on, modified_by)
         select $1, code, $2, 'PROD', username, password, now(), 'owner@example.com', now(), 'owner@example.com'
         from unnest($3::text[], $4::text[], $5::bytea[]) as rows (code, username, password)",
    )
    .bind(account.0)
    .bind(SERVICE.as_str())
    .bind(suppliers)
    .bind(columns.usernames)
    .bind(columns.passwords)
    .execute(admin)
    .await?;
    Ok(())
}
