//! The events of an account, as it reads them itself.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::event::Action;
use super::history_store;
use crate::types::{AccountId, SupplierCode};

/// Which events.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Those behind this number.
    pub after: i64,
    /// With what was done.
    pub action: Option<Action>,
    /// About this supplier.
    pub supplier: Option<SupplierCode>,
}

/// An event in a listing.
#[derive(Debug, sqlx::FromRow)]
pub struct EventSummary {
    /// Its number in the account's chain, from 1.
    pub sequence: i64,
    /// When.
    pub occurred_at: DateTime<Utc>,
    /// What was done.
    pub action: String,
    /// What came of it, as an HTTP status.
    pub outcome: Option<i16>,
    /// The account whose key was used; none if the operator acted on the command line.
    pub acting_account_id: Option<AccountId>,
    /// The user behind the key.
    pub user_email: Option<String>,
    /// The key, or the client.
    pub key_id: Option<Uuid>,
    /// The supplier that it is about.
    pub supplier_code: Option<String>,
    /// The service that it is about.
    pub service: Option<String>,
    /// The environment that it is about.
    pub environment: Option<String>,
    /// Of a resolve: the level that answered.
    pub source: Option<String>,
    /// Of a refused resolve: the account that was asked for, if it is another one.
    pub asked_account_id: Option<AccountId>,
    /// The key, client, user or instance that it is about.
    pub subject_id: Option<Uuid>,
    /// Of a gap: what was recorded until then is there.
    pub since: Option<DateTime<Utc>>,
    /// The request.
    pub request_id: Option<String>,
    /// Where the request came from.
    pub client_address: Option<String>,
}

/// Some of the events, the newest last.
#[derive(Debug)]
pub struct EventPage {
    /// The events.
    pub results: Vec<EventSummary>,
    /// What `after` has to be to read on; none at the end.
    pub next: Option<i64>,
}

/// The first `limit` events that pass the filter.
pub async fn list(
    connection: &mut PgConnection,
    account: AccountId,
    filter: &Filter,
    limit: usize,
) -> Result<EventPage, sqlx::Error> {
    // One more tells whether there are more.
    let most = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut results = history_store::list(connection, account, filter, most).await?;
    let more = results.len() > limit;
    results.truncate(limit);
    let next = results.last().filter(|_| more).map(|event| event.sequence);
    Ok(EventPage { results, next })
}
