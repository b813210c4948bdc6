//! Which pair a call uses: request → service → account → default.
//!
//! - [`precedence`]: the choice, a pure function.
//! - `bundle`: what is cached, and how it is loaded.
//! - `offer`: what each level has for a call, and how that is opened.
//! - [`Sources`]: the choice for every call, as a transaction sees it that may not be committed.
//! - [`Resolver`]: bundles from memory, the choice over them, and the one pair that won opened for the call.

mod bundle;
mod counted;
mod offer;
pub mod precedence;
mod sources;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;

pub use sources::{Moved, Sources};

use crate::accounts::AccountStatuses;
use crate::api_key::Pepper;
use crate::cluster::{Cluster, Coherent, Limits, Owner, Readings, stale};
use crate::error::{Denied, Error, Missing};
use crate::sealed_pair::StoredPair;
use crate::suppliers;
use crate::types::{AccountId, Environment, HalfPair, Pair, Service, SupplierCode};
use crate::vault::{DataKeys, Vault};
use bundle::{AccountBundle, CachedSupplier, Entry, Extras, SupplierBundle};
use counted::Counted;
use offer::{Offer, candidates, win};
use precedence::{Candidate, Choice, Level, Outcome, choose};

/// The supplier, service and environment of a call.
#[derive(Clone, Debug)]
pub struct Call {
    /// For this account.
    pub account: AccountId,
    /// To this supplier.
    pub supplier: SupplierCode,
    /// Of this service.
    pub service: Service,
    /// In this environment.
    pub environment: Environment,
}

/// The pair that a call uses.
#[derive(Debug)]
pub struct Resolved {
    /// The level that it comes from.
    pub source: Level,
    /// The pair, in plain. Wiped when dropped.
    pub pair: Pair,
    /// For how long this process could not know whether the pair is current; `None` if it is
    /// (`CREDENZA_SERVE_STALE_FOR`).
    pub stale_for: Option<Duration>,
}

/// A state of a stored pair: another one after every write of the pair, alike on every instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LoginVersion(pub [u8; 16]);

/// The login that a call to a supplier uses, without the login itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The level that it comes from.
    pub source: Level,
    /// The state of the stored pair; none if it came with the request.
    pub version: Option<LoginVersion>,
    /// The supplier's display name.
    pub supplier_name: String,
}

/// A whole pair that is stored, without the pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The level that it answers at.
    pub level: Level,
    /// The service, if it is for one.
    pub service: Option<Service>,
    /// The environment.
    pub environment: Environment,
    /// Its state.
    pub version: LoginVersion,
}

/// Why a call uses what it uses. Holds no password.
#[derive(Debug)]
pub struct Explanation {
    /// The service asked about.
    pub service: Service,
    /// The environment asked about.
    pub environment: Environment,
    /// The level that answers; `None` if no level does.
    pub source: Option<Level>,
    /// The user name, if the pair is the account's own.
    pub username: Option<String>,
    /// The outcome of each level, in the order of [`Level::ALL`].
    pub outcomes: [Outcome; 4],
    /// As in [`Resolved`].
    pub stale_for: Option<Duration>,
}

/// Answers which pair a call uses. Cheap to clone.
#[derive(Clone)]
pub struct Resolver {
    pool: PgPool,
    pepper: Arc<Pepper>,
    vault: Vault,
    statuses: AccountStatuses,
    accounts: Coherent<(AccountId, SupplierCode), Arc<Entry>>,
    suppliers: Coherent<SupplierCode, CachedSupplier>,
    counted: Arc<Counted>,
}

/// Opens the pair of a call. There is one, and `disclosure` owns it: any other holder of a [`Resolver`] gets no pair from it.
pub struct Opener(Resolver);

impl Opener {
    /// The pair that the call uses, in plain. `request` is what came with the call itself.
    ///
    /// # Errors
    /// An inactive account resolves nothing; an unknown supplier is not found; a stored pair that cannot be opened is
    /// an error and never a reason to try the next level.
    pub(crate) async fn resolve(&self, call: &Call, request: &HalfPair) -> Result<Resolved, Error> {
        self.0.resolve(call, request).await
    }

