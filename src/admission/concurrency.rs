//! Limits how many requests of an account are at work at once. Its further requests wait in their order, and those of other
//! accounts do not.

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

/// Queues of the accounts that have requests. Cheap to clone.
#[derive(Clone)]
pub struct ConcurrencyLimits {
    at_once: usize,
    queues: Arc<Mutex<HashMap<AccountId, Queue>>>,
}

/// Requests of one account; in the table while there are any.
struct Queue {
    permits: Arc<Semaphore>,
    /// Requests at work and waiting.
    length: usize,
}

/// Allows one request to work. Dropping it lets the next one work.
pub struct ConcurrencyPermit {
    // In this order: the next one goes on before this one leaves.
    _permit: OwnedSemaphorePermit,
    _place: Place,
}

/// Counts one request in the queue of its account, at work or waiting.
struct Place {
    limits: ConcurrencyLimits,
    account: AccountId,
}

impl ConcurrencyLimits {
    /// Allows an account a number of requests at once.
    pub fn new(at_once: usize) -> Self {
        Self { at_once: at_once.clamp(1, Semaphore::MAX_PERMITS), queues: Arc::default() }
    }

    /// Waits for a permit of the account, in the order of arrival.
    ///
    /// # Errors
    /// [`Denied::TooManyAtOnce`] if too many wait already, or the permit does not come in time.
    pub async fn acquire(&self, account: AccountId) -> Result<ConcurrencyPermit, Denied> {
        let (place, permits) = self.enter(account).ok_or(Denied::TooManyAtOnce)?;
        // Nobody who waits is passed over: a permit that is given back is theirs before it is free.
        if let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
            return Ok(ConcurrencyPermit { _permit: permit, _place: place });
        }
        match Box::pin(timeout(PATIENCE, permits.acquire_owned())).await {
            Ok(Ok(permit)) => Ok(ConcurrencyPermit { _permit: permit, _place: place }),
            // Nobody closes the semaphore.
            Ok(Err(_)) | Err(_) => Err(Denied::TooManyAtOnce),
        }
    }

    fn enter(&self, account: AccountId) -> Option<(Place, Arc<Semaphore>)> {
        let mut queues = self.lock();
        let new = || Queue { permits: Arc::new(Semaphore::new(self.at_once)), length: 0 };
        let queue = queues.entry(account).or_insert_with(new);
        if queue.length >= self.at_once + WAITING {
            return None;
        }
        queue.length += 1;
        Some((Place { limits: self.clone(), account }, Arc::clone(&queue.permits)))
    }

    /// Returns how many requests of all accounts are at work or waiting.
    pub fn count(&self) -> usize {
        self.lock().values().map(|queue| queue.length).sum()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queues = self.limits.lock();
        if let Some(queue) = queues.get_mut(&self.account) {
            queue.length -= 1;
            if queue.length == 0 {
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
        let limits = ConcurrencyLimits::new(2);
        let poll = |future: &mut std::pin::Pin<&mut _>| poll_once(future);
        let first = limits.acquire(AccountId(1)).await.unwrap_or_else(|_| panic!());
        let second = limits.acquire(AccountId(1)).await.unwrap_or_else(|_| panic!());
        let mut third = pin!(limits.acquire(AccountId(1)));
        assert!(poll(&mut third).is_pending());
        // Somebody else does not wait.
        drop(limits.acquire(AccountId(2)).await.unwrap_or_else(|_| panic!()));
        drop(first);
        let third = poll(&mut third);
        assert!(matches!(third, Poll::Ready(Ok(_))));
        assert_eq!(limits.count(), 2);
        drop((second, third));
        assert!(limits.lock().is_empty());
    }

    #[tokio::test]
    async fn a_full_queue_refuses_until_one_leaves() {
        let limits = ConcurrencyLimits::new(1);
        let turn = limits.acquire(AccountId(1)).await.unwrap_or_else(|_| panic!());
        let mut waiting: Vec<_> = (0..WAITING).map(|_| Box::pin(limits.acquire(AccountId(1)))).collect();
        for one in &mut waiting {
            assert!(poll_once(&mut one.as_mut()).is_pending());
        }
        assert!(matches!(limits.acquire(AccountId(1)).await, Err(Denied::TooManyAtOnce)));
        // A client that goes away does not leave its place taken.
        drop(waiting.pop());
        assert!(poll_once(&mut pin!(limits.acquire(AccountId(1)))).is_pending());
        drop((waiting, turn));
        assert!(limits.lock().is_empty());
    }

    fn poll_once<F: Future>(future: &mut std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }
}
