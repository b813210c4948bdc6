//! Sealing very many values of one account: under as many data keys as their number takes, so that none seals more than
//! it may before anybody looks.

use chrono::{DateTime, Utc};

use super::{Sealer, Vault};
use crate::error::{Error, SealError};
use crate::types::AccountId;

/// Most seals that are counted at once.
const AT_ONCE: u64 = 1 << 16;

/// Sealers, each with how many seals it was counted for.
pub struct Sealers {
    sealers: Vec<(u32, Sealer)>,
}

impl Vault {
    /// What seals so many values of the account; they are counted now. To be asked for before a transaction begins, like
    /// [`Vault::sealer`].
    pub async fn sealers(&self, seals: u64, account: AccountId, now: DateTime<Utc>) -> Result<Sealers, Error> {
        // An even number, so that the halves of a pair never lack a seal between two sealers.
        let most = (AT_ONCE.min(self.retirement.seals) & !1).max(2);
        let (mut sealers, mut left) = (Vec::new(), seals);
        while left > 0 {
            let part = left.min(most);
            let part = u32::try_from(part).unwrap_or(u32::MAX);
            sealers.push((part, self.sealer_of(part, account, now).await?));
            left -= u64::from(part);
        }
        // Taken from the end.
        sealers.reverse();
        Ok(Sealers { sealers })
    }
}

impl Sealers {
    /// The one for the next seals, of which there are as many as one value or one pair needs.
    ///
    /// # Errors
    /// If more is to be sealed than was counted.
    pub fn take(&mut self, seals: u32) -> Result<&Sealer, SealError> {
        while self.sealers.last().is_some_and(|(left, _)| *left < seals) {
            self.sealers.pop();
        }
        let (left, sealer) = self.sealers.last_mut().ok_or(SealError)?;
        *left -= seals;
        Ok(sealer)
    }
}
