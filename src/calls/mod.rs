//! Calls to suppliers: the service uses a login itself, in place of handing it out. Source: the public walk of the credentials
//! API, step 4 (`GET /v2/suppliers/HIT/inventory/PRODUCT123` "will use your configured Inventory credentials").
//!
//! A call goes: endpoint → which login → is it known to be wrong? → kept answer? → a place among the calls of the supplier's
//! host → the right of the caller once more → the login, by [`Disclosure`] and after its record → the request → the answer →
//! the verdict on the login → the record of the call.
//!
//! - [`standard`]: the tables of the standard; the engine is the crate `promostandards`.
//! - [`transport`], `bulkhead`, `breaker`: the way to a supplier.
//! - [`health`]: whether logins work.
//! - [`kept`]: answers that are given again.
//! - [`probe`]: tries a login on purpose.

pub mod breaker;
pub mod bulkhead;
pub mod failure;
pub mod health;
pub mod kept;
pub mod probe;
mod send;
pub mod standard;
pub mod transport;

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use metrics::{counter, histogram};
use promostandards::Request;
use tokio::time::{Instant, sleep};

use self::failure::{Failed, Failure, Suspended};
use self::health::state::{Condition, State};
use self::health::{Login, LoginHealth};
use self::kept::{KeptAnswers, Whose};
use self::probe::Trials;
use self::send::Sender;
use self::transport::TransportSettings;
use crate::audit::{Action, Event, Outcome};
use crate::auth::Authenticator;
use crate::clock::Clock;
use crate::disclosure::{Disclosure, Errand};
use crate::error::Error;
use crate::principal::Actor;
use crate::resolver::precedence::Level;
use crate::resolver::{Call, Chosen, Resolver, Stored};
use crate::suppliers::endpoints::{Endpoint, Endpoints, Place};
use crate::types::{AccountId, HalfPair, Service, SupplierCode};

/// Time between two rounds of [`Calls::run`].
const TIDY: Duration = Duration::from_mins(1);

/// A call as a caller asks for it.
pub struct Asked {
    /// The caller.
    pub actor: Actor,
    /// The account, supplier, service and environment.
    pub call: Call,
    /// The version of the service whose endpoint is called.
    pub version: String,
    /// The pair that came with the request.
    pub login: HalfPair,
    /// The request, without a login.
    pub request: Request,
    /// For how long the answer may be kept; none if never.
    pub kept_for: Option<Duration>,
    /// Whether a kept answer will not do.
    pub fresh: bool,
    /// Whether it is an order, which is sent once.
    pub is_order: bool,
    /// Whether it only tries the login, also one that was refused too often.
    pub is_trial: bool,
}

impl Asked {
    /// The operation, as it is recorded.
    fn operation(&self) -> Arc<str> {
        let request = &self.request;
        format!("{}/{}/{}", request.service(), request.ws_version(), request.operation()).into()
    }
}

/// The answer to a call.
pub struct Answered {
    /// The level of the login.
    pub source: Level,
    /// The body, in the form of the route's table.
    pub json: Bytes,
    /// The age of a kept answer.
    pub age: Option<Duration>,
}

/// The dependencies of calls.
pub struct Parts {
    /// The time.
    pub clock: Clock,
    /// The endpoints.
    pub endpoints: Endpoints,
    /// Which login a call uses.
    pub resolver: Resolver,
    /// The login itself.
    pub disclosure: Arc<Disclosure>,
    /// Whether callers still have their rights.
    pub authenticator: Authenticator,
    /// Whether logins work.
    pub health: LoginHealth,
    /// Answers that are given again.
    pub kept: KeptAnswers,
    /// How connections to suppliers are made.
    pub transport: TransportSettings,
}

/// Calls suppliers.
pub struct Calls {
    clock: Clock,
    endpoints: Endpoints,
    resolver: Resolver,
    disclosure: Arc<Disclosure>,
    authenticator: Authenticator,
    health: LoginHealth,
    kept: KeptAnswers,
    sender: Sender,
    trials: Trials,
}

