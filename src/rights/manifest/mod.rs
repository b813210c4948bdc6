//! The manifest of an account: which places of which suppliers it has filled, under a MAC.
//!
//! The seal of a pair binds it to its place; an absent pair has no seal. So that a call to a place that somebody emptied does
//! not use another login, every write that fills or empties a place notes it here, in its transaction, and the loader of what
//! an account stores compares ([`Manifest::places`]).
//!
//! A write locks the manifest after its rows, and locks no further rows of credentials then. The values are not part of the
//! manifest: a write that only replaces values reads one flag.

mod places;
mod store;

use std::collections::BTreeMap;

use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection};

pub use places::Places;

use super::Unauthentic;
use super::mac::RightsMac;
use crate::api_key::Pepper;
use crate::error::{Error, OpenError};
use crate::types::{AccountId, Environment, Service, SupplierCode};
use store::StoredManifest;

const TABLE: &str = "credential_manifests";
/// Accounts whose manifests are read at once, by the upgrade and by verification.
const PAGE: i64 = 100;

/// The places that an account has filled, by supplier.
#[derive(Default)]
pub struct Manifest(BTreeMap<String, Places>);

impl Manifest {
    /// Reads the manifest in a row that has its columns.
    ///
    /// # Errors
    /// [`OpenError::Rejected`] if it is not as it was authenticated.
    pub(crate) fn of_row(pepper: &Pepper, account: AccountId, row: &PgRow) -> Result<Self, Error> {
        Ok(Self::of_stored(pepper, account, StoredManifest::from_row(row)?)?)
    }

    fn of_stored(pepper: &Pepper, account: AccountId, stored: StoredManifest) -> Result<Self, OpenError> {
        let StoredManifest { suppliers, places, mac } = stored;
        if !mac_of(pepper, account, &suppliers, &places).is(mac.as_deref()) {
            tracing::error!(account = account.0, "the manifest of an account is not as it was authenticated");
            return Err(OpenError::Rejected);
        }
        Ok(Self(suppliers.into_iter().zip(places.into_iter().map(Places::of_bits)).collect()))
    }

    /// The places of a supplier that are filled.
    pub fn places(&self, supplier: &SupplierCode) -> Places {
        self.0.get(supplier.as_str()).copied().unwrap_or_default()
    }

    fn to_stored(&self, pepper: &Pepper, account: AccountId) -> StoredManifest {
        let suppliers: Vec<_> = self.0.keys().cloned().collect();
        let places: Vec<_> = self.0.values().map(|places| places.bits()).collect();
        let mac = mac_of(pepper, account, &suppliers, &places).finish();
        StoredManifest { suppliers, places, mac: Some(mac) }
    }
}

fn mac_of(pepper: &Pepper, account: AccountId, suppliers: &[String], places: &[i32]) -> RightsMac {
    let mut mac = RightsMac::of_row(pepper, TABLE, account, "");
    mac.texts(suppliers);
    for places in places {
        mac.number(Some((*places).into()));
    }
    mac
}

/// Begins the manifest of an account that was made in this transaction.
pub(crate) async fn begin(connection: &mut PgConnection, pepper: &Pepper, account: AccountId) -> Result<(), Error> {
    Ok(store::insert(connection, account, &Manifest::default().to_stored(pepper, account)).await?)
}

/// Notes that a write has filled places of a supplier. The rows are locked already.
pub(crate) async fn fill(
    connection: &mut PgConnection,
    pepper: &Pepper,
    account: AccountId,
    supplier: &SupplierCode,
    places: Places,
) -> Result<(), Error> {
    // Whoever empties one of them waits for the lock of its row.
    if places.is_empty() || store::has(connection, account, supplier.as_str(), places).await? {
        return Ok(());
    }
    fill_many(connection, pepper, account, [(supplier, places)]).await
}

/// Notes the same for very many suppliers, which may come several times.
pub(crate) async fn fill_many<'a>(
    connection: &mut PgConnection,
    pepper: &Pepper,
    account: AccountId,
    filled: impl IntoIterator<Item = (&'a SupplierCode, Places)>,
) -> Result<(), Error> {
    let mut manifest = lock(connection, pepper, account).await?;
    let mut is_changed = false;
    for (supplier, places) in filled {
        let stored = manifest.0.entry(supplier.as_str().to_owned()).or_default();
        let with = stored.with(places);
        is_changed |= with != *stored;
        *stored = with;
    }
    if is_changed {
        manifest.0.retain(|_, places| !places.is_empty());
        store::update(connection, account, &manifest.to_stored(pepper, account)).await?;
    }
    Ok(())
}

