//! A unit of work: everything that a use case needs to write, and the order in which it ends.
//!
//! [`Work::begin`] and [`Work::begin_once`] are the only ways to get one, and [`Work::commit`] is the only way to keep what
//! was done in it. Use cases take `&mut Work`: none begins one, and none commits.

use std::ops::{Deref, DerefMut};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::audit::{self, Event};
use crate::cluster::Change;
use crate::context::Context;
use crate::error::Error;
use crate::idempotency::{self, Request, StoredAnswer};
use crate::postgres::{Tenant, switch_tenant};
use crate::principal::Actor;
use crate::rights::{self, Places, Table};
use crate::types::{AccountId, SupplierCode};

/// Events that one statement records.
const EVENTS_AT_ONCE: usize = 10_000;

/// A write on its way: who acts, for which account, when, in which transaction, and what is to be recorded of it.
///
/// Dereferences to the transaction's connection, for the functions of a store. Dropping it rolls back.
pub struct Work<'a> {
    context: &'a Context,
    actor: &'a Actor,
    account: AccountId,
    now: DateTime<Utc>,
    change: Change,
    events: Vec<Event>,
    /// The request whose `Idempotency-Key` is locked until the end.
    request: Option<Request>,
}

/// The answer to the question whether a request was carried out before.
pub enum Begun<'a> {
    /// It was not.
    New(Box<Work<'a>>),
    /// It was, with this outcome.
    Before(StoredAnswer),
}

impl<'a> Work<'a> {
    /// Begins to write the rows of an account, or of every account; then what is recorded is the operator's.
    pub async fn begin(context: &'a Context, actor: &'a Actor, tenant: impl Into<Tenant>) -> Result<Self, Error> {
        let tenant = tenant.into();
        let account = match tenant {
            Tenant::Account(account) => account,
            Tenant::Every => AccountId::OPERATOR,
        };
        let (change, now) = (context.cluster.begin(tenant).await?, context.clock.now());
        Ok(Self { context, actor, account, now, change, events: Vec::new(), request: None })
    }