    /// The pair that a call to a supplier uses, in plain, with its state. With `own_only` a shared login of the operator's is
    /// no login.
    ///
    /// # Errors
    /// As [`Opener::resolve`].
    pub(crate) async fn resolve_for_call(
        &self,
        call: &Call,
        request: &HalfPair,
        own_only: bool,
    ) -> Result<(Chosen, Pair), Error> {
        self.0.resolve_for_call(call, request, own_only).await
    }

    /// Whether the directory has a supplier.
    pub(crate) async fn knows_supplier(&self, supplier: &SupplierCode) -> bool {
        self.0.defaults(supplier).await.is_ok()
    }
}

impl Resolver {
    /// A resolver over the database, and what opens pairs with it. Accounts' bundles get the whole of `limits`, suppliers' an
    /// eighth of it on top.
    pub fn new(
        pool: PgPool,
        pepper: Arc<Pepper>,
        vault: Vault,
        statuses: AccountStatuses,
        cluster: &Cluster,
        limits: Limits,
    ) -> (Self, Opener) {
        let trust = cluster.trust();
        let accounts = Coherent::new(
            trust,
            "credentials",
            limits,
            |(_, supplier): &(AccountId, SupplierCode), entry: &Arc<Entry>| {
                supplier.as_str().len() + entry.bundle.weight()
            },
        );
        let limits = Limits { bytes: limits.bytes / 8, ..limits };
        let suppliers = Coherent::new(trust, "suppliers", limits, |code: &SupplierCode, bundle: &CachedSupplier| {
            code.as_str().len() + bundle.as_ref().map_or(0, |bundle| bundle.weight())
        });
        let resolver = Self { pool, pepper, vault, statuses, accounts, suppliers, counted: Arc::new(Counted::new()) };
        (resolver.clone(), Opener(resolver))
    }

    async fn resolve(&self, call: &Call, request: &HalfPair) -> Result<Resolved, Error> {
        let (result, stale_for) = match self.resolve_from_memory(call, request).await {
            Some(result) => (result, None),
            // On the heap: every resolve would carry its state.
            None => Box::pin(stale::watched(pin!(self.look_up_and_resolve(call, request)))).await,
        };
        self.counted.note(&result);
        result.map(|(source, pair)| Resolved { source, pair, stale_for })
    }

    /// Resolves from one entry that has everything pinned to it, and confirms all of it at once when the pair is open: nearly
    /// every resolve. `None` if anything is missing, old or wrong; the way that looks everything up then finds out what.
    async fn resolve_from_memory(&self, call: &Call, request: &HalfPair) -> Option<Result<(Level, Pair), Error>> {
        let owner = Owner::Bundle(call.account, call.supplier.clone());
        let key = (call.account, call.supplier.clone());
        let open = |entry: &Arc<Entry>, extras: &Extras| match win(call, request, &entry.bundle, &extras.supplier) {
            Ok((level, offer)) => Some(Ok((level, offer.open(call, level, &extras.keys.upgrade()).ok()?))),
            Err(nobody) => Some(Err(nobody)),
        };
        self.accounts.answer(&owner, key, |entry| &entry.extras, open).await
    }

    async fn look_up_and_resolve(&self, call: &Call, request: &HalfPair) -> Result<(Level, Pair), Error> {
        let mut readings = Readings::default();
        let (entry, supplier) = self.bundles(&mut readings, call.account, &call.supplier).await?;
        let winner = win(call, request, &entry.bundle, &supplier);
        let keys = match &winner {
            Ok((level, offer)) => self.keys(&mut readings, call, *level, *offer).await?,
            Err(_) => DataKeys::default(),
        };
        let pinned = Arc::clone(&supplier);
        self.accounts.pin(&entry.extras, readings, |before| {
            let known = before.map(|before| before.keys.clone()).unwrap_or_default();
            Extras { supplier: pinned, keys: known.with(&keys) }
        });
        let (level, offer) = winner?;
        Ok((level, offer.open(call, level, &keys)?))
    }

