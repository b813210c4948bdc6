//! Bounds the calls under way at each supplier's host, so that a slow supplier is nobody else's trouble, and gives a host that
//! is down one call at a time. Waiting accounts take turns. Decision 180 has the numbers.

mod host;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::{Gauge, counter, gauge, histogram};
use thiserror::Error;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use url::Url;

use self::host::{Entered, Host, Outcome};
use crate::types::{AccountId, SupplierCode};

/// Longest wait for a place.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time after which a caller that found too many others may come again.
const BUSY: Duration = Duration::from_secs(1);
/// Time after which a caller that found the supplier down may come again.
const DOWN: Duration = Duration::from_secs(5);
/// Most hosts in memory. Those with calls are kept in any case.
const HOSTS: usize = 4096;

/// A refusal of a call before it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotNow {
    /// Too many calls of this supplier are under way and waiting.
    #[error("too many calls of this supplier are under way")]
    Busy {
        /// Time after which the caller may come again.
        retry_after: Duration,
    },
    /// The supplier did not answer the last calls, and another call tries it now.
    #[error("the supplier does not answer")]
    Down {
        /// Time after which the caller may come again.
        retry_after: Duration,
    },
}

/// A call that asks for a place.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    /// URL of the endpoint; its host and port count.
    pub url: &'a Url,
    /// The supplier, for the metrics.
    pub supplier: &'a SupplierCode,
    /// Most calls under way. Rows of a host with the same number share their places; a row with another number has its own.
    pub limit: usize,
    /// The account that calls.
    pub account: AccountId,
    /// End of the call's time. At most half of it goes by in waiting.
    pub deadline: Instant,
}

/// The calls under way at all suppliers' hosts. Cheap to clone.
#[derive(Clone)]
pub struct Bulkheads {
    patience: Duration,
    hosts: Arc<Mutex<Hosts>>,
}

#[derive(Default)]
struct Hosts {
    by_name: HashMap<Arc<str>, Host<oneshot::Sender<Result<(), NotNow>>>>,
    last_ticket: u64,
}

/// A place of one call. Dropping it gives the place to the next one.
#[must_use = "a dropped permit gives the place away"]
pub struct Permit {
    place: Place,
    outcome: Outcome,
    in_flight: Gauge,
}

/// The way to a place: host, places of it, account.
#[derive(Clone)]
struct Place {
    bulkheads: Bulkheads,
    host: Arc<str>,
    limit: usize,
    account: AccountId,
}

/// A caller in the queue. Dropping it leaves no trace of the caller, also where its turn has just come.
struct Waiting {
    place: Place,
    ticket: u64,
    turn: oneshot::Receiver<Result<(), NotNow>>,
    is_over: bool,
}

impl Default for Bulkheads {
    fn default() -> Self {
        Self::new()
    }
}

impl Bulkheads {
    /// Makes the places, with no call under way.
    pub fn new() -> Self {
        Self { patience: PATIENCE, hosts: Arc::default() }
    }

    /// Waits for a place at the supplier's host.
    ///
    /// # Errors
    /// [`NotNow::Busy`] if too many wait already or no place is free in time, [`NotNow::Down`] if the host is down and another
    /// call tries it.
    pub async fn enter(&self, entry: &Entry<'_>) -> Result<Permit, NotNow> {
        let arrived = Instant::now();
        let entered = self.wait(entry, arrived).await;
        let supplier = || entry.supplier.as_str().to_owned();
        match entered {
            Ok(place) => {
                histogram!("credenza_call_wait_seconds", "supplier" => supplier())
                    .record(arrived.elapsed().as_secs_f64());
                let in_flight = gauge!("credenza_calls_in_flight", "supplier" => supplier());
                in_flight.increment(1);
                Ok(Permit { place, outcome: Outcome::Unknown, in_flight })
            }
            Err(refusal) => {
                let labels = [("supplier", supplier()), ("reason", refusal.reason().to_owned())];
                counter!("credenza_calls_rejected_total", &labels).increment(1);
                Err(refusal)
            }
        }
    }