    /// Begins to write the rows of an account for a request, unless that was carried out before.
    ///
    /// # Errors
    /// [`Error::UnderWay`] and [`Error::KeyReused`], see [`idempotency::claim`].
    pub async fn begin_once(
        context: &'a Context,
        actor: &'a Actor,
        account: AccountId,
        request: Request,
    ) -> Result<Begun<'a>, Error> {
        let mut work = Self::begin(context, actor, account).await?;
        let before = match idempotency::claim(&mut work.change, &request, work.now).await {
            Ok(None) => {
                work.request = Some(request);
                return Ok(Begun::New(Box::new(work)));
            }
            Ok(Some(outcome)) => work.hold_rights().await.map(|()| Begun::Before(outcome)),
            Err(refused) => Err(refused),
        };
        work.release().await;
        before
    }

    /// Carries out one use case as a unit of work of its own.
    pub async fn carry_out<T>(
        context: &'a Context,
        actor: &'a Actor,
        tenant: impl Into<Tenant>,
        use_case: impl AsyncFnOnce(&mut Work<'a>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut work = Self::begin(context, actor, tenant).await?;
        let done = use_case(&mut work).await?;
        work.commit(None).await?;
        Ok(done)
    }

    /// Confirms the rights of the caller inside the transaction: they may have been revoked since the request began. From
    /// here on a revocation waits for this transaction, so this comes when the work is done.
    pub async fn hold_rights(&mut self) -> Result<(), Error> {
        match &self.actor.principal {
            Some(principal) => rights::hold(&mut self.change, principal, self.context.clock.now()).await,
            None => Ok(()),
        }
    }

    /// Authenticates a row that this unit of work made, or that was authentic before it changed it.
    pub(crate) async fn authenticate(&mut self, table: &Table, account: AccountId, key: &str) -> Result<(), Error> {
        rights::authenticate(&mut self.change, &self.context.pepper, table, account, key).await
    }

    /// Checks whether a row is there and as it was authenticated.
    pub(crate) async fn has_authentic(&mut self, table: &Table, account: AccountId, key: &str) -> Result<bool, Error> {
        rights::has_authentic(&mut self.change, &self.context.pepper, table, account, key).await
    }

    /// Begins the manifest of the account, which was made in this unit of work.
    pub(crate) async fn begin_manifest(&mut self) -> Result<(), Error> {
        rights::begin_manifest(&mut self.change, &self.context.pepper, self.account).await
    }

    /// Notes that this unit of work has filled places of a supplier. To be called after the rows are written.
    pub(crate) async fn fill(&mut self, supplier: &SupplierCode, places: Places) -> Result<(), Error> {
        rights::fill(&mut self.change, &self.context.pepper, self.account, supplier, places).await
    }

    /// Notes the same for very many suppliers, which may come several times.
    pub(crate) async fn fill_many<'b>(
        &mut self,
        filled: impl IntoIterator<Item = (&'b SupplierCode, Places)>,
    ) -> Result<(), Error> {
        rights::fill_many(&mut self.change, &self.context.pepper, self.account, filled).await
    }

    /// Notes that this unit of work has emptied places of a supplier. Returns whether any of them was filled.
    pub(crate) async fn empty(&mut self, supplier: &SupplierCode, places: Places) -> Result<bool, Error> {
        rights::empty(&mut self.change, &self.context.pepper, self.account, supplier, places).await
    }

    /// The parts that use cases share.
    pub fn context(&self) -> &'a Context {
        self.context
    }

    /// The actor.
    pub fn actor(&self) -> &'a Actor {
        self.actor
    }

    /// The account whose rows are written, and in whose chain the events are recorded.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The moment of everything in this unit of work.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Whether a repetition of the request will be answered with an outcome, which [`Work::commit`] then needs.
    pub fn may_be_repeated(&self) -> bool {
        self.request.is_some()
    }

    /// Adds an event of the account to what the commit records.
    pub fn record(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Announces beforehand that many rows of what the account stores change: one owner for all of them, instead of so many
    /// that every cache would have to be emptied.
    pub async fn announce_bundles(&mut self) -> Result<(), Error> {
        self.change.announce_bundles(self.account).await
    }

    /// Goes on with the rows of one other account: one that was just made, or a sub-account after the row of its parent.
    /// Events that are added from here on are recorded in that account's chain.
    pub async fn go_on_for(&mut self, account: AccountId) -> Result<(), Error> {
        self.write_events().await?;
        switch_tenant(&mut self.change, account).await?;
        self.account = account;
        Ok(())
    }

    /// Keeps what was done. Confirms the caller's rights; writes the events, which locks the end of the account's chain; then
    /// the outcome, if a repetition of the request is to be answered with one; then commits, and returns when no instance
    /// answers from what was there before.
    pub async fn commit(mut self, outcome: Option<StoredAnswer>) -> Result<(), Error> {
        self.hold_rights().await?;
        self.write_events().await?;
        if let Some((request, outcome)) = self.request.as_ref().zip(outcome) {
            idempotency::keep(&mut self.change, request, &outcome, self.now).await?;
        }
        self.change.commit().await
    }

    /// Takes everything back, and returns when the locks are free.
    pub async fn roll_back(self) -> Result<(), Error> {
        self.change.rollback().await
    }

    /// Takes everything back before a refused caller is answered: who sends the request again right away must not meet the
    /// lock of its own key. If that fails, the connection is gone, and the lock with it.
    pub async fn release(self) {
        if let Err(error) = self.roll_back().await {
            tracing::debug!(error = &error as &dyn std::error::Error, "a change could not be taken back");
        }
    }

    async fn write_events(&mut self) -> Result<(), Error> {
        for events in std::mem::take(&mut self.events).chunks(EVENTS_AT_ONCE) {
            let key = &self.context.audit_key;
            audit::record(&mut self.change, key, self.account, self.actor, self.now, events).await?;
        }
        Ok(())
    }
}

impl Deref for Work<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.change
    }
}

impl DerefMut for Work<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.change
    }
}
