//! Evidence: who, what, when, from where, with what outcome; never a value.
//!
//! - [`record`]: the event of a change, written in the transaction of the change, so that there is no change without an
//!   event and no event without a change.
//! - [`Resolves`]: the events of resolves, which change nothing; collected in memory and written in batches, or before the
//!   answer leaves.
//! - `chain`: what makes the records of an account evident to tampering.
//! - [`checkpoint`], [`verify`]: heads of chains to keep elsewhere, and the search for damage.
//! - [`list`]: the events of an account, for itself.

mod chain;
mod check;
pub mod checkpoint;
mod damage;
mod event;
mod events;
mod read_store;
mod record;
mod resolves;
mod store;
mod suspects;
pub mod verify;
mod writer;

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

pub use chain::AuditKey;
pub use check::{ChainEnds, chain_ends};
pub use event::{Action, Event};
pub use events::{EventPage, list};
pub use read_store::{EventSummary, Filter};
pub use resolves::{RecordMode, RecordSettings, Resolve, Resolves};

use crate::principal::Actor;
use crate::types::AccountId;
use record::Record;
use store::{Batch, Head};

/// Records events of one account, in order. To be called last in a transaction: it locks the end of the account's chain
/// until the commit, and with it every other writer of that account.
pub async fn record(
    connection: &mut PgConnection,
    key: &AuditKey,
    account: AccountId,
    actor: &Actor,
    now: DateTime<Utc>,
    events: &[Event],
) -> Result<(), sqlx::Error> {
    if events.is_empty() {
        return Ok(());
    }
    let mut head = store::lock_head(connection, account).await?;
    if let [event] = events {
        let record = next(key, account, &mut head, (actor, now, event));
        return store::append_one(connection, account, &record).await;
    }
    let mut batch = Batch::default();
    for event in events {
        batch.push(account, next(key, account, &mut head, (actor, now, event)));
    }
    store::append(connection, batch).await
}

/// The record of an event behind the head of its account's chain, which it becomes.
fn next<'a>(
    key: &AuditKey,
    account: AccountId,
    head: &mut Head,
    (actor, occurred_at, event): (&'a Actor, DateTime<Utc>, &'a Event),
) -> Record<Cow<'a, str>> {
    let mut record = Record::new(head.sequence + 1, actor, occurred_at, event);
    // Records are made in the newest format, which is known.
    record.mac = chain::mac(key, account, &head.mac, &record).unwrap_or_default();
    head.sequence = record.sequence;
    head.mac.clone_from(&record.mac);
    record
}
