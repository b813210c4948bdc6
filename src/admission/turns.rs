//! So many requests of an account at work at once. The others of that account wait for their turn, and nobody else does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::error::Denied;
use crate::types::AccountId;

/// Most requests of an account that wait.
const WAITING: usize = 64;
/// Longest wait.
const PATIENCE: Duration = Duration::from_secs(2);

/// The accounts that are at work. Cheap to clone.
#[derive(Clone)]
pub struct Turns {
    at_once: usize,
    queues: Arc<Mutex<HashMap<AccountId, Queue>>>,
}

/// Those of one account; in the table while there are any.
struct Queue {
    turns: Arc<Semaphore>,
    /// At work and waiting.
    here: usize,
}

/// The right to work. Dropping it is the next one's turn.
pub struct Turn {
    // In this order: the next one goes on before this one leaves.
    _permit: OwnedSemaphorePermit,
    _place: Place,
}

/// Being here, at work or waiting.
struct Place {
    turns: Turns,
    account: AccountId,
}

impl Turns {
    /// Nobody is here.
    pub fn new(at_once: usize) -> Self {
        Self { at_once: at_once.clamp(1, Semaphore::MAX_PERMITS), queues: Arc::default() }
    }

    /// Waits for a turn of the account, in the order of arrival.
    ///
    /// # Errors
    /// [`Denied::TooManyAtOnce`] if too many wait already, or the turn does not come in time.
    pub async fn take(&self, account: AccountId) -> Result<Turn, Denied> {
        let (place, turns) = self.enter(account).ok_or(Denied::TooManyAtOnce)?;
        // Nobody who waits is passed over: a permit that is given back is theirs before it is free.
        if let Ok(permit) = Arc::clone(&turns).try_acquire_owned() {
            return Ok(Turn { _permit: permit, _place: place });
        }
        match Box::pin(timeout(PATIENCE, turns.acquire_owned())).await {
            Ok(Ok(permit)) => Ok(Turn { _permit: permit, _place: place }),
            // Nobody closes the semaphore.
            Ok(Err(_)) | Err(_) => Err(Denied::TooManyAtOnce),
        }
    }

    fn enter(&self, account: AccountId) -> Option<(Place, Arc<Semaphore>)> {
        let mut queues = self.lock();
        let new = || Queue { turns: Arc::new(Semaphore::new(self.at_once)), here: 0 };
        let queue = queues.entry(account).or_insert_with(new);
        if queue.here >= self.at_once + WAITING {
            return None;
        }
        queue.here += 1;
        Some((Place { turns: self.clone(), account }, Arc::clone(&queue.turns)))
    }

    /// How many are here of all accounts, at work or waiting.
    pub fn here(&self) -> usize {
        self.lock().values().map(|queue| queue.here).sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queues = self.turns.lock();
        if let Some(queue) = queues.get_mut(&self.account) {
            queue.here -= 1;
            if queue.here == 0 {
                queues.remove(&self.account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[tokio::test]
    async fn an_account_has_its_turns_in_order_and_is_forgotten_afterwards() {
        let turns = Turns::new(2);
        let poll = |future: &mut std::pin::Pin<&mut _>| poll_once(future);
        let first = turns.take(AccountId(1)).await.unwrap_or_else(|_| panic!());
        let second = turns.take(AccountId(1)).await.unwrap_or_else(|_| panic!());
        let mut third = pin!(turns.take(AccountId(1)));
        assert!(poll(&mut third).is_pending());
        // Somebody else does not wait.
        drop(turns.take(AccountId(2)).await.unwrap_or_else(|_| panic!()));
        drop(first);
        let third = poll(&mut third);
        assert!(matches!(third, Poll::Ready(Ok(_))));
        assert_eq!(turns.here(), 2);
        drop((second, third));
        assert!(turns.lock().is_empty());
    }

    #[tokio::test]
    async fn a_full_queue_refuses_until_one_leaves() {
        let turns = Turns::new(1);
        let turn = turns.take(AccountId(1)).await.unwrap_or_else(|_| panic!());
        let mut waiting: Vec<_> = (0..WAITING).map(|_| Box::pin(turns.take(AccountId(1)))).collect();
        for one in &mut waiting {
            assert!(poll_once(&mut one.as_mut()).is_pending());
        }
        assert!(matches!(turns.take(AccountId(1)).await, Err(Denied::TooManyAtOnce)));
        // A client that goes away does not leave its place taken.
        drop(waiting.pop());
        assert!(poll_once(&mut pin!(turns.take(AccountId(1)))).is_pending());
        drop((waiting, turn));
        assert!(turns.lock().is_empty());
    }

    fn poll_once<F: Future>(future: &mut std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }
}
