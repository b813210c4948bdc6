//! Permits that a request holds until its answer is made, or until work that outlives it has ended.

use std::sync::{Mutex, OnceLock, PoisonError};

use axum::http::{HeaderMap, HeaderName};

use crate::admission::{Allowance, ConcurrencyPermit, InFlight, InFlightPermit, ReservedBytes};
use crate::error::Error;

static X_RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
static X_RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");

/// Permits of a request.
pub(in crate::http) struct Admitted {
    in_flight: InFlight,
    permit: Mutex<Option<InFlightPermit>>,
    pub(super) allowance: OnceLock<Allowance>,
    turn: Mutex<Option<ConcurrencyPermit>>,
    pub(super) import: OnceLock<ConcurrencyPermit>,
    bytes: OnceLock<ReservedBytes>,
}

impl Admitted {
    /// Holds the permit of the listener, if the request needs one.
    pub fn new(in_flight: &InFlight, permit: Option<InFlightPermit>) -> Self {
        Self {
            in_flight: in_flight.clone(),
            permit: Mutex::new(permit),
            allowance: OnceLock::new(),
            turn: Mutex::default(),
            import: OnceLock::new(),
            bytes: OnceLock::new(),
        }
    }

    /// Gives the permit of the listener back: while a client sends its body, nothing is done for it.
    pub fn pause(&self) {
        self.permit.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Acquires a permit of the listener again.
    pub fn go_on(&self) -> Result<(), Error> {
        let permit = self.in_flight.acquire().ok_or(Error::Overloaded)?;
        self.permit.lock().unwrap_or_else(PoisonError::into_inner).replace(permit);
        Ok(())
    }

    /// Keeps the turn of the account.
    pub(super) fn keep_turn(&self, turn: ConcurrencyPermit) {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).replace(turn);
    }

    /// Gives the permit of the listener and the turn of the account back, for work that has limits of its own and may take
    /// long.
    pub fn release(&self) {
        self.pause();
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Keeps the bytes of the body, which is read once.
    pub fn keep(&self, bytes: ReservedBytes) {
        let _ = self.bytes.set(bytes);
    }

    /// Writes the allowance of the key into the answer's headers.
    pub fn write_headers(&self, headers: &mut HeaderMap) {
        if let Some(Allowance { limit, remaining }) = self.allowance.get() {
            headers.insert(X_RATELIMIT_LIMIT.clone(), (*limit).into());
            headers.insert(X_RATELIMIT_REMAINING.clone(), (*remaining).into());
        }
    }
}
