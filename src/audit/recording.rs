//! Records in the operator's chain that this instance begins and ends to record resolves, and the gaps of instances that
//! ended without a note of it.
//!
//! An instance is alive while a connection of its own holds an advisory lock. A recording that has begun and not ended, and
//! whose lock is free, is a gap. The row in `audit_writers` is a hint that narrows the gap: it is authenticated, and without it
//! the gap is as long as the recording.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgConnection, PgPool};
use tokio::time::timeout;
use uuid::Uuid;

use super::chain::{AuditKey, Parts};
use super::event::{Action, Event};
use super::instance_store::{self, Note};
use super::recordings::Recordings;
use super::store;
use crate::postgres::{self, Servers, Tenant, no_answer};
use crate::principal::Actor;
use crate::types::AccountId;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// An event is queued a moment after the time that it bears. Everything older than the oldest event that waits, by this much,
/// is written.
const MARGIN: TimeDelta = TimeDelta::seconds(1);

/// The recording of this instance.
pub(super) struct Recording {
    id: Uuid,
    key: AuditKey,
    /// The connection that holds the lock of this instance.
    lock: Option<PgPool>,
    /// Whether a beginning was ever sent to the database.
    was_begun: bool,
    all: Recordings,
}

impl Recording {
    pub fn new(key: AuditKey) -> Self {
        Self { id: Uuid::new_v4(), key, lock: None, was_begun: false, all: Recordings::default() }
    }

    /// Takes the way to Postgres, without a transaction pooler between, for the lock. Connects when needed.
    pub fn connect(&mut self, direct: &Servers) {
        let id = self.id;
        let one =
            pool_of_one().after_connect(move |connection, _| Box::pin(instance_store::hold_alive_lock(connection, id)));
        self.lock = Some(direct.lazy_pool(one));
    }

    /// Takes the lock again if its connection broke. Without it others may record a gap in which nothing is missing; that is
    /// no reason to record nothing.
    async fn keep_alive_lock(&self) {
        if let Some(lock) = &self.lock
            && let Err(error) = lock.acquire().await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "other instances may take this one for gone");
        }
    }

    /// Records that this instance begins to record resolves, unless that is on record already.
    pub async fn begin(&mut self, pool: &PgPool, now: DateTime<Utc>, oldest: DateTime<Utc>) -> Result<(), sqlx::Error> {
        self.keep_alive_lock().await;
        let mut transaction = postgres::begin(pool, Tenant::Every).await?;
        store::limit_lock_wait(&mut transaction).await?;
        self.all.read_on(&mut transaction, &self.key).await?;
        if self.all.begun_at(self.id).is_none() {
            self.record(&mut transaction, now, Event::about(Action::ResolvesBegun, self.id)).await?;
        }
        instance_store::insert_note(&mut transaction, self.id, &self.new_note(oldest)).await?;
        self.was_begun = true;
        transaction.commit().await
    }

    /// Notes that everything before the oldest event on hand is written. Returns false if the note was deleted meanwhile:
    /// perhaps somebody took this instance for gone.
    pub async fn note(&self, connection: &mut PgConnection, oldest: DateTime<Utc>) -> Result<bool, sqlx::Error> {
        instance_store::update_note(connection, self.id, &self.new_note(oldest)).await
    }

    /// Records the gaps that others left. Returns whether this instance's own recording is on record as open.
    pub async fn find_gaps(&mut self, pool: &PgPool, now: DateTime<Utc>) -> Result<bool, sqlx::Error> {
        self.keep_alive_lock().await;
        let mut transaction = postgres::begin(pool, Tenant::Every).await?;
        self.all.read_on(&mut transaction, &self.key).await?;
        let former = instance_store::former_notes(&mut transaction).await?;
        transaction.commit().await?;
        let open: Vec<_> = self.all.open().filter(|(instance, _)| *instance != self.id).collect();
        for (instance, _) in open {
            self.record_gap(pool, now, instance, None).await?;
        }
        for (instance, written_at) in former {
            self.record_gap(pool, now, instance, Some(written_at)).await?;
        }
        Ok(self.all.begun_at(self.id).is_some())
    }

    /// Records the gap of an instance if it is gone; `former` is the note of a version that recorded no beginnings.
    async fn record_gap(
        &mut self,
        pool: &PgPool,
        now: DateTime<Utc>,
        instance: Uuid,
        former: Option<DateTime<Utc>>,
    ) -> Result<(), sqlx::Error> {
        let mut transaction = postgres::begin(pool, Tenant::Every).await?;
        store::limit_lock_wait(&mut transaction).await?;
        if !instance_store::is_gone(&mut transaction, instance).await? {
            return Ok(());
        }
        // It may have ended in good order, or another instance may have recorded the gap, before the lock was free.
        self.all.read_on(&mut transaction, &self.key).await?;
        let begun_at = match (self.all.begun_at(instance), former) {
            (Some(begun_at), _) => begun_at,
            (None, Some(written_at)) if !self.all.has_gap_without_beginning(instance) => written_at,
            (None, _) => return Ok(()),
        };
        let note = instance_store::take_note(&mut transaction, instance).await?;
        let genuine = note.filter(|note| self.key.matches(&note_parts(instance, note.written_at), &note.mac));
        let since = genuine.map_or(begun_at, |note| note.written_at.max(begun_at));
        let gap = Event { since: Some(since), ..Event::about(Action::ResolvesGap, instance) };
        self.record(&mut transaction, now, gap).await?;
        transaction.commit().await?;
        tracing::warn!(%instance, %since, "an instance ended without writing its last events of resolves");
        Ok(())
    }

    /// Records that everything is written that this instance held.
    pub async fn end(&mut self, pool: &PgPool, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
        if self.was_begun {
            let mut transaction = postgres::begin(pool, Tenant::Every).await?;
            self.all.read_on(&mut transaction, &self.key).await?;
            if self.all.begun_at(self.id).is_some() {
                self.record(&mut transaction, now, Event::about(Action::ResolvesEnded, self.id)).await?;
            }
            instance_store::take_note(&mut transaction, self.id).await?;
            transaction.commit().await?;
        }
        if let Some(lock) = self.lock.take() {
            lock.close().await;
        }
        Ok(())
    }

    async fn record(&self, connection: &mut PgConnection, now: DateTime<Utc>, event: Event) -> Result<(), sqlx::Error> {
        super::record(connection, &self.key, AccountId::OPERATOR, &Actor::operator(), now, &[event]).await
    }

    fn new_note(&self, oldest: DateTime<Utc>) -> Note {
        let written_at = oldest - MARGIN;
        Note { written_at, mac: self.key.mac(&note_parts(self.id, written_at)) }
    }
}

/// Makes the options of a pool that keeps one connection for good.
pub(super) fn pool_of_one() -> PgPoolOptions {
    let options =
        PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None).acquire_timeout(CONNECT);
    // One that was given up in the middle of a statement must not keep the only place.
    options.after_release(|connection, _| {
        Box::pin(async move {
            timeout(CONNECT, connection.ping()).await.unwrap_or_else(|_| Err(no_answer())).map(|()| true)
        })
    })
}

fn note_parts(instance: Uuid, written_at: DateTime<Utc>) -> Parts {
    let mut parts = Parts::of("credenza audit note 1");
    parts.add(Some(instance.as_bytes()));
    parts.add_number(Some(written_at.timestamp_micros()));
    parts
}
