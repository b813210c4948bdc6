//! The one door through which a password leaves: may they? Resolve, record, and only then hand the pair over.
//!
//! Only [`Disclosure`] owns an [`Opener`], which opens the pair of a call (`passwords_leave_through_one_door`). Callers of
//! the internal listener come through here, and so does any other code that needs a pair for a call.

use std::sync::Arc;

use crate::accounts::AccountStatuses;
use crate::audit::{Action, Event, Outcome, Resolve, Resolves};
use crate::clock::Clock;
use crate::error::{Denied, Error, Missing};
use crate::principal::{Actor, Principal, Scope};
use crate::resolver::precedence::Level;
use crate::resolver::{Call, Chosen, Opener, Resolved};
use crate::types::{AccountId, HalfPair, Pair};

/// Most calls whose pairs are handed over together.
pub const BATCH_LIMIT: usize = 100;

/// An actor who may be given pairs: the proof that their key or token has the scope for it. There is no other way to make one.
#[derive(Clone, Debug)]
pub struct Recipient(Actor);

impl Recipient {
    /// Takes an actor with the scope `credentials:resolve`.
    pub fn new(actor: Actor) -> Result<Self, Error> {
        match &actor.principal {
            None => Err(Denied::NotAuthenticated.into()),
            Some(principal) if !principal.has(Scope::CredentialsResolve) => {
                Err(Denied::MissingScope(Scope::CredentialsResolve).into())
            }
            Some(_) => Ok(Self(actor)),
        }
    }
}

/// The call to a supplier for which the service itself uses a pair.
#[derive(Clone, Debug)]
pub struct Errand {
    /// The operation, for the record.
    pub operation: Arc<str>,
    /// Whether a shared login of the operator's may not be used.
    pub own_only: bool,
}

/// Hands out pairs, each after the record of who was given it.
pub struct Disclosure {
    opener: Opener,
    recorder: Resolves,
    statuses: AccountStatuses,
    clock: Clock,
}

impl Disclosure {
    /// Puts the parts together.
    pub fn new(opener: Opener, recorder: Resolves, statuses: AccountStatuses, clock: Clock) -> Self {
        Self { opener, recorder, statuses, clock }
    }

    /// Hands over the pair that a call uses; `request` came with the call itself. The refusal of a call is recorded too.
    ///
    /// # Errors
    /// [`Error::NotRecorded`] in place of any answer if the record cannot be made. [`Denied::OtherAccount`] for an account
    /// that is neither the recipient's own nor a sub-account of it, unless they have an operator's key. Otherwise those of
    /// [`Opener::resolve`].
    pub async fn disclose(&self, to: &Recipient, call: &Call, request: &HalfPair) -> Result<Resolved, Error> {
        let (answer, record) = self.answer(to.0.clone(), call, request).await;
        self.recorder.record(record).await?;
        answer
    }

    /// Hands over the pair that the service uses for a call to a supplier, as [`Disclosure::disclose`] does. The pair goes into
    /// the request to the supplier, and nowhere else.
    pub async fn disclose_for(
        &self,
        actor: Actor,
        call: &Call,
        request: &HalfPair,
        errand: &Errand,
    ) -> Result<(Chosen, Pair), Error> {
        let resolve = async || self.opener.resolve_for_call(call, request, errand.own_only).await;
        let (answer, mut record) = self.recorded(actor, call, resolve, |(chosen, _)| chosen.source).await;
        record.event.operation = Some(Arc::clone(&errand.operation));
        self.recorder.record(record).await?;
        answer
    }

    /// Records the end of a call to a supplier. The pair is on record already.
    pub async fn record_call(&self, actor: Actor, account: AccountId, event: Event) -> Result<(), Error> {
        self.recorder.record(Resolve { account, actor, occurred_at: self.clock.now(), event }).await
    }

    /// Hands over the pairs of several calls, in their order, after the records of all of them.
    pub async fn disclose_all(
        &self,
        to: &Recipient,
        calls: impl IntoIterator<Item = &(Call, HalfPair)>,
    ) -> Result<Vec<Result<Resolved, Error>>, Error> {
        let (mut answers, mut records) = (Vec::new(), Vec::new());
        for (call, request) in calls {
            let (answer, record) = self.answer(to.0.clone(), call, request).await;
            answers.push(answer);
            records.push(record);
        }
        self.recorder.record_all(records).await?;
        Ok(answers)
    }

    /// Records that a known caller was refused before it was read what they ask for.
    pub async fn refuse(&self, actor: Actor, outcome: Outcome) -> Result<(), Error> {
        let event = Event { outcome, ..Event::new(Action::CredentialsResolved) };
        let account = own_account(&actor);
        self.recorder.record(Resolve { account, actor, occurred_at: self.clock.now(), event }).await
    }

    /// The answer to a call, and the record that has to be made before the answer leaves.
    async fn answer(&self, actor: Actor, call: &Call, request: &HalfPair) -> (Result<Resolved, Error>, Resolve) {
        self.recorded(actor, call, async || self.opener.resolve(call, request).await, |resolved| resolved.source).await
    }

    /// The answer of a resolve that the actor may ask for, or the refusal, with the record of it.
    async fn recorded<T>(
        &self,
        actor: Actor,
        call: &Call,
        resolve: impl AsyncFnOnce() -> Result<T, Error>,
        source: impl Fn(&T) -> Level,
    ) -> (Result<T, Error>, Resolve) {
        let own_account = own_account(&actor);
        let may = match &actor.principal {
            Some(principal) => self.require_right(principal, call.account).await,
            None => Err(Denied::NotAuthenticated.into()),
        };
        let (answer, account) = match may {
            Ok(()) => match resolve().await {
                Err(error @ Error::NotFound { what: Missing::Account, .. }) => (Err(error), own_account),
                answer => (answer, call.account),
            },
            // Nobody writes into the evidence of an account that is not theirs.
            Err(error) => (Err(error), own_account),
        };
        // The evidence names suppliers, not any text that stood in that field: it might be a password by mistake.
        let supplier_exists = match &answer {
            Ok(_) | Err(Error::OwnCredentialsRequired { .. } | Error::Unreadable(_)) => true,
            Err(_) => self.opener.knows_supplier(&call.supplier).await,
        };
        let event = Event {
            supplier: supplier_exists.then(|| call.supplier.clone()),
            service: Some(call.service),
            environment: Some(call.environment),
            outcome: answer.as_ref().map_or_else(Outcome::from, |_| Outcome::Done),
            source: answer.as_ref().ok().map(|answer| source(answer).as_str()),
            asked_account: (account != call.account).then_some(call.account),
            ..Event::new(Action::CredentialsResolved)
        };
        (answer, Resolve { account, actor, occurred_at: self.clock.now(), event })
    }

    /// Refuses a principal who may not be given passwords of an account: their own, a sub-account's of their own, or, with
    /// an operator's key, any.
    async fn require_right(&self, principal: &Principal, account: AccountId) -> Result<(), Error> {
        if principal.is_operator || principal.account == account {
            return Ok(());
        }
        self.statuses.require_parent(principal.account, account).await
    }
}

/// The account in whose chain refusals of an actor are recorded.
fn own_account(actor: &Actor) -> AccountId {
    actor.principal.as_ref().map_or(AccountId::OPERATOR, |principal| principal.acting_account)
}