    /// Every whole pair that an account has stored for a supplier, and the shared logins that may answer for it. Opens nothing;
    /// leaves out a pair that cannot be one.
    pub async fn stored(&self, account: AccountId, supplier: &SupplierCode) -> Result<Vec<Stored>, Error> {
        let (entry, supplier) = self.bundles(&mut Readings::default(), account, supplier).await?;
        let mut stored = Vec::new();
        for environment in Environment::ALL {
            let mut found = Vec::new();
            for pair in entry.bundle.services(environment) {
                found.push((Level::Service, Some(pair.service), Offer::Service(pair)));
            }
            if let StoredPair::Whole(pair) = entry.bundle.base(environment) {
                found.push((Level::Account, None, Offer::Stored(pair)));
            }
            let allowed = Service::ALL.iter().find_map(|service| {
                supplier.default_pair(*service, environment).filter(|(_, allowed)| *allowed).map(|(pair, _)| pair)
            });
            found.extend(allowed.map(|pair| (Level::Default, None, Offer::Stored(pair))));
            let with_version = |(level, service, offer): (Level, Option<Service>, Offer<'_>)| {
                let version = offer.version().ok()?;
                Some(Stored { level, service, environment, version })
            };
            stored.extend(found.into_iter().filter_map(with_version));
        }
        Ok(stored)
    }

    /// Which login a call to a supplier uses. Opens nothing.
    ///
    /// # Errors
    /// As [`Opener::resolve`], apart from those of opening.
    pub async fn choose(&self, call: &Call, request: &HalfPair, own_only: bool) -> Result<Chosen, Error> {
        let (entry, supplier) = self.bundles(&mut Readings::default(), call.account, &call.supplier).await?;
        let (source, offer) = win_for_call(call, request, &entry, &supplier, own_only)?;
        chosen(source, offer, &supplier)
    }

    async fn resolve_for_call(&self, call: &Call, request: &HalfPair, own_only: bool) -> Result<(Chosen, Pair), Error> {
        let mut readings = Readings::default();
        let (entry, supplier) = self.bundles(&mut readings, call.account, &call.supplier).await?;
        let result = async {
            let (source, offer) = win_for_call(call, request, &entry, &supplier, own_only)?;
            let keys = self.keys(&mut readings, call, source, offer).await?;
            Ok((chosen(source, offer, &supplier)?, source, offer.open(call, source, &keys)?))
        };
        let result: Result<_, Error> = result.await;
        let result = result.map(|(chosen, source, pair)| (source, (chosen, pair)));
        self.counted.note(&result);
        result.map(|(_, login)| login)
    }

    /// Fetches the data keys of an offer.
    async fn keys(
        &self,
        readings: &mut Readings,
        call: &Call,
        level: Level,
        offer: Offer<'_>,
    ) -> Result<DataKeys, Error> {
        self.vault.data_keys_on(readings, offer::sealed_for(call, level), offer.sealed()?).await
    }

    /// Why calls of an account to a supplier use what they use, one explanation for each service and environment asked
    /// about, in that order.
    pub async fn explain(
        &self,
        account: AccountId,
        supplier: &SupplierCode,
        calls: &[(Service, Environment)],
    ) -> Result<Vec<Explanation>, Error> {
        let (result, stale_for) = stale::watched(pin!(self.explain_each(account, supplier, calls))).await;
        let mut explanations = result?;
        for explanation in &mut explanations {
            explanation.stale_for = stale_for;
        }
        Ok(explanations)
    }

    async fn explain_each(
        &self,
        account: AccountId,
        supplier: &SupplierCode,
        calls: &[(Service, Environment)],
    ) -> Result<Vec<Explanation>, Error> {
        let mut readings = Readings::default();
        let (entry, supplier_bundle) = self.bundles(&mut readings, account, supplier).await?;
        let mut explanations = Vec::with_capacity(calls.len());
        for &(service, environment) in calls {
            let Choice { answer, outcomes } =
                choose(candidates(Candidate::Absent, &entry.bundle, &supplier_bundle, service, environment));
            let username = match answer {
                None => None,
                Some((level, offer)) => {
                    // Opened, and not only named: what cannot be opened would not be used either.
                    let call = Call { account, supplier: supplier.clone(), service, environment };
                    let keys = self.keys(&mut readings, &call, level, offer).await?;
                    let pair = offer.open(&call, level, &keys)?;
                    (level != Level::Default).then(|| pair.username.expose().to_owned())
                }
            };
            let source = answer.map(|(level, _)| level);
            explanations.push(Explanation { service, environment, source, username, outcomes, stale_for: None });
        }
        Ok(explanations)
    }

