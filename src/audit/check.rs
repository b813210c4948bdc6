//! Whether the key of the chains at hand is the one that the stored records were made with. Not a search for damage.

use sqlx::PgPool;

use super::chain::{self, AuditKey};
use super::store::{self, End};
use crate::postgres::{self, Tenant};

/// So many chains tell a wrong key from a damaged record.
const CHAINS: i64 = 5;

/// What was found at the ends of a few chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainEnds {
    /// Last records that were looked at.
    pub looked_at: usize,
    /// Those of them that fit the key.
    pub fitting: usize,
}

/// Verifies the last records of a few chains.
pub async fn chain_ends(pool: &PgPool, key: &AuditKey) -> Result<ChainEnds, sqlx::Error> {
    let mut transaction = postgres::begin(pool, Tenant::Every).await?;
    let ends = store::ends(&mut transaction, CHAINS).await?;
    let fits = |end: &&End| chain::mac(key, end.account_id, &end.previous, &end.record) == end.record.mac;
    Ok(ChainEnds { looked_at: ends.len(), fitting: ends.iter().filter(fits).count() })
}