impl Calls {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        let Parts { clock, endpoints, resolver, disclosure, authenticator, health, kept, transport } = parts;
        let sender = Sender::new(transport);
        Self { clock, endpoints, resolver, disclosure, authenticator, health, kept, sender, trials: Trials::new() }
    }

    /// Makes the connections ready, which the first call would do otherwise.
    ///
    /// # Errors
    /// An authority of the settings cannot be read.
    pub fn prepare(&self) -> reqwest::Result<()> {
        self.sender.prepare()
    }

    /// Forgets accounts that try no logins any more, until the task is dropped.
    pub async fn run(&self) {
        loop {
            sleep(TIDY).await;
            self.trials.tidy();
        }
    }

    /// Counts the calls that wait for a place at a supplier's host.
    pub fn waiting(&self) -> usize {
        self.sender.waiting()
    }

    /// Makes a call, and records it.
    pub async fn make(&self, asked: &Asked) -> Result<Answered, Failed> {
        let start = Instant::now();
        let answer = self.answer(asked, start).await;
        let (outcome, source) = match &answer {
            Ok(answered) => (Outcome::Done, Some(answered.source)),
            Err(failed) => (failed.outcome(), failed.source),
        };
        count(asked, outcome, start);
        // Without a login nothing was called, and the refusal of the login is on record.
        let Some(source) = source else { return answer };
        let event = Event {
            supplier: Some(asked.call.supplier.clone()),
            service: Some(asked.call.service),
            environment: Some(asked.call.environment),
            outcome,
            source: Some(source.as_str()),
            operation: Some(asked.operation()),
            took_ms: Some(i64::try_from(start.elapsed().as_millis()).unwrap_or(i64::MAX)),
            ..Event::new(Action::SupplierCalled)
        };
        let recorded = self.disclosure.record_call(asked.actor.clone(), asked.call.account, event).await;
        match (answer, recorded) {
            // The use of the login is on record; an order that was placed must not look as if it was not.
            (Ok(answered), Err(error)) if !asked.is_order => {
                Err(Failed { source: Some(answered.source), why: error.into() })
            }
            (answer, _) => answer,
        }
    }

    async fn answer(&self, asked: &Asked, start: Instant) -> Result<Answered, Failed> {
        let Asked { call, login, request, .. } = asked;
        let errand = Errand { operation: asked.operation(), own_only: request.is_customer_price() };
        let endpoint = self.endpoint(asked).await?;
        let Ok(chosen) = self.resolver.choose(call, login, errand.own_only).await else {
            // The door refuses it as well, and records that.
            return Err(self.refused(asked, &errand).await);
        };
        let deadline = start + endpoint.timeout;
        let whose = Whose::of(call.account, &chosen);
        let kept_for = asked.kept_for.filter(|_| self.kept.is_on());
        let (Some(kept_for), Some(whose)) = (kept_for, whose) else {
            return self.send(asked, &errand, &endpoint, deadline).await.map(|sent| sent.answered);
        };
        self.require_healthy(asked, &chosen).await?;
        let key = kept::Key::new(call, request, whose);
        if asked.fresh {
            let sent = self.send(asked, &errand, &endpoint, deadline).await?;
            if sent.may_be_kept {
                self.kept.put(key, &sent.answered, kept_for).await;
            }
            return Ok(sent.answered);
        }
        self.kept.get_or_send(key, kept_for, chosen.source, || self.send(asked, &errand, &endpoint, deadline)).await
    }

    /// Asks for the login all the same, so that the refusal is the door's and on record.
    async fn refused(&self, asked: &Asked, errand: &Errand) -> Failed {
        let Asked { actor, call, login, .. } = asked;
        match self.disclosure.disclose_for(actor.clone(), call, login, errand).await {
            Err(error) => Failed::early(error),
            // It was stored in this moment.
            Ok(_) => Failed::early(Error::Unavailable(sqlx::Error::PoolTimedOut)),
        }
    }

    /// The logins of an account for a supplier, with what is known of each: whole pairs, then refusals for one service only.
    pub async fn health_of(
        &self,
        account: AccountId,
        supplier: &SupplierCode,
    ) -> Result<Vec<(Login, Option<State>)>, Error> {
        let stored = self.resolver.stored(account, supplier).await?;
        let mut known = self.health.of(account, supplier).await?;
        known.extend(self.health.of(AccountId::OPERATOR, supplier).await?);
        let mut logins = Vec::new();
        for Stored { level, service, environment, version } in stored {
            let owner = if level == Level::Default { AccountId::OPERATOR } else { account };
            let pair = Login { account: owner, supplier: supplier.clone(), level, service, environment, version };
            let for_services = Service::ALL.into_iter().filter(|_| service.is_none());
            let for_services = for_services.map(|of| Login { service: Some(of), ..pair.clone() });
            // One that was accepted for a service is accepted, which its own entry says.
            let refused = for_services.filter_map(|login| known.remove_entry(&login));
            let refused: Vec<_> = refused
                .filter(|(_, state)| state.refusals_in_a_row > 0)
                .map(|(login, state)| (login, Some(state)))
                .collect();
            let state = known.remove(&pair);
            logins.push((pair, state));
            logins.extend(refused);
        }
        Ok(logins)
    }

    async fn endpoint(&self, asked: &Asked) -> Result<Endpoint, Failed> {
        let Asked { call, version, .. } = asked;
        let (service, environment) = (call.service, call.environment);
        let place = Place { service: service.as_str().to_owned(), version: version.clone(), environment };
        let endpoints = self.endpoints.of(&call.supplier).await.map_err(Failed::early)?;
        if let Some(endpoint) = endpoints.iter().find(|endpoint| endpoint.place == place) {
            return Ok(endpoint.clone());
        }
        // Its name, or that there is no such supplier.
        let (supplier_name, _) = self.resolver.defaults(&call.supplier).await.map_err(Failed::early)?;
        let version = version.clone();
        Err(Failed { source: None, why: Failure::NoEndpoint { supplier_name, service, version, environment } })
    }

    /// Refuses a login that was refused too often.
    async fn require_healthy(&self, asked: &Asked, chosen: &Chosen) -> Result<(), Failed> {
        let Some(pair) = stored_login(&asked.call, chosen, None).filter(|_| !asked.is_trial) else { return Ok(()) };
        let failed = |why: Failure| Failed { source: Some(chosen.source), why };
        let for_service = Login { service: Some(asked.call.service), ..pair.clone() };
        let now = self.clock.now();
        let mut suspended = None;
        for login in [pair, for_service] {
            let state = self.health.refusals_of(&login).await.map_err(|error| failed(error.into()))?;
            let condition = state.as_ref().map(|state| state.condition(now));
            if let (Some(state), Some(Condition::Suspended(until))) = (state, condition) {
                suspended = Some((state, until));
            }
        }
        let Some((State { last_refused_at, refused_code, .. }, until)) = suspended else { return Ok(()) };
        Err(failed(Failure::Suspended(Suspended {
            supplier_name: chosen.supplier_name.clone(),
            level: chosen.source,
            service: asked.call.service,
            refused_at: last_refused_at.unwrap_or(until),
            refused_code,
            until,
        })))
    }
}

/// The login of a call as its health is kept; none for a login that came with the request.
pub(super) fn stored_login(call: &Call, chosen: &Chosen, only: Option<Service>) -> Option<Login> {
    let service = match chosen.source {
        Level::Service => Some(call.service),
        Level::Request | Level::Account | Level::Default => only,
    };
    Some(Login {
        account: if chosen.source == Level::Default { AccountId::OPERATOR } else { call.account },
        supplier: call.supplier.clone(),
        level: chosen.source,
        service,
        environment: call.environment,
        version: chosen.version?,
    })
}

/// Counts a call by what it came to.
fn count(asked: &Asked, outcome: Outcome, start: Instant) {
    let (supplier, service) = (asked.call.supplier.to_string(), asked.call.service.as_str());
    let labels = [("supplier", supplier), ("service", service.to_owned()), ("outcome", outcome.code().to_string())];
    counter!("credenza_supplier_calls_total", &labels).increment(1);
    histogram!("credenza_supplier_call_seconds", "service" => service).record(start.elapsed().as_secs_f64());
}
