//! Kept answers: off unless the operator gives them room. The key of an answer has whose login it was made with and the state
//! of that login, so that a write of the pair makes it void, and no account gets an answer to another one's login.

use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use moka::Expiry;
use moka::future::Cache;
use promostandards::Request;

use super::Answered;
use super::failure::Failed;
use super::send::Sent;
use crate::resolver::precedence::Level;
use crate::resolver::{Call, Chosen, LoginVersion};
use crate::standstill::elsewhere;
use crate::types::{AccountId, Environment, SupplierCode};

/// The login that an answer was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    /// An account's own, at a level.
    Account(AccountId, LoginVersion),
    /// The operator's shared one, whose answers all accounts share.
    Default(LoginVersion),
}

impl Whose {
    /// The owner of a login; none of one that came with the request, whose answers are never kept.
    pub fn of(account: AccountId, chosen: &Chosen) -> Option<Self> {
        let version = chosen.version?;
        match chosen.source {
            Level::Request => None,
            Level::Service | Level::Account => Some(Whose::Account(account, version)),
            Level::Default => Some(Whose::Default(version)),
        }
    }
}

/// The key of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    supplier: SupplierCode,
    environment: Environment,
    /// The operation with its parameters.
    request: Arc<str>,
    whose: Whose,
}

impl Key {
    /// The key of the answer to a request.
    pub fn new(call: &Call, request: &Request, whose: Whose) -> Self {
        Self {
            supplier: call.supplier.clone(),
            environment: call.environment,
            request: request.canonical().into(),
            whose,
        }
    }
}

#[derive(Clone)]
struct Kept {
    json: Bytes,
    at: Instant,
    lasts: Duration,
}

struct ByRoute;

impl Expiry<Key, Kept> for ByRoute {
    fn expire_after_create(&self, _: &Key, kept: &Kept, _: Instant) -> Option<Duration> {
        Some(kept.lasts)
    }

    fn expire_after_update(&self, _: &Key, kept: &Kept, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(kept.lasts)
    }
}

/// Answers that are given again. Cheap to clone.
#[derive(Clone)]
pub struct KeptAnswers(Option<Cache<Key, Kept>>);

impl KeptAnswers {
    /// Keeps so many bytes; nothing with none.
    pub fn new(bytes: u64) -> Self {
        if bytes == 0 {
            return Self(None);
        }
        let weigh = |key: &Key, kept: &Kept| {
            u32::try_from(kept.json.len() + key.request.len() + size_of::<Key>() + 256).unwrap_or(u32::MAX)
        };
        Self(Some(Cache::builder().max_capacity(bytes).weigher(weigh).expire_after(ByRoute).build()))
    }

    /// Whether anything is kept.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Keeps an answer.
    pub(super) async fn put(&self, key: Key, answered: &Answered, lasts: Duration) {
        if let Some(cache) = &self.0 {
            cache.insert(key, Kept { json: answered.json.clone(), at: Instant::now(), lasts }).await;
        }
    }

    /// The kept answer, or that of the call, which equal calls that are under way share.
    pub(super) async fn get_or_send<S>(
        &self,
        key: Key,
        lasts: Duration,
        source: Level,
        send: impl Fn() -> S,
    ) -> Result<Answered, Failed>
    where
        S: Future<Output = Result<Sent, Failed>>,
    {
        let Some(cache) = &self.0 else { return send().await.map(|sent| sent.answered) };
        // What the call of this caller came to, if it was this one that was made.
        let own = Mutex::new(None);
        let made = async {
            let result = send().await;
            let kept = match &result {
                Ok(Sent { answered, may_be_kept: true, .. }) => {
                    Ok(Kept { json: answered.json.clone(), at: Instant::now(), lasts })
                }
                Ok(_) | Err(_) => Err(()),
            };
            *own.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            kept
        };
        let shared = elsewhere(cache.try_get_with(key, made)).await;
        if let Some(own) = own.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return own.map(|sent| sent.answered);
        }
        match shared {
            Ok(Kept { json, at, .. }) => Ok(Answered { source, json, age: Some(at.elapsed()) }),
            // Another caller's call has no answer for this one.
            Err(_) => send().await.map(|sent| sent.answered),
        }
    }
}
