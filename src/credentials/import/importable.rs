//! The common interface of the two kinds of rows of an import.

use sqlx::PgConnection;

use super::rows::{Key, Keyed, Row};
use super::store::{Placed, Stamp};
use crate::audit::Event;
use crate::error::{Error, Missing, MissingHalf, SealError};
use crate::rights::Places;
use crate::types::{AccountId, SupplierCode};
use crate::vault::{SealBudget, Vault};

/// Whether the rows that are read stay as they are until the end of the transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    No,
    Yes,
}

/// The stored state for each row of a file.
#[derive(PartialEq)]
pub(super) struct Found<S> {
    /// Whether there is what it rests on: its supplier, or its base credentials.
    pub has_ground: Vec<bool>,
    /// The stored values.
    pub stored: Vec<Option<S>>,
}

impl<S> Found<S> {
    /// Puts what was found at its positions, which count from 1.
    pub fn new(rows: usize, grounds: Vec<i64>, found: Vec<Placed<S>>) -> Self {
        let index = |position: i64| usize::try_from(position - 1).ok().filter(|index| *index < rows);
        let mut has_ground = vec![false; rows];
        grounds.into_iter().filter_map(index).for_each(|index| has_ground[index] = true);
        let mut stored: Vec<_> = std::iter::repeat_with(|| None).take(rows).collect();
        for Placed { position, columns } in found {
            if let Some(index) = index(position) {
                stored[index] = Some(columns);
            }
        }
        Self { has_ground, stored }
    }
}

/// A row that can be imported: of one of the two kinds.
pub(super) trait Importable: Keyed + Sized + Sync {
    /// The row as it is stored.
    type Stored: PartialEq + Send + Sync;
    /// The values to seal.
    type Change: Send + Sync;
    /// The same, sealed.
    type Sealed: Send + Sync;
    /// The error of a row without its parent.
    const GROUND: Missing;

    /// The supplier.
    fn supplier(&self) -> &SupplierCode;

    /// Looks for what there is for each row.
    fn find(
        connection: &mut PgConnection,
        account: AccountId,
        rows: &[Row<Self>],
        lock: Lock,
    ) -> impl Future<Output = Result<Found<Self::Stored>, sqlx::Error>> + Send;

    /// The change that the row makes; none if it equals the stored one. The inner error
    /// is the halves that its pairs lack.
    fn change(
        &self,
        vault: &Vault,
        account: AccountId,
        stored: Option<&Self::Stored>,
    ) -> impl Future<Output = Result<Result<Option<Self::Change>, Vec<MissingHalf>>, Error>> + Send;

    /// The places that a change fills.
    fn fills(&self, change: &Self::Sealed) -> Places;

    /// How many seals a change takes.
    fn seals(change: &Self::Change) -> u64;

    /// Most seals that any change of the row takes.
    fn most_seals(&self) -> u64;

    /// Seals a change.
    fn seal(&self, change: &Self::Change, sealers: &mut SealBudget) -> Result<Self::Sealed, SealError>;

    /// Stores changes; the keys of the rows that they created.
    fn store(
        connection: &mut PgConnection,
        account: AccountId,
        changes: &[(&Self, &Self::Sealed)],
        stamp: Stamp<'_>,
    ) -> impl Future<Output = Result<Vec<Key>, sqlx::Error>> + Send;

    /// The event of a change.
    fn event(&self, is_new: bool) -> Event;
}

/// Whether a stored value does not open.
pub(super) fn is_unreadable(error: &Error) -> bool {
    error.unreadable().is_some()
}