    async fn wait(&self, entry: &Entry<'_>, arrived: Instant) -> Result<Place, NotNow> {
        let mut waiting = match self.join(entry) {
            Entered::Granted(place) => return Ok(place),
            Entered::Refused(refusal) => return Err(refusal),
            Entered::Waiting(waiting) => waiting,
        };
        let end = end_of_wait(arrived, entry.deadline, self.patience);
        let turn = timeout_at(end, &mut waiting.turn).await;
        match turn {
            Ok(Ok(turn)) => {
                waiting.is_over = true;
                turn.map(|()| waiting.place.clone())
            }
            // The sender is dropped only after it has sent.
            Ok(Err(_)) | Err(_) => Err(NotNow::BUSY),
        }
    }

    fn join(&self, entry: &Entry<'_>) -> Entered<Place, Waiting> {
        let host = name(entry.url);
        let mut guard = self.lock();
        let hosts = &mut *guard;
        if hosts.by_name.len() >= HOSTS && !hosts.by_name.contains_key(&host) {
            hosts.by_name.retain(|_, host| !host.is_idle());
        }
        hosts.last_ticket += 1;
        let ticket = hosts.last_ticket;
        let (sender, turn) = oneshot::channel();
        let limit = entry.limit.max(1);
        let place = Place { bulkheads: self.clone(), host: Arc::clone(&host), limit, account: entry.account };
        let entered = hosts.by_name.entry(host).or_default().enter(limit, entry.account, ticket, sender);
        match entered {
            Entered::Granted(()) => Entered::Granted(place),
            Entered::Refused(refusal) => Entered::Refused(refusal),
            Entered::Waiting(()) => Entered::Waiting(Waiting { place, ticket, turn, is_over: false }),
        }
    }

    /// Counts the calls that wait for a place.
    pub fn waiting(&self) -> usize {
        self.lock().by_name.values().map(Host::waiting).sum()
    }

    fn lock(&self) -> MutexGuard<'_, Hosts> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a wait early enough for the call itself.
fn end_of_wait(arrived: Instant, deadline: Instant, patience: Duration) -> Instant {
    let half = deadline.saturating_duration_since(arrived) / 2;
    arrived + patience.min(half)
}

/// Names a host with its port. A dot at the end of a name makes no other host of it.
fn name(url: &Url) -> Arc<str> {
    let host = url.host_str().unwrap_or_default();
    let host = host.strip_suffix('.').unwrap_or(host);
    format!("{host}:{}", url.port_or_known_default().unwrap_or_default()).into()
}

impl NotNow {
    const BUSY: Self = Self::Busy { retry_after: BUSY };
    const DOWN: Self = Self::Down { retry_after: DOWN };

    /// Returns the time after which the caller may come again.
    pub fn retry_after(self) -> Duration {
        match self {
            Self::Busy { retry_after } | Self::Down { retry_after } => retry_after,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Busy { .. } => "busy",
            Self::Down { .. } => "down",
        }
    }
}

impl Permit {
    /// Gives the place back and reports that the supplier answered, with an error or not.
    pub fn answered(mut self) {
        self.outcome = Outcome::Answered;
    }

    /// Gives the place back and reports that the supplier could not be reached, or did not answer.
    pub fn failed(mut self) {
        self.outcome = Outcome::Failed;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.in_flight.decrement(1);
        self.place.leave(self.outcome);
    }
}

impl Place {
    fn leave(&self, outcome: Outcome) {
        let mut hosts = self.bulkheads.lock();
        if let Some(host) = hosts.by_name.get_mut(&self.host) {
            for (sender, turn) in host.leave(self.limit, self.account, outcome) {
                // The receiver is there: `Waiting` takes its ticket out of the queue before it drops it.
                let _ = sender.send(turn);
            }
            if host.is_forgettable() {
                hosts.by_name.remove(&self.host);
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let was_waiting = {
            let mut hosts = self.place.bulkheads.lock();
            let host = hosts.by_name.get_mut(&self.place.host);
            host.is_some_and(|host| host.withdraw(self.place.limit, self.place.account, self.ticket))
        };
        if !was_waiting && matches!(self.turn.try_recv(), Ok(Ok(()))) {
            self.place.leave(Outcome::Unknown);
        }
    }
}
