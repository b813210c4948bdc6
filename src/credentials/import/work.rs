//! What the rows of a file change, and how that is stored.
//!
//! Stored values are opened, and new ones sealed, before the transaction begins, like those of single writes. Then the rows
//! are locked and looked at again. If somebody has written one of them meanwhile, all of it is done once more, with the rows
//! locked from the beginning; the data keys are in memory by then.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use tokio::task::yield_now;

use super::report::{Report, RowErrors};
use super::rows::{Key, Keyed, Row};
use super::store::{Placed, Stamp};
use super::{Mode, Progress};
use crate::audit::{self, Event};
use crate::cluster::Change;
use crate::core::Core;
use crate::error::{Error, FieldError, Missing, SealError};
use crate::postgres::{is_deadlock, violates};
use crate::principal::Actor;
use crate::suppliers;
use crate::types::{AccountId, SupplierCode};
use crate::vault::{Sealers, Vault};

/// Rows of one statement. Far from what the database takes in its time for one.
const BATCH: usize = 10_000;
/// Rows after which other tasks get their turn.
const AT_ONCE: usize = 256;
/// How often it is tried: without locks first, then with them, and once more if a supplier or an account's row has gone
/// meanwhile, or if the database had to end one of two transactions.
const ATTEMPTS: u32 = 3;
/// Most unknown suppliers for which the closest one is looked for.
const HINTS: usize = 10;
/// The field of errors about the supplier.
const SUPPLIER: &str = "supplier_code";

/// Whether the rows that are read stay as they are until the end of the transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lock {
    No,
    Yes,
}

/// What there is for each row of a file.
#[derive(PartialEq)]
pub(super) struct Found<S> {
    /// Whether there is what it rests on: its supplier, or its base credentials.
    pub has_ground: Vec<bool>,
    /// What is stored.
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
    /// What is to be sealed.
    type Change: Send + Sync;
    /// The same, sealed.
    type Sealed: Send + Sync;
    /// What is missing when a row has no ground.
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

    /// What the row changes; nothing if it says what is stored. The inner error is about its fields.
    fn change(
        &self,
        vault: &Vault,
        account: AccountId,
        stored: Option<&Self::Stored>,
    ) -> impl Future<Output = Result<Result<Option<Self::Change>, Vec<FieldError>>, Error>> + Send;

    /// How many seals a change takes.
    fn seals(change: &Self::Change) -> u64;

    /// Most seals that any change of the row takes.
    fn most_seals(&self) -> u64;

    /// Seals a change.
    fn seal(&self, change: &Self::Change, sealers: &mut Sealers) -> Result<Self::Sealed, SealError>;

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

/// Whether a stored value does not open, perhaps by a load that several callers shared.
pub(super) fn is_unreadable(error: &Error) -> bool {
    match error {
        Error::Unreadable(_) => true,
        Error::Shared(error) => is_unreadable(error),
        _ => false,
    }
}

/// An import on its way.
pub(super) struct Import<'a, T> {
    pub core: &'a Core,
    pub actor: &'a Actor,
    pub account: AccountId,
    pub rows: &'a [Row<T>],
    pub now: DateTime<Utc>,
}

/// What is to be done: changes by the index of their row.
struct Plan<T: Importable> {
    changes: Vec<(usize, T::Change)>,
    report: Report,
}

