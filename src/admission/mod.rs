//! Limits what runs at once, so that one caller's flood does not disturb another. A request passes, from outside in:
//!
//! - [`Slots`]: so many requests at once for each listener; one more is shed.
//! - [`RateLimits`]: so many requests of a key in a time.
//! - [`Turns`]: so many requests of an account at work at once; further ones wait in a queue of the account's own, so that
//!   they hold neither a connection to the database nor anybody up.

mod rate;
mod slots;
mod turns;

use std::time::Duration;

use tokio::time::sleep;

pub use rate::{Allowance, Holder, Rate, RateLimits, TooFast};
pub use slots::{Slot, Slots};
pub use turns::{Turn, Turns};

use crate::clock::Monotonic;

/// The operator's settings for admission.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionSettings {
    /// Requests of a key on the public listener; `None` for as many as it likes.
    pub rate: Option<Rate>,
    /// Requests of a tenant's key on the internal listener. Operators' keys answer for every tenant and have no limit.
    pub internal_rate: Option<Rate>,
    /// Most requests at once on a listener.
    pub in_flight: usize,
    /// Most requests of an account at once that read, and as many that write.
    pub at_once: usize,
    /// Longest time for one request, body included.
    pub request_timeout: Duration,
}

/// Returns how many connections a listener has, and how long one may do nothing.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionSettings {
    /// Most connections of a listener, where the system's limit of open files does not ask for fewer.
    pub most: usize,
    /// Longest time between two requests on a connection.
    pub idle: Duration,
}

impl Default for ConnectionSettings {
    fn default() -> Self {
        // Balancers keep idle connections for a minute, and must be the first to close them.
        Self { most: 10_000, idle: Duration::from_secs(75) }
    }
}

/// The limits of a process.
pub struct Admission {
    /// Requests under way on the public listener.
    pub in_flight: Slots,
    /// Requests under way on the internal listener.
    pub internal_in_flight: Slots,
    /// Of the public listener.
    pub rate: RateLimits,
    /// Of the internal listener.
    pub internal_rate: RateLimits,
    /// Requests that only read, by account.
    pub reads: Turns,
    /// Requests that may write, by account. They wait for each other at the account's audit chain anyway, and one that waits
    /// for a slow instance must not keep the account from reading.
    pub writes: Turns,
    /// Refusals that are on hold.
    held: Slots,
}

/// How long a refusal is on hold.
const HOLD: Duration = Duration::from_secs(1);
/// Time between two looks for keys that can be forgotten.
const TIDY: Duration = Duration::from_mins(1);

impl Admission {
    /// Nobody has asked for anything yet.
    pub fn new(settings: &AdmissionSettings, clock: &Monotonic) -> Self {
        Self {
            in_flight: Slots::new(settings.in_flight),
            internal_in_flight: Slots::new(settings.in_flight),
            rate: RateLimits::new(settings.rate, clock),
            internal_rate: RateLimits::new(settings.internal_rate, clock),
            reads: Turns::new(settings.at_once),
            writes: Turns::new(settings.at_once),
            // Those on hold count as requests in flight, so they may take half the room at most.
            held: Slots::new(settings.in_flight / 2),
        }
    }

    /// Keeps a refusal waiting for a second. A caller who asks again as soon as it is refused would otherwise be refused as
    /// fast as the machine can, which is a flood as well.
    pub async fn hold(&self) {
        if let Some(_slot) = self.held.take() {
            sleep(HOLD).await;
        }
    }

    /// Forgets keys that ask no more, until the task is dropped.
    pub async fn run(&self) {
        loop {
            sleep(TIDY).await;
            self.rate.tidy();
            self.internal_rate.tidy();
        }
    }
}
