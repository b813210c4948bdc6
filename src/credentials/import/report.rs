//! The outcome of an import.

use super::faults::RowErrors;

/// The counts of an import, carried out or previewed. With errors it did nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Rows of the file, without the one that names the columns.
    pub rows: u64,
    /// Credentials that are new.
    pub created: u64,
    /// Credentials that were changed.
    pub updated: u64,
    /// Credentials that were equal to those of the file.
    pub unchanged: u64,
    /// The errors of the file, by row.
    pub errors: RowErrors,
}