impl<T: Importable> Import<'_, T> {
    pub async fn run(&self, mode: Mode, progress: Progress<'_>) -> Result<Report, Error> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let done = match attempt {
                1 => self.without_locks(mode, progress).await,
                _ => self.under_locks(progress).await.map(Some),
            };
            match done {
                Ok(Some(report)) => return Ok(report),
                Ok(None) => {}
                Err(Error::Database(error)) if attempt < ATTEMPTS && passes(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Plans and seals before the transaction. Nothing if the rows are others by the time that they are locked.
    async fn without_locks(&self, mode: Mode, progress: Progress<'_>) -> Result<Option<Report>, Error> {
        let mut transaction = self.core.read(self.account).await?;
        let found = T::find(&mut transaction, self.account, self.rows, Lock::No).await?;
        drop(transaction);
        let plan = self.plan(&found, progress).await?;
        if mode == Mode::DryRun || !plan.report.errors.is_empty() || plan.changes.is_empty() {
            return Ok(Some(plan.report));
        }
        let seals = plan.changes.iter().map(|(_, change)| T::seals(change)).sum();
        let mut sealers = self.core.vault.sealers(seals, self.account, self.now).await?;
        let sealed = self.seal(&plan.changes, &mut sealers).await?;
        let mut change = self.core.cluster.begin(self.account).await?;
        if T::find(&mut change, self.account, self.rows, Lock::Yes).await? != found {
            return Ok(None);
        }
        self.store(change, plan.report, sealed, progress).await.map(Some)
    }

    /// Locks the rows, and plans and seals then.
    async fn under_locks(&self, progress: Progress<'_>) -> Result<Report, Error> {
        let most = self.rows.iter().map(|row| row.value.most_seals()).sum();
        let mut sealers = self.core.vault.sealers(most, self.account, self.now).await?;
        let mut change = self.core.cluster.begin(self.account).await?;
        let found = T::find(&mut change, self.account, self.rows, Lock::Yes).await?;
        let plan = self.plan(&found, progress).await?;
        if !plan.report.errors.is_empty() || plan.changes.is_empty() {
            return Ok(plan.report);
        }
        let sealed = self.seal(&plan.changes, &mut sealers).await?;
        self.store(change, plan.report, sealed, progress).await
    }

    /// Compares every row with what is stored.
    async fn plan(&self, found: &Found<T::Stored>, progress: Progress<'_>) -> Result<Plan<T>, Error> {
        let (mut changes, mut report, mut groundless) = (Vec::new(), Report::default(), Vec::new());
        for (index, row) in self.rows.iter().enumerate() {
            if index % AT_ONCE == 0 {
                yield_now().await;
                progress("rows compared", index as u64, self.rows.len() as u64);
            }
            if !found.has_ground[index] {
                groundless.push(row);
                continue;
            }
            let stored = found.stored[index].as_ref();
            match row.value.change(&self.core.vault, self.account, stored).await? {
                Ok(None) => report.unchanged += 1,
                Ok(Some(change)) => {
                    let is_new = stored.is_none();
                    report.created += u64::from(is_new);
                    report.updated += u64::from(!is_new);
                    changes.push((index, change));
                }
                Err(wrong) => wrong.into_iter().for_each(|field| report.errors.push(row.line, field)),
            }
        }
        progress("rows compared", self.rows.len() as u64, self.rows.len() as u64);
        report.errors.merge(self.refused(&groundless).await?);
        Ok(Plan { changes, report })
    }

    /// The errors of rows without ground. The first ones say which supplier was perhaps meant.
    async fn refused(&self, rows: &[&Row<T>]) -> Result<RowErrors, Error> {
        let mut errors = RowErrors::default();
        if rows.is_empty() {
            return Ok(errors);
        }
        let mut connection = self.core.read(self.account).await?;
        for (index, row) in rows.iter().enumerate() {
            let hint = match index {
                ..HINTS => suppliers::hint(&mut connection, row.value.supplier().as_str()).await?,
                _ => None,
            };
            let sentence = Error::NotFound { what: T::GROUND, hint }.to_string();
            errors.push(row.line, FieldError::new(SUPPLIER, sentence));
        }
        Ok(errors)
    }

    async fn seal(
        &self,
        changes: &[(usize, T::Change)],
        sealers: &mut Sealers,
    ) -> Result<Vec<(usize, T::Sealed)>, Error> {
        let mut sealed = Vec::with_capacity(changes.len());
        for part in changes.chunks(AT_ONCE) {
            yield_now().await;
            for (index, change) in part {
                sealed.push((*index, self.rows[*index].value.seal(change, sealers)?));
            }
        }
        Ok(sealed)
    }

    /// Stores all changes with their events, and commits.
    async fn store(
        &self,
        mut change: Change,
        mut report: Report,
        mut sealed: Vec<(usize, T::Sealed)>,
        progress: Progress<'_>,
    ) -> Result<Report, Error> {
        let total = sealed.len() as u64;
        change.announce_bundles(self.account).await?;
        sealed.sort_unstable_by_key(|(index, _)| self.rows[*index].value.key());
        let (mut created, stamp) = (HashSet::new(), Stamp { by: self.actor.name(), at: self.now });
        for (number, part) in sealed.chunks(BATCH).enumerate() {
            progress("rows stored", (number * BATCH) as u64, total);
            let rows: Vec<_> = part.iter().map(|(index, sealed)| (&self.rows[*index].value, sealed)).collect();
            created.extend(T::store(&mut change, self.account, &rows, stamp).await?);
        }
        // In the order of the file, as single writes would have left them.
        sealed.sort_unstable_by_key(|(index, _)| *index);
        for part in sealed.chunks(BATCH) {
            let event = |(index, _): &(usize, T::Sealed)| {
                let row = &self.rows[*index].value;
                row.event(created.contains(&row.key()))
            };
            let events: Vec<_> = part.iter().map(event).collect();
            audit::record(&mut change, &self.core.audit_key, self.account, self.actor, self.now, &events).await?;
        }
        change.commit().await?;
        progress("rows stored", total, total);
        // A row may have been made by somebody else just before it was made here.
        report.created = created.len() as u64;
        report.updated = total - report.created;
        Ok(report)
    }
}

/// Whether another attempt finds what this one stumbled over, or nothing at all.
fn passes(error: &sqlx::Error) -> bool {
    const GONE: [&str; 2] = ["supplier_credentials_supplier_fkey", "service_credentials_parent_fkey"];
    is_deadlock(error) || GONE.iter().any(|constraint| violates(error, constraint))
}
