//! The credentials that a tenant stores: base credentials per supplier, service credentials per service and environment.
//!
//! One operation, one file; every one takes the account first, and another account's rows are simply not there.

mod conditions;
mod delete;
pub mod import;
mod read;
mod sealed_store;
mod store;
mod tag;
mod upsert_base;
mod upsert_service;

use chrono::{DateTime, Utc};

pub use conditions::{Conditions, EntityTag, Tags, hold};
pub use delete::{delete_base, delete_service};
pub use read::{audit_trail, find, list};
pub use sealed_store::{BasePairs, ServicePasswords};
pub use tag::Tag;
pub use upsert_base::{BaseUpdate, upsert_base};
pub use upsert_service::{ServiceUpdate, upsert_service};

use crate::types::{Environment, Service};

/// The credentials of an account for a supplier. The fields are the contract's, in its order; no base user name, no
/// password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseCredentials {
    /// The supplier's code.
    pub supplier_code: String,
    /// The supplier's display name.
    pub supplier_name: String,
    /// Whether the staging pair is stored.
    pub has_staging_credentials: bool,
    /// Whether the production pair is stored.
    pub has_production_credentials: bool,
    /// The service credentials, by service, production before staging.
    pub service_credentials: Vec<ServiceCredential>,
}

/// Credentials for one service and environment; the fields are the contract's, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceCredential {
    /// The service.
    pub service: Service,
    /// The environment.
    pub environment: Environment,
    /// The user name.
    pub username: String,
}

/// When a row was made and last changed, and by whom.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Stamps {
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// E-mail of who made it.
    pub created_by: String,
    /// When it was last changed.
    pub modified_on: DateTime<Utc>,
    /// E-mail of who last changed it.
    pub modified_by: String,
}

/// The audit fields of an account's credentials for a supplier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditTrail {
    /// The supplier's code.
    pub supplier_code: String,
    /// Of the base row.
    pub stamps: Stamps,
    /// Of the service credentials, by service, production before staging.
    pub service_credentials: Vec<ServiceAuditTrail>,
}

/// The audit fields of service credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAuditTrail {
    /// The service.
    pub service: Service,
    /// The environment.
    pub environment: Environment,
    /// Of the row.
    pub stamps: Stamps,
}