    /// A supplier's name, and the environments in which its default credentials answer for each service.
    pub async fn defaults(&self, supplier: &SupplierCode) -> Result<(String, Vec<(Service, Vec<Environment>)>), Error> {
        let bundle = self.supplier_bundle(&mut Readings::default(), supplier).await?;
        let answers = |service: Service| {
            let allowed = |environment: &Environment| {
                bundle.default_pair(service, *environment).is_some_and(|(_, allowed)| allowed)
            };
            (service, Environment::ALL.into_iter().filter(allowed).collect())
        };
        Ok((bundle.name.clone(), Service::ALL.into_iter().map(answers).collect()))
    }

    /// Returns both bundles, with the readings of what is pinned to the account's.
    async fn bundles(
        &self,
        readings: &mut Readings,
        account: AccountId,
        supplier: &SupplierCode,
    ) -> Result<(Arc<Entry>, Arc<SupplierBundle>), Error> {
        let owner = Owner::Bundle(account, supplier.clone());
        let in_memory = self.accounts.peek(&owner, (account, supplier.clone())).await;
        // Whether the account is active and the supplier exists is asked first: nothing is loaded for those that do not.
        if !self.statuses.is_active_on(readings, account).await? {
            return Err(match self.statuses.get(account).await? {
                Some(_) => Denied::InactiveAccount.into(),
                None => Error::missing(Missing::Account),
            });
        }
        let supplier_bundle = self.supplier_bundle(readings, supplier).await?;
        if let Some(entry) = in_memory {
            return Ok((entry, supplier_bundle));
        }
        let load = || {
            let (pool, code, pepper) = (self.pool.clone(), supplier.clone(), Arc::clone(&self.pepper));
            async move {
                let bundle = bundle::load_account(&pool, account, &code, &pepper).await?;
                Ok(Arc::new(Entry { bundle, ..Entry::default() }))
            }
        };
        let entry = match self.accounts.get(&owner, (account, supplier.clone()), load).await {
            // Not kept in memory: nobody announces that a manifest is right again. A pair of the request itself goes on.
            Err(error) => {
                let bundle = AccountBundle::unreadable(error.unreadable().ok_or(error)?);
                Arc::new(Entry { bundle, ..Entry::default() })
            }
            Ok(entry) => entry,
        };
        Ok((entry, supplier_bundle))
    }

    async fn supplier_bundle(
        &self,
        readings: &mut Readings,
        supplier: &SupplierCode,
    ) -> Result<Arc<SupplierBundle>, Error> {
        let load = || {
            let (pool, code, pepper) = (self.pool.clone(), supplier.clone(), Arc::clone(&self.pepper));
            async move { Ok(bundle::load_supplier(&pool, &code, &pepper).await?.map(Arc::new)) }
        };
        let owner = Owner::Supplier(supplier.clone());
        if let Some(bundle) = self.suppliers.get_on(readings, &owner, supplier.clone(), load).await? {
            return Ok(bundle);
        }
        Err(Box::pin(self.unknown_supplier(supplier)).await)
    }

    /// Boxed where it is called: it is rare, and every resolve would carry its state.
    async fn unknown_supplier(&self, supplier: &SupplierCode) -> Error {
        match self.pool.acquire().await {
            Ok(mut connection) => suppliers::not_found(&mut connection, Missing::Supplier, supplier.as_str()).await,
            Err(error) => error.into(),
        }
    }
}

fn win_for_call<'a>(
    call: &Call,
    request: &'a HalfPair,
    entry: &'a Entry,
    supplier: &'a SupplierBundle,
    own_only: bool,
) -> Result<(Level, Offer<'a>), Error> {
    match win(call, request, &entry.bundle, supplier)? {
        (Level::Default, _) if own_only => {
            Err(Error::OwnCredentialsRequired { supplier_name: supplier.name.clone(), service: call.service })
        }
        winner => Ok(winner),
    }
}

fn chosen(source: Level, offer: Offer<'_>, supplier: &SupplierBundle) -> Result<Chosen, Error> {
    let version = if source == Level::Request { None } else { Some(offer.version()?) };
    Ok(Chosen { source, version, supplier_name: supplier.name.clone() })
}
