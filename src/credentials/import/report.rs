//! The outcome of an import.

use serde::Serialize;

use crate::error::FieldError;

/// Most errors that are listed. More than these are usually one mistake made many times.
pub const MOST_ERRORS: usize = 100;

/// The counts of an import, carried out or previewed. With errors it did nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
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

/// The errors of rows: the first ones, and how many there are in all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct RowErrors {
    /// The first [`MOST_ERRORS`], by row.
    pub listed: Vec<RowError>,
    /// Of all rows.
    #[serde(skip)]
    pub count: u64,
}

/// An error in a field of a row. Never holds the value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowError {
    /// The line on which the row begins, as an editor numbers it: the names of the columns are usually in row 1.
    pub row: u64,
    /// The column; `row` if it is about the whole of the row.
    pub field: String,
    /// The message, as for a request with this field.
    pub message: String,
}

impl RowErrors {
    /// Adds an error of a row behind those so far.
    pub(super) fn push(&mut self, row: u64, FieldError { field, message, .. }: FieldError) {
        self.count += 1;
        if self.listed.len() < MOST_ERRORS {
            self.listed.push(RowError { row, field, message });
        }
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

    /// All of it in a sentence; nothing if there are none.
    pub fn summary(&self) -> Option<String> {
        let RowError { row, field, message } = self.listed.first()?;
        let first = format!("row {row}, {field}: {message}");
        Some(match (self.count, self.listed.len()) {
            (1, _) => format!("The file has an error: {first}"),
            (count, listed) if listed as u64 == count => format!("The file has {count} errors, the first in {first}"),
            (count, listed) => {
                format!("The file has {count} errors, of which the first {listed} are listed; the first in {first}")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(rows: impl IntoIterator<Item = u64>) -> RowErrors {
        let mut errors = RowErrors::default();
        rows.into_iter().for_each(|row| errors.push(row, FieldError::new("f", "is wrong")));
        errors
    }

    #[test]
    fn the_first_hundred_by_row_are_listed_and_all_are_counted() {
        let mut all = errors((1..=150).map(|row| row * 2));
        all.merge(errors((0..60).map(|row| row * 2 + 1)));
        assert_eq!((all.count, all.listed.len()), (210, MOST_ERRORS));
        assert!(all.listed.is_sorted_by_key(|error| error.row));
        assert_eq!((all.listed[0].row, all.listed[99].row), (1, 100));
        assert!(all.summary().unwrap().starts_with("The file has 210 errors, of which the first 100 are listed; "));
        assert_eq!(errors([7]).summary().unwrap(), "The file has an error: row 7, f: is wrong");
        assert_eq!(errors([7, 8]).summary().unwrap(), "The file has 2 errors, the first in row 7, f: is wrong");
        assert_eq!(errors([]).summary(), None);
    }
}
