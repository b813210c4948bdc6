//! Create or update the base credentials of an account for a supplier.

use super::{BaseCredentials, Conditions, Tag, store};
use crate::audit::{Action, Event};
use crate::error::{Error, Half, Missing, MissingHalf};
use crate::postgres::violates;
use crate::rights::Places;
use crate::sealed_pair::{Place, Storage, StoredPair};
use crate::suppliers;
use crate::types::{Environment, HalfPair, Pair, SupplierCode};
use crate::vault::Sealer;
use crate::work::Work;

/// The values to store. Absent fields are kept.
#[derive(Clone, Debug)]
pub struct BaseUpdate {
    /// For this supplier.
    pub supplier: SupplierCode,
    /// The staging pair, or a half of it.
    pub staging: HalfPair,
    /// The production pair, or a half of it.
    pub production: HalfPair,
}

impl BaseUpdate {
    /// Both environments, each with what is brought for it.
    pub(super) fn halves(&self) -> [(Environment, &HalfPair); 2] {
        [(Environment::Staging, &self.staging), (Environment::Production, &self.production)]
    }

    /// Whether there is anything to seal.
    pub fn brings_values(&self) -> bool {
        self.halves().iter().any(|(_, half)| !half.is_absent())
    }
}

/// Stores what the update brings and keeps the rest. A half pair is never stored: half of a pair may come by itself only
/// if the other half is there. Returns what is stored then, and the tag of that state.
///
/// An update that brings values needs a sealer. It is made before the work begins, because a key service may be slow.
pub async fn upsert_base(
    work: &mut Work<'_>,
    update: BaseUpdate,
    sealer: Option<&Sealer>,
    conditions: &Conditions,
) -> Result<(BaseCredentials, Tag), Error> {
    let (context, actor, account, now) = (work.context(), work.actor(), work.account(), work.now());
    suppliers::get(work, &update.supplier).await?;
    let held = conditions.hold(work, account, &update.supplier).await?;
    held.require()?;

    // A half that comes alone needs its other half, to be sealed with it. The row stays locked until the commit.
    let stored = if update.halves().iter().any(|(_, half)| half.is_one_half()) {
        store::lock_pairs(work, account, &update.supplier).await?
    } else {
        store::StoredPairs::default()
    };
    let mut missing = Vec::new();
    let mut complete = Vec::new();
    for (environment, half) in update.halves() {
        let place = Place { supplier: &update.supplier, storage: Storage::Base, environment };
        match (half.username.clone(), half.password.clone()) {
            (None, None) => {}
            (Some(username), Some(password)) => complete.push((place, Pair { username, password })),
            (username, password) => match &stored[environment] {
                StoredPair::Whole(pair) => {
                    let pair = pair.as_ref().map_err(|damage| *damage)?;
                    let keys = context.vault.data_keys(account, pair.halves()).await?;
                    let stored = place.open(&keys, account, pair)?;
                    let username = username.unwrap_or(stored.username);
                    let password = password.unwrap_or(stored.password);
                    complete.push((place, Pair { username, password }));
                }
                _ => missing.push(missing_half(environment, username.is_none())),
            },
        }
    }
    if !missing.is_empty() {
        return Err(Error::HalfPairs(missing));
    }

    let mut pairs = store::SealedPairs::default();
    if let Some(sealer) = sealer {
        for (place, pair) in &complete {
            pairs[place.environment] = Some(place.seal(sealer, pair)?);
        }
    }
    let created =
        store::upsert_base(work, account, &update.supplier, &pairs, actor.name(), now).await.map_err(|error| {
            // The supplier left the directory since we looked.
            if violates(&error, "supplier_credentials_supplier_fkey") {
                Error::missing(Missing::Supplier)
            } else {
                error.into()
            }
        })?;
    held.require_new(created)?;
    let filled = complete.iter().map(|(place, _)| Places::base(place.environment));
    work.fill(&update.supplier, filled.fold(Places::default(), Places::with)).await?;
    let result = store::find_within(work, account, &update.supplier).await?;
    let result = result.ok_or(Error::Database(sqlx::Error::RowNotFound))?;
    let action = if created { Action::CredentialsCreated } else { Action::CredentialsUpdated };
    work.record(Event::of_supplier(action, &update.supplier));
    Ok(result)
}

/// The half that a pair lacks of which the other half came by itself and none is stored.
pub(super) fn missing_half(environment: Environment, username_is_missing: bool) -> MissingHalf {
    MissingHalf { environment, half: if username_is_missing { Half::Username } else { Half::Password } }
}
