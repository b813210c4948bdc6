//! Rows of base credentials.

use sqlx::PgConnection;

use super::importable::{Found, Importable, Lock, is_unreadable};
use super::rows::{Key, Row};
use super::store::{self, BaseColumns, NewBaseRows, Stamp};
use crate::audit::{Action, Event};
use crate::credentials::BaseUpdate;
use crate::credentials::store::SealedPairs;
use crate::credentials::upsert_base::missing_half;
use crate::error::{Error, Missing, MissingHalf, SealError};
use crate::rights::Places;
use crate::sealed_pair::{Place, SealedPair, Storage, StoredPair};
use crate::types::{AccountId, Environment, Pair, SupplierCode};
use crate::vault::{SealBudget, Vault};

/// New pairs of a row; those of the other environments are kept.
pub(super) type Pairs = Vec<(Environment, Pair)>;

impl BaseUpdate {
    fn place(&self, environment: Environment) -> Place<'_> {
        Place { supplier: &self.supplier, storage: Storage::Base, environment }
    }
}

impl Importable for BaseUpdate {
    type Stored = BaseColumns;
    type Change = Pairs;
    type Sealed = SealedPairs;
    const GROUND: Missing = Missing::Supplier;

    fn supplier(&self) -> &SupplierCode {
        &self.supplier
    }

    async fn find(
        connection: &mut PgConnection,
        account: AccountId,
        rows: &[Row<Self>],
        lock: Lock,
    ) -> Result<Found<BaseColumns>, sqlx::Error> {
        let codes: Vec<_> = rows.iter().map(|row| row.value.supplier.as_str()).collect();
        let known = store::in_directory(connection, &codes).await?;
        let stored = match lock {
            Lock::No => store::base_rows(connection, account, &codes).await?,
            Lock::Yes => store::lock_base_rows(connection, account, &codes).await?,
        };
        Ok(Found::new(rows.len(), known, stored))
    }

    async fn change(
        &self,
        vault: &Vault,
        account: AccountId,
        stored: Option<&BaseColumns>,
    ) -> Result<Result<Option<Pairs>, Vec<MissingHalf>>, Error> {
        let (mut pairs, mut errors) = (Pairs::new(), Vec::new());
        for (environment, half) in self.halves().into_iter().filter(|(_, half)| !half.is_absent()) {
            let opened = match stored.map(|stored| stored.pair(environment)) {
                Some(StoredPair::Whole(Ok(pair))) => Some(open(vault, account, self.place(environment), &pair).await),
                Some(StoredPair::Whole(Err(damage))) => Some(Err(damage.into())),
                Some(StoredPair::Absent | StoredPair::Half) | None => None,
            };
            let stored = match opened {
                Some(Ok(pair)) => Some(pair),
                // A whole pair takes the place of one that does not open; half a pair cannot.
                Some(Err(error)) if half.is_one_half() || !is_unreadable(&error) => return Err(error),
                Some(Err(_)) | None => None,
            };
            let pair = match (half.username.clone(), half.password.clone(), &stored) {
                (Some(username), Some(password), _) => Pair { username, password },
                (username, password, Some(stored)) => Pair {
                    username: username.unwrap_or_else(|| stored.username.clone()),
                    password: password.unwrap_or_else(|| stored.password.clone()),
                },
                (username, _, None) => {
                    errors.push(missing_half(environment, username.is_none()));
                    continue;
                }
            };
            if !stored.is_some_and(|stored| pair.is_same_as(&stored)) {
                pairs.push((environment, pair));
            }
        }
        if !errors.is_empty() {
            return Ok(Err(errors));
        }
        let is_unchanged = stored.is_some() && pairs.is_empty();
        Ok(Ok((!is_unchanged).then_some(pairs)))
    }

    fn fills(&self, pairs: &SealedPairs) -> Places {
        let filled = Environment::ALL.into_iter().filter(|environment| pairs[*environment].is_some());
        filled.fold(Places::default(), |places, environment| places.with(Places::base(environment)))
    }

    fn seals(pairs: &Pairs) -> u64 {
        2 * pairs.len() as u64
    }

    fn most_seals(&self) -> u64 {
        2 * self.halves().iter().filter(|(_, half)| !half.is_absent()).count() as u64
    }

    fn seal(&self, pairs: &Pairs, sealers: &mut SealBudget) -> Result<SealedPairs, SealError> {
        let mut sealed = SealedPairs::default();
        for (environment, pair) in pairs {
            sealed[*environment] = Some(self.place(*environment).seal(sealers.take(2)?, pair)?);
        }
        Ok(sealed)
    }

    async fn store(
        connection: &mut PgConnection,
        account: AccountId,
        changes: &[(&Self, &SealedPairs)],
        stamp: Stamp<'_>,
    ) -> Result<Vec<Key>, sqlx::Error> {
        let mut rows = NewBaseRows::default();
        for (update, sealed) in changes {
            rows.push(&update.supplier, sealed.staging.as_ref(), sealed.production.as_ref());
        }
        let stored = store::upsert_base_rows(connection, account, &rows, stamp).await?;
        let created = stored.into_iter().filter(|(_, is_new)| *is_new);
        created.map(|(code, _)| Ok((store::supplier(code)?, None))).collect()
    }

    fn event(&self, is_new: bool) -> Event {
        let action = if is_new { Action::CredentialsCreated } else { Action::CredentialsUpdated };
        Event::of_supplier(action, &self.supplier)
    }
}

async fn open(vault: &Vault, account: AccountId, place: Place<'_>, pair: &SealedPair) -> Result<Pair, Error> {
    let keys = vault.data_keys(account, pair.halves()).await?;
    Ok(place.open(&keys, account, pair)?)
}
