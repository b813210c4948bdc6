//! Evidence of every change: who, what, when, from where; never a value. An event is written in the transaction of the
//! change it records, so that there is no change without an event and no event without a change.

mod chain;
mod check;
mod event;
mod store;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

pub use chain::AuditKey;
pub use check::{ChainEnds, chain_ends};
pub use event::{Action, Event};

use crate::principal::Actor;
use crate::types::AccountId;

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
    let head = store::lock_head(connection, account).await?;
    let records = chain::extend(key, head, account, actor, now, events);
    store::append(connection, account, &records).await
}
