//! Records evidence: who did what, when, from where, with what outcome; never a value.
//!
//! - [`record`] writes the event of a change in the transaction of the change, so that there is no change without an event and
//!   no event without a change.
//! - [`Resolves`] records resolves, which change nothing: in memory first and written in batches, or before the answer leaves.
//! - `chain` computes the MACs that make an account's records tamper-evident.
//! - [`checkpoint`] signs heads of chains to be kept elsewhere, and [`verify`] searches for damage.
//! - [`list`] lists the events of an account.

mod apart;
mod chain;
mod check;
pub mod checkpoint;
mod damage;
mod event;
mod events;
mod instance_store;
mod outcome;
mod queue;
mod read_store;
mod record;
mod recording;
mod recordings;
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
pub use outcome::Outcome;
pub use queue::{RecordMode, RecordSettings, Resolve};
pub use read_store::{EventSummary, Filter};
pub use resolves::{CLOSE_LIMIT, Resolves};

use crate::principal::Actor;
use crate::types::AccountId;
use record::Record;
use store::{Batch, BrokenChain, Head};

/// Records events of one account, in order. To be called last in a transaction: it locks the head of the account's chain
/// until the commit, and with it every other writer of that account.
///
/// # Errors
/// When the database refuses, or the chain does not end with the record that its head names.
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
        let before = head.clone();
        let record = next(key, account, &mut head, (actor, now, event))?;
        return store::append_one(connection, account, &before, &record).await;
    }
    let mut batch = Batch::default();
    batch.start(account, &head);
    for event in events {
        batch.push(account, next(key, account, &mut head, (actor, now, event))?);
    }
    store::append(connection, batch).await
}

/// Makes the record of an event that follows the head of its account's chain, and moves the head to it.
fn next<'a>(
    key: &AuditKey,
    account: AccountId,
    head: &mut Head,
    (actor, occurred_at, event): (&'a Actor, DateTime<Utc>, &'a Event),
) -> Result<Record<Cow<'a, str>>, BrokenChain> {
    let sequence = head.next_sequence().ok_or(BrokenChain)?;
    let mut record = Record::new(sequence, actor, occurred_at, event);
    // Records are made in the newest format, which is known.
    record.mac = chain::mac(key, account, &head.mac, &record).unwrap_or_default();
    head.sequence = record.sequence;
    head.mac.clone_from(&record.mac);
    Ok(record)
}
