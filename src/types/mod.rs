//! The words of the domain as types. A string becomes one of these once, at the door; everything beyond works with
//! values that are known to be good.

mod client_address;
mod origin;
mod pair;
mod per_environment;
mod range;
mod service;
mod text;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use client_address::ClientAddress;
pub use origin::Origin;
pub use pair::{HalfPair, Pair, Password, Username};
pub use per_environment::PerEnvironment;
pub use range::parse_range;
pub use service::{DEFAULT_SERVICES, Environment, Service};
pub use text::{Email, InvalidText, MAX_CHARS, MAX_NOTES_CHARS, Name, Notes, SupplierCode};

/// Identifies an account (a tenant) or a sub-account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct AccountId(pub i64);

impl AccountId {
    /// The operator: owns the data key of the default credentials and the audit events of the command line. Nobody can
    /// call as it.
    pub const OPERATOR: AccountId = AccountId(0);
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
