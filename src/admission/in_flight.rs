//! Limits how many requests are under way at once. Nobody waits: one more is refused.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Counts requests under way. Cheap to clone.
#[derive(Clone)]
pub struct InFlight {
    free: Arc<Semaphore>,
    all: usize,
}

/// Allows one request. Dropping it makes room.
pub struct InFlightPermit(#[allow(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl InFlight {
    /// Makes room for a number of requests.
    pub fn new(all: usize) -> Self {
        let all = all.min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(all)), all }
    }

    /// Returns a permit if there is room.
    pub fn acquire(&self) -> Option<InFlightPermit> {
        Arc::clone(&self.free).try_acquire_owned().ok().map(InFlightPermit)
    }

    /// Returns how many requests are under way.
    pub fn count(&self) -> usize {
        self.all - self.free.available_permits()
    }
}
