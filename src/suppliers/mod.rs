//! The operator's supplier directory: which suppliers exist, and the default credentials of each.

pub mod defaults;
pub mod endpoints;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod hint;
pub mod import;
mod sealed_store;
mod store;

use sqlx::PgConnection;

pub use hint::hint;
pub use sealed_store::DefaultPairs;
pub use store::{list, page};

use crate::error::{Error, Missing};
use crate::types::{Service, SupplierCode};

/// An entry of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supplier {
    /// A number that stays.
    pub id: i64,
    /// Its exact code.
    pub code: SupplierCode,
    /// Its display name.
    pub name: String,
    /// Services that default credentials never serve for it.
    pub excluded_services: Vec<Service>,
}

/// The supplier of this code, or the error that there is none.
pub async fn get(connection: &mut PgConnection, code: &SupplierCode) -> Result<Supplier, Error> {
    match store::find(&mut *connection, code).await? {
        Some(supplier) => Ok(supplier),
        None => Err(not_found(connection, Missing::Supplier, code.as_str()).await),
    }
}

/// The error for something that is missing under a supplier code, with the code that was perhaps meant.
pub async fn not_found(connection: &mut PgConnection, what: Missing, code: &str) -> Error {
    match hint(connection, code).await {
        Ok(hint) => Error::NotFound { what, hint },
        Err(error) => error.into(),
    }
}
