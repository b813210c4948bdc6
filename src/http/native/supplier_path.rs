//! The supplier that a path names.

use crate::error::{Error, Missing};
use crate::types::SupplierCode;

/// Reads the code in a path. One that no supplier can have is not found.
pub(super) fn supplier_in_path(code: &str, missing: Missing) -> Result<SupplierCode, Error> {
    SupplierCode::parse(code).map_err(|_| Error::missing(missing))
}
