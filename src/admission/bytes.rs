//! A budget of bytes that are being received, so that bodies that stall cannot fill the memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use crate::error::Denied;
use crate::types::{AccountId, ClientAddress};

/// The part of the budget that one account may take, as a divisor. All strangers together may take as much.
const SHARE: usize = 4;
/// The part of the budget that one stranger may take, as a divisor.
const STRANGERS_SHARE: usize = 16;
/// Bytes of each body that are not counted, so that a small one is never refused for the large ones of others.
const FREE: usize = 4 << 10;
/// Longest wait for bytes of a body whose length is known.
const PATIENCE: Duration = Duration::from_secs(2);

/// Sends a body.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Sender {
    /// An account, with its sub-accounts.
    Account(AccountId),
    /// Somebody at an address who is not known yet.
    Stranger(Option<ClientAddress>),
}

/// The bytes that may be in memory at once. Cheap to clone.
#[derive(Clone)]
pub struct ByteBudget {
    total: usize,
    taken: Arc<Mutex<Taken>>,
    given_back: Arc<Notify>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    strangers: usize,
    by_sender: HashMap<Sender, usize>,
}

/// Bytes of one body. Dropping them gives them back.
pub struct ReservedBytes {
    budget: ByteBudget,
    sender: Sender,
    bytes: usize,
}

impl ByteBudget {
    /// Makes a budget of so many bytes.
    pub fn new(total: usize) -> Self {
        Self { total, taken: Arc::default(), given_back: Arc::default() }
    }

    /// Reserves bytes for a sender's body, and waits a moment for them if need be.
    ///
    /// # Errors
    /// [`Denied::TooManyAtOnce`] if the sender, or all senders together, have too many.
    pub async fn reserve(&self, sender: Sender, bytes: usize) -> Result<ReservedBytes, Denied> {
        let mut reserved = ReservedBytes { budget: self.clone(), sender, bytes: 0 };
        let wait = async {
            loop {
                let given_back = self.given_back.notified();
                let mut given_back = std::pin::pin!(given_back);
                given_back.as_mut().enable();
                if reserved.cover(bytes).is_ok() {
                    return;
                }
                given_back.await;
            }
        };
        timeout(PATIENCE, wait).await.map_err(|_| Denied::TooManyAtOnce)?;
        Ok(reserved)
    }

    /// Returns how many bytes are reserved.
    pub fn taken(&self) -> usize {
        self.lock().all
    }

    fn most(&self, sender: &Sender) -> usize {
        match sender {
            Sender::Account(_) => self.total / SHARE,
            Sender::Stranger(_) => self.total / STRANGERS_SHARE,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReservedBytes {
    /// Reserves what a body of this length needs, at once or not at all.
    ///
    /// # Errors
    /// [`Denied::TooManyAtOnce`] as for [`ByteBudget::reserve`].
    pub fn cover(&mut self, length: usize) -> Result<(), Denied> {
        let bytes = length.saturating_sub(FREE).saturating_sub(self.bytes);
        if bytes == 0 {
            return Ok(());
        }
        let Self { budget, sender, .. } = self;
        let is_stranger = matches!(sender, Sender::Stranger(_));
        let mut taken = budget.lock();
        let of_sender = taken.by_sender.get(sender).copied().unwrap_or_default();
        let fits = taken.all + bytes <= budget.total
            && of_sender + bytes <= budget.most(sender)
            && (!is_stranger || taken.strangers + bytes <= budget.total / SHARE);
        if !fits {
            return Err(Denied::TooManyAtOnce);
        }
        taken.all += bytes;
        taken.strangers += if is_stranger { bytes } else { 0 };
        *taken.by_sender.entry(sender.clone()).or_default() += bytes;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for ReservedBytes {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut taken = self.budget.lock();
        taken.all -= self.bytes;
        if matches!(self.sender, Sender::Stranger(_)) {
            taken.strangers -= self.bytes;
        }
        if let Some(of_sender) = taken.by_sender.get_mut(&self.sender) {
            *of_sender -= self.bytes;
            if *of_sender == 0 {
                taken.by_sender.remove(&self.sender);
            }
        }
        drop(taken);
        self.budget.given_back.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[tokio::test]
    async fn an_account_has_a_quarter_and_all_together_have_the_whole() {
        let budget = ByteBudget::new(64 * MIB);
        let reserve = async |id, bytes| budget.reserve(Sender::Account(AccountId(id)), bytes + FREE).await.unwrap();
        let first = reserve(1, 10 * MIB).await;
        assert!(reserve(1, 0).await.cover(10 * MIB).is_err());
        let mut held = vec![reserve(1, 6 * MIB).await];
        for id in 2..5 {
            held.push(reserve(id, 16 * MIB).await);
        }
        let mut more = reserve(5, 0).await;
        assert!(more.cover(FREE).is_ok() && more.cover(FREE + 1).is_err());
        // Bytes that are given back go to the one that waits for them.
        let (waited, ()) = tokio::join!(reserve(5, 10 * MIB), async { drop(first) });
        assert_eq!(budget.taken(), 64 * MIB);
        drop((held, waited));
        assert_eq!(budget.taken(), 0);
        assert!(budget.lock().by_sender.is_empty());
    }

    #[tokio::test]
    async fn strangers_leave_accounts_their_bytes() {
        let budget = ByteBudget::new(64 * MIB);
        let stranger = |last: u8| Sender::Stranger(Some(ClientAddress::read(format!("192.0.2.{last}").as_bytes())));
        let mut held = vec![];
        for last in 0..4 {
            let mut one = budget.reserve(stranger(last), 0).await.unwrap();
            one.cover(MIB).unwrap();
            one.cover(4 * MIB + FREE).unwrap();
            assert!(one.cover(4 * MIB + FREE + 1).is_err());
            held.push(one);
        }
        let mut fifth = budget.reserve(stranger(4), 0).await.unwrap();
        assert!(fifth.cover(FREE).is_ok() && fifth.cover(FREE + 1).is_err());
        let account = budget.reserve(Sender::Account(AccountId(1)), 16 * MIB).await;
        assert!(account.is_ok());
        drop((held, account, fifth));
        assert_eq!(budget.taken(), 0);
    }
}
