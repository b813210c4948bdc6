//! Sealed values as those see them who go through all of them: to verify, to seal anew. Which tables there are, and what
//! their values are bound to, is the business of the modules that own them.

use secrecy::SecretString;
use sqlx::PgConnection;

use super::{Binding, OpenError, Sealed};
use crate::types::AccountId;

/// A row with sealed values that belong together, such as a user name and its password.
#[derive(Clone)]
pub struct SealedRow {
    /// The account whose data key sealed it.
    pub account: AccountId,
    /// The rest of the primary key.
    pub key: Vec<String>,
    /// A column in clear that belongs to the sealed ones: bound into a seal, or derived from what is sealed. Empty if there
    /// is no such thing.
    pub clear: String,
    /// The sealed columns as they are stored, in the table's order. Empty where a column that should be there is null.
    pub sealed: Vec<Vec<u8>>,
}

/// New seals for a row.
pub struct Resealed {
    /// The row as it was read.
    pub row: SealedRow,
    /// The new values of its sealed columns, in the table's order.
    pub sealed: Vec<Sealed>,
}

/// Which rows of a table: those after a position, up to an account.
pub struct Span<'a> {
    /// The first account.
    pub first: AccountId,
    /// The last account.
    pub last: AccountId,
    /// The row after which to go on; none to begin.
    pub after: Option<&'a SealedRow>,
}

impl Span<'_> {
    /// The account and the rest of the primary key, of `parts` parts, after which to read. No part of a real key is
    /// empty, so the first position stands before every row.
    pub fn position(&self, parts: usize) -> (AccountId, Vec<&str>) {
        match self.after {
            Some(row) => (row.account, row.key.iter().map(String::as_str).collect()),
            None => (self.first, vec![""; parts]),
        }
    }
}

/// Returns one value of each row, to be bound as one parameter.
pub fn column<T>(rows: &[Resealed], value: impl Fn(&Resealed) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// A table, or a part of one, with sealed columns.
pub trait SealedTable: Sync {
    /// Its name, and the part of it, for people.
    fn name(&self) -> &'static str;

    /// The sealed columns, in the order in which they open: a later one may be bound to what an earlier one holds.
    fn columns(&self) -> &'static [&'static str];

    /// The binding of the column of this index, when those before it contain `opened`.
    fn binding(&self, row: &SealedRow, index: usize, opened: &[SecretString]) -> Result<Binding, OpenError>;

    /// Names a column in clear that differs from its row's opened values.
    fn misstated(&self, _row: &SealedRow, _opened: &[SecretString]) -> Option<&'static str> {
        None
    }

    /// How many rows there are in all, of these accounts.
    fn count(
        &self,
        connection: &mut PgConnection,
        span: &Span<'_>,
    ) -> impl Future<Output = Result<i64, sqlx::Error>> + Send;

    /// A page of rows, by primary key.
    fn page(
        &self,
        connection: &mut PgConnection,
        span: &Span<'_>,
        limit: i64,
    ) -> impl Future<Output = Result<Vec<SealedRow>, sqlx::Error>> + Send;

    /// Stores new seals in the rows that still hold the old ones; how many did. A row written meanwhile wins.
    fn replace(
        &self,
        connection: &mut PgConnection,
        rows: &[Resealed],
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;
}
