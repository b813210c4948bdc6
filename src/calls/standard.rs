//! The tables of the standard, read once.

use std::sync::LazyLock;

use promostandards::{Standard, TableError};

static STANDARD: LazyLock<Result<Standard, TableError>> = LazyLock::new(Standard::embedded);

/// The tables.
///
/// # Errors
/// An inconsistency between them. The service does not start with one.
pub fn standard() -> Result<&'static Standard, &'static TableError> {
    STANDARD.as_ref()
}
