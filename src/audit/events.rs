//! Lists the events of one account by pages.

use sqlx::PgConnection;

use super::read_store::{self, EventSummary, Filter};
use crate::types::AccountId;

/// A page of events, the newest last.
#[derive(Debug)]
pub struct EventPage {
    /// The events.
    pub results: Vec<EventSummary>,
    /// The value of `after` for the next page; none on the last.
    pub next: Option<i64>,
}

/// Lists the first `limit` events that pass the filter.
pub async fn list(
    connection: &mut PgConnection,
    account: AccountId,
    filter: &Filter,
    limit: usize,
) -> Result<EventPage, sqlx::Error> {
    // One more tells whether there are more.
    let most = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut results = read_store::list(connection, account, filter, most).await?;
    let more = results.len() > limit;
    results.truncate(limit);
    let next = results.last().filter(|_| more).map(|event| event.sequence);
    Ok(EventPage { results, next })
}
