//! Tries a login on purpose, by the cheapest harmless operation that the supplier has. One that was refused too often is tried
//! as well, and what comes of it counts.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use promostandards::{Message, Probe, Verdict};
use tokio::time::Instant;

use super::failure::{Failed, Failure};
use super::standard::standard;
use super::{Asked, Calls};
use crate::admission::{Holder, Rate, RateLimits};
use crate::clock::Monotonic;
use crate::disclosure::Errand;
use crate::error::{Denied, Error};
use crate::principal::Actor;
use crate::resolver::Call;
use crate::resolver::precedence::Level;
use crate::suppliers::endpoints::Endpoint;
use crate::types::{AccountId, Environment, HalfPair, Service, SupplierCode};

/// Trials of an account: ten at once, and then one every six seconds.
const RATE: Rate = Rate { requests: NonZeroU32::new(10).unwrap(), per: Duration::from_mins(1) };

/// The longest time of a trial: several may be part of one request of the native family.
const LONGEST_TRIAL: Duration = Duration::from_secs(12);

/// The trials that are under way, and how many there may be.
pub(super) struct Trials {
    rates: RateLimits,
    under_way: Arc<Mutex<HashSet<Pair>>>,
}

/// The pair of a trial.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Pair {
    account: AccountId,
    supplier: SupplierCode,
    service: Option<Service>,
    environment: Environment,
}

/// A trial that is under way. Dropping it ends it.
struct UnderWay {
    pair: Pair,
    all: Arc<Mutex<HashSet<Pair>>>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.pair);
    }
}

impl Trials {
    /// Nothing is under way yet.
    pub fn new() -> Self {
        Self { rates: RateLimits::new(Some(RATE), &Monotonic::system()), under_way: Arc::default() }
    }

    fn begin(&self, pair: Pair) -> Result<UnderWay, Denied> {
        let counted = self.rates.count(Holder::Account(pair.account));
        counted.map_err(|limited| Denied::RateLimited(limited.retry_after))?;
        let is_first = self.under_way.lock().unwrap_or_else(PoisonError::into_inner).insert(pair.clone());
        if is_first { Ok(UnderWay { pair, all: Arc::clone(&self.under_way) }) } else { Err(Denied::TooManyAtOnce) }
    }

    /// Forgets accounts that try nothing any more.
    pub fn tidy(&self) {
        self.rates.tidy();
    }
}

/// A login to try.
pub struct Trial {
    /// The caller.
    pub actor: Actor,
    /// The account.
    pub account: AccountId,
    /// The supplier.
    pub supplier: SupplierCode,
    /// The service; the one that costs least if it is none.
    pub service: Option<Service>,
    /// The environment.
    pub environment: Environment,
    /// A pair that may not be stored yet.
    pub login: HalfPair,
}

/// The result of a trial.
#[derive(Debug)]
pub struct Tried {
    /// The level of the pair.
    pub level: Option<Level>,
    /// The service that was asked.
    pub service: Service,
    /// The environment.
    pub environment: Environment,
    /// How it went.
    pub outcome: TrialOutcome,
    /// How long it took.
    pub took: Duration,
}

/// How a trial went.
#[derive(Debug)]
pub enum TrialOutcome {
    /// The supplier answered. Its first message, if it had one.
    Said(Verdict, Option<Message>),
    /// The supplier failed, without a verdict on the login.
    Failed(Failed),
}

impl Calls {
    /// Tries a login.
    ///
    /// # Errors
    /// [`Denied::RateLimited`] and [`Denied::TooManyAtOnce`] for an account that tries too much. As [`Calls::make`] if there is
    /// no login, or no endpoint for a trial.
    pub async fn try_login(&self, trial: Trial) -> Result<Tried, Failed> {
        let Trial { actor, account, supplier, service, environment, login } = trial;
        let pair = Pair { account, supplier: supplier.clone(), service, environment };
        let _under_way = self.trials.begin(pair).map_err(|denied| Failed::early(Error::from(denied)))?;
        let (probe, endpoint) = self.probe(account, &supplier, service, environment, &login).await?;
        let service = Service::parse(&probe.service).ok_or(Error::missing(crate::error::Missing::Path));
        let service = service.map_err(Failed::early)?;
        let asked = Asked {
            actor,
            call: Call { account, supplier, service, environment },
            version: probe.version.clone(),
            login,
            request: probe.request.clone(),
            kept_for: None,
            fresh: true,
            is_order: false,
            is_trial: true,
        };
        let errand = Errand { operation: asked.operation(), own_only: false };
        let start = Instant::now();
        let sent = self.send(&asked, &errand, &endpoint, start + endpoint.timeout.min(LONGEST_TRIAL)).await;
        let took = start.elapsed();
        let (level, outcome) = match sent {
            Ok(sent) => (Some(sent.answered.source), TrialOutcome::Said(sent.verdict, sent.message)),
            Err(failed @ Failed { why: Failure::Supplier { .. }, .. }) => (failed.source, TrialOutcome::Failed(failed)),
            Err(failed) => return Err(failed),
        };
        Ok(Tried { level, service, environment, outcome, took })
    }

    /// The cheapest operation for a trial that has an endpoint: of the service, or of the first one that uses the base pair.
    async fn probe(
        &self,
        account: AccountId,
        supplier: &SupplierCode,
        service: Option<Service>,
        environment: Environment,
        login: &HalfPair,
    ) -> Result<(&'static Probe, Endpoint), Failed> {
        let endpoints = self.endpoints.of(supplier).await.map_err(Failed::early)?;
        let probes = standard().map(promostandards::Standard::probes).unwrap_or_default();
        let mut found = None;
        for probe in probes {
            let Some(of) = Service::parse(&probe.service).filter(|of| service.is_none_or(|asked| asked == *of)) else {
                continue;
            };
            let is_there = |endpoint: &&Endpoint| {
                let place = &endpoint.place;
                place.service == of.as_str() && place.version == probe.version && place.environment == environment
            };
            let Some(endpoint) = endpoints.iter().find(is_there) else { continue };
            let call = Call { account, supplier: supplier.clone(), service: of, environment };
            let chosen = self.resolver.choose(&call, login, false).await.map_err(Failed::early);
            let is_base = chosen.as_ref().is_ok_and(|chosen| chosen.source != Level::Service);
            match chosen {
                Ok(_) if service.is_some() || is_base => return Ok((probe, endpoint.clone())),
                Ok(_) => {
                    found.get_or_insert(Ok((probe, endpoint.clone())));
                }
                Err(failed) => {
                    found.get_or_insert(Err(failed));
                }
            }
        }
        if let Some(found) = found {
            return found;
        }
        // The supplier's name, or that there is none.
        let (supplier_name, _) = self.resolver.defaults(supplier).await.map_err(Failed::early)?;
        Err(Failed { source: None, why: Failure::NoTrial { supplier_name, environment } })
    }
}