/// Notes that a write has emptied places of a supplier. Returns whether any of them was filled.
pub(crate) async fn empty(
    connection: &mut PgConnection,
    pepper: &Pepper,
    account: AccountId,
    supplier: &SupplierCode,
    places: Places,
) -> Result<bool, Error> {
    let mut manifest = lock(connection, pepper, account).await?;
    let Some(stored) = manifest.0.get_mut(supplier.as_str()).filter(|stored| stored.has(places)) else {
        return Ok(false);
    };
    *stored = stored.without(places);
    manifest.0.retain(|_, places| !places.is_empty());
    store::update(connection, account, &manifest.to_stored(pepper, account)).await?;
    Ok(true)
}

async fn lock(connection: &mut PgConnection, pepper: &Pepper, account: AccountId) -> Result<Manifest, Error> {
    let stored = store::lock(connection, account).await?.ok_or(OpenError::Missing)?;
    Ok(Manifest::of_stored(pepper, account, stored)?)
}

/// Makes the manifest of an account anew, by what its rows fill.
pub async fn make_manifest(connection: &mut PgConnection, pepper: &Pepper, account: AccountId) -> Result<(), Error> {
    let mut filled = filled_between(connection, account, account).await?;
    store::delete_between(connection, account, account).await?;
    let manifest = Manifest(filled.remove(&account).unwrap_or_default());
    Ok(store::insert(connection, account, &manifest.to_stored(pepper, account)).await?)
}

/// Makes the manifest of every account anew, by what its rows fill. Returns how many. For the
/// upgrade, and for tests that change rows by hand.
pub(super) async fn make_every(connection: &mut PgConnection, pepper: &Pepper) -> Result<u64, Error> {
    let (mut count, mut after) = (0, AccountId::OPERATOR);
    loop {
        let page = store::page(connection, after, PAGE).await?;
        let (Some((first, _)), Some((last, _))) = (page.first(), page.last()) else { return Ok(count) };
        let mut filled = filled_between(connection, *first, *last).await?;
        store::delete_between(connection, *first, *last).await?;
        for (account, _) in &page {
            let manifest = Manifest(filled.remove(account).unwrap_or_default());
            store::insert(connection, *account, &manifest.to_stored(pepper, *account)).await?;
            count += 1;
        }
        after = *last;
    }
}

async fn filled_between(
    connection: &mut PgConnection,
    first: AccountId,
    last: AccountId,
) -> Result<BTreeMap<AccountId, BTreeMap<String, Places>>, Error> {
    let mut filled: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for (account, supplier, places) in store::filled_between(connection, first, last).await? {
        if !places.is_empty() {
            filled.entry(account).or_default().insert(supplier, places);
        }
    }
    Ok(filled)
}

/// A place that an account has filled and that is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emptied {
    /// The account.
    pub account: AccountId,
    /// The supplier's code.
    pub supplier: String,
    /// The service; `None` for a base pair.
    pub service: Option<Service>,
    /// The environment.
    pub environment: Environment,
}

/// Finds the manifests that are missing or not as they were authenticated, and the places that were emptied. For a
/// transaction on every account's rows.
pub(super) async fn verify(
    connection: &mut PgConnection,
    pepper: &Pepper,
) -> Result<(Vec<Unauthentic>, Vec<Emptied>), Error> {
    let (mut unauthentic, mut emptied, mut after) = (Vec::new(), Vec::new(), AccountId::OPERATOR);
    loop {
        let page = store::page(connection, after, PAGE).await?;
        let (Some((first, _)), Some((last, _))) = (page.first(), page.last()) else { break };
        after = *last;
        let filled = filled_between(connection, *first, *last).await?;
        for (account, stored) in page {
            let manifest = stored.ok_or(OpenError::Missing);
            let Ok(manifest) = manifest.and_then(|stored| Manifest::of_stored(pepper, account, stored)) else {
                unauthentic.push(Unauthentic { table: TABLE, account, key: String::new() });
                continue;
            };
            for (supplier, places) in manifest.0 {
                let rows = filled.get(&account).and_then(|filled| filled.get(&supplier)).copied().unwrap_or_default();
                let gone = places.without(rows);
                emptied.extend(each(gone).map(|(service, environment)| {
                    let supplier = supplier.clone();
                    Emptied { account, supplier, service, environment }
                }));
            }
        }
    }
    Ok((unauthentic, emptied))
}

/// Each place of a set.
fn each(places: Places) -> impl Iterator<Item = (Option<Service>, Environment)> {
    let services = std::iter::once(None).chain(Service::ALL.into_iter().map(Some));
    let all = services.flat_map(|service| Environment::ALL.map(|environment| (service, environment)));
    all.filter(move |(service, environment)| {
        places.has(match service {
            None => Places::base(*environment),
            Some(service) => Places::service(*service, *environment),
        })
    })
}
