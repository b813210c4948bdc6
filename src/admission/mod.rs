//! Limits what one caller may ask for, so that its flood is nobody else's trouble. A request passes, from outside in:
//!
//! - [`InFlight`]: a number of requests at once on each listener; one more is shed.
//! - [`RateLimits`]: a number of requests of a key in a time.
//! - [`ByteBudget`]: a number of bytes of bodies in memory.
//! - [`ConcurrencyLimits`]: a number of requests of an account at work at once; further ones wait in a queue of the account's
//!   own, and take no connection to the database meanwhile.

mod bytes;
mod concurrency;
mod in_flight;
mod rate;

use std::time::Duration;

use tokio::time::sleep;

pub use bytes::{ByteBudget, ReservedBytes, Sender};
pub use concurrency::{ConcurrencyLimits, ConcurrencyPermit};
pub use in_flight::{InFlight, InFlightPermit};
pub use rate::{Allowance, Holder, Rate, RateLimited, RateLimits};

use crate::clock::Monotonic;

/// Settings of admission.
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
    /// Most bytes of bodies in memory at once.
    pub body_bytes: usize,
    /// Longest time for one request, body included.
    pub request_timeout: Duration,
}

/// Settings of connections.
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
    pub in_flight: InFlight,
    /// Requests under way on the internal listener.
    pub internal_in_flight: InFlight,
    /// Rates of the public listener.
    pub rate: RateLimits,
    /// Rates of the internal listener.
    pub internal_rate: RateLimits,
    /// Requests that only read, by account.
    pub reads: ConcurrencyLimits,
    /// Requests that may write, by account. They wait for each other at the account's audit chain anyway, and one that waits
    /// for a slow instance must not keep the account from reading.
    pub writes: ConcurrencyLimits,
    /// Imports, by account, from before their file is received until it is dealt with.
    pub imports: ConcurrencyLimits,
    /// Bytes of bodies.
    pub bytes: ByteBudget,
    /// Refusals that are delayed.
    delayed: InFlight,
}

/// Delay of a refusal.
const REFUSAL_DELAY: Duration = Duration::from_secs(1);
/// Time between two rounds of [`Admission::run`].
const TIDY: Duration = Duration::from_mins(1);

impl Admission {
    /// Makes the limits, with nothing counted yet.
    pub fn new(settings: &AdmissionSettings, clock: &Monotonic) -> Self {
        Self {
            in_flight: InFlight::new(settings.in_flight),
            internal_in_flight: InFlight::new(settings.in_flight),
            rate: RateLimits::new(settings.rate, clock),
            internal_rate: RateLimits::new(settings.internal_rate, clock),
            reads: ConcurrencyLimits::new(settings.at_once),
            writes: ConcurrencyLimits::new(settings.at_once),
            imports: ConcurrencyLimits::new(settings.at_once),
            bytes: ByteBudget::new(settings.body_bytes),
            // They count as requests in flight, so they may take half the room at most.
            delayed: InFlight::new(settings.in_flight / 2),
        }
    }

    /// Delays a refusal by a second. A caller that asks again as soon as it is refused would otherwise be refused as fast as
    /// the machine can, which is a flood as well.
    pub async fn delay_refusal(&self) {
        if let Some(_permit) = self.delayed.acquire() {
            sleep(REFUSAL_DELAY).await;
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
