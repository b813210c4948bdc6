//! Room, allowance and turn that a request was given, until its answer is made.

use std::sync::{Mutex, OnceLock, PoisonError};

use axum::http::{HeaderMap, HeaderName};

use crate::admission::{Allowance, Slot, Slots, Turn};
use crate::error::Error;

static X_RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
static X_RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");

/// The room and the turn of a request, until its answer is made.
pub(in crate::http) struct Admitted {
    slots: Slots,
    slot: Mutex<Option<Slot>>,
    pub(super) allowance: OnceLock<Allowance>,
    pub(super) turn: OnceLock<Turn>,
}

impl Admitted {
    /// With a place on the listener, if it needs one.
    pub fn new(slots: &Slots, slot: Option<Slot>) -> Self {
        Self { slots: slots.clone(), slot: Mutex::new(slot), allowance: OnceLock::new(), turn: OnceLock::new() }
    }

    /// Leaves the place on the listener: while a client sends its body, nothing is done for it.
    pub fn pause(&self) {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Takes a place again.
    pub fn go_on(&self) -> Result<(), Error> {
        let slot = self.slots.take().ok_or(Error::Overloaded)?;
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).replace(slot);
        Ok(())
    }

    /// Adds the headers with the rest of the key's rate.
    pub fn write_headers(&self, headers: &mut HeaderMap) {
        if let Some(Allowance { limit, remaining }) = self.allowance.get() {
            headers.insert(X_RATELIMIT_LIMIT.clone(), (*limit).into());
            headers.insert(X_RATELIMIT_REMAINING.clone(), (*remaining).into());
        }
    }
}
