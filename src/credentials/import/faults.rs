//! Errors of the rows of a file, as values.

use super::records::MalformedRecord;
use crate::error::{Half, Missing, MissingHalf};
use crate::types::{Environment, InvalidText};

/// Most errors that are listed. More than these are usually one mistake made many times.
pub const MOST_ERRORS: usize = 100;

/// A column of a file, of one kind or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "their names are those of the file")]
pub enum Column {
    SupplierCode,
    StagingUsername,
    StagingPassword,
    ProductionUsername,
    ProductionPassword,
    Service,
    Environment,
    Username,
    Password,
}

impl Column {
    /// The name, as the first row of a file has it.
    pub const fn name(self) -> &'static str {
        match self {
            Column::SupplierCode => "supplier_code",
            Column::StagingUsername => "staging_username",
            Column::StagingPassword => "staging_password",
            Column::ProductionUsername => "production_username",
            Column::ProductionPassword => "production_password",
            Column::Service => "service",
            Column::Environment => "environment",
            Column::Username => "username",
            Column::Password => "password",
        }
    }

    /// The column of a half pair.
    pub(super) const fn of_half(environment: Environment, half: Half) -> Self {
        match (environment, half) {
            (Environment::Staging, Half::Username) => Column::StagingUsername,
            (Environment::Staging, Half::Password) => Column::StagingPassword,
            (Environment::Production, Half::Username) => Column::ProductionUsername,
            (Environment::Production, Half::Password) => Column::ProductionPassword,
        }
    }
}

/// An error in a row. Never holds the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    /// The line on which the row begins, as an editor numbers it: the names of the columns are usually in row 1.
    pub row: u64,
    /// The column; none if the error is about the whole of the row.
    pub column: Option<Column>,
    /// The fault.
    pub fault: RowFault,
}

/// The fault of a row, or of one of its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowFault {
    /// The bytes are no text.
    NotUtf8,
    /// The text is no CSV.
    Malformed(MalformedRecord),
    /// The first row does not name the columns of either kind.
    UnknownColumns,
    /// The row has another number of fields than there are columns.
    FieldCount {
        /// The fields of the row.
        found: usize,
        /// The columns.
        expected: usize,
    },
    /// The row is about the same credentials as the row with this number.
    Repeats(u64),
    /// The field is empty, and must not be.
    Required,
    /// The text does not have the form of its type.
    Text(InvalidText),
    /// No code of a service.
    NotAService,
    /// No code of an environment.
    NotAnEnvironment,
    /// Half of a pair, without the other one.
    HalfPair(MissingHalf),
    /// The row rests on something that does not exist.
    NotFound {
        /// The thing that is not there.
        what: Missing,
        /// The directory's closest code, if one is close.
        hint: Option<String>,
    },
}

/// The errors of rows: the first ones, and how many there are in all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowErrors {
    /// The first [`MOST_ERRORS`], by row.
    pub listed: Vec<RowError>,
    /// The number of all.
    pub count: u64,
}

impl RowErrors {
    /// Adds an error after those so far.
    pub(super) fn push(&mut self, error: RowError) {
        self.count += 1;
        if self.listed.len() < MOST_ERRORS {
            self.listed.push(error);
        }
    }

    /// Adds an error of a row as a whole.
    pub(super) fn push_row(&mut self, row: u64, fault: RowFault) {
        self.push(RowError { row, column: None, fault });
    }

    /// Adds those that were found by another look at the same file.
    pub(super) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.listed.extend(other.listed);
        // Stable: the fields of a row stay in their order.
        self.listed.sort_by_key(|error| error.row);
        self.listed.truncate(MOST_ERRORS);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(rows: impl IntoIterator<Item = u64>) -> RowErrors {
        let mut errors = RowErrors::default();
        rows.into_iter().for_each(|row| errors.push_row(row, RowFault::NotUtf8));
        errors
    }

    #[test]
    fn the_first_hundred_by_row_are_listed_and_all_are_counted() {
        let mut all = errors((1..=150).map(|row| row * 2));
        all.merge(errors((0..60).map(|row| row * 2 + 1)));
        assert_eq!((all.count, all.listed.len()), (210, MOST_ERRORS));
        assert!(all.listed.is_sorted_by_key(|error| error.row));
        assert_eq!((all.listed[0].row, all.listed[99].row), (1, 100));
    }
}
