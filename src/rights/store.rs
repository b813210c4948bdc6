//! The rows that a caller's rights rest on, read within a write.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::principal::Scope;
use crate::types::AccountId;

/// The ids of the presented credential.
pub(super) struct Presented {
    pub key: Option<Uuid>,
    pub client: Option<Uuid>,
    pub token: Option<Uuid>,
}

/// Returns which of the rows no longer gives the rights; `None` if all do. Locks them.
pub(super) async fn why_ended(
    connection: &mut PgConnection,
    account: AccountId,
    acting_account: AccountId,
    presented: &Presented,
    scopes: &[Scope],
    now: DateTime<Utc>,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar("select why_rights_ended($1, $2, $3, $4, $5, $6, $7)")
        .bind(acting_account)
        .bind(account)
        .bind(presented.key)
        .bind(presented.client)
        .bind(presented.token)
        .bind(scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>())
        .bind(now)
        .fetch_one(connection)
        .await
}
