//! Checks whether the stored records were made with the audit key on hand. This is no search for damage.

use sqlx::PgPool;

use super::chain::{self, AuditKey};
use super::read_store::{self, Part};
use super::store::AccountHead;
use crate::postgres::{self, Tenant};
use crate::types::AccountId;

/// Number of chains that are enough to tell a wrong key from a damaged record.
const CHAINS: i64 = 5;

/// Result for the ends of a few chains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChainEnds {
    /// Number of last records that were verified.
    pub looked_at: usize,
    /// Number of those that fit the key.
    pub fitting: usize,
}

/// Verifies the last records of a few chains.
pub async fn chain_ends(pool: &PgPool, key: &AuditKey) -> Result<ChainEnds, sqlx::Error> {
    let mut transaction = postgres::begin(pool, Tenant::Every).await?;
    let some = Part { after: (AccountId(i64::MIN), 0), last: AccountId(i64::MAX), limit: CHAINS };
    let mut ends = ChainEnds::default();
    for AccountHead { account_id, head } in read_store::heads(&mut transaction, some).await? {
        let last_two = Part { after: (account_id, head.sequence - 2), last: account_id, limit: 2 };
        let records = read_store::records(&mut transaction, last_two).await?;
        let Some((last, before)) = records.split_last() else { continue };
        let previous = before.last().map_or(&[][..], |before| &before.record.mac);
        ends.looked_at += 1;
        ends.fitting += usize::from(chain::follows(key, account_id, previous, &last.record));
    }
    Ok(ends)
}
