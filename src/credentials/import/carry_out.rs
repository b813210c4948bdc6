//! Computes the changes of a file's rows, and stores them.
//!
//! Stored values are opened, and new ones sealed, before the transaction begins, like those of single writes. Then the rows
//! are locked and looked at again. If somebody has written one of them meanwhile, all of it is done once more, with the rows
//! locked from the beginning; the data keys are in memory by then.

use std::collections::HashSet;

use tokio::task::yield_now;

use super::faults::{Column, RowError, RowErrors, RowFault};
use super::importable::{Found, Importable, Lock};
use super::report::Report;
use super::rows::Row;
use super::store::Stamp;
use super::{Imported, Mode, Progress};
use crate::context::Context;
use crate::error::Error;
use crate::idempotency::Request;
use crate::postgres::{is_deadlock, violates};
use crate::principal::Actor;
use crate::suppliers;
use crate::types::AccountId;
use crate::vault::SealBudget;
use crate::work::{Begun, Work};

/// Rows of one statement. Far from what the database takes in its time for one.
const BATCH: usize = 10_000;
/// Rows after which other tasks get their turn.
const AT_ONCE: usize = 256;
/// How often it is tried: without locks first, then with them, and once more if a supplier or an account's row has gone
/// meanwhile, or if the database had to end one of two transactions.
const ATTEMPTS: u32 = 3;
/// Most unknown suppliers for which the closest one is looked for.
const HINTS: usize = 10;

/// An import on its way.
pub(super) struct Import<'c, 'r, T> {
    pub context: &'c Context,
    pub actor: &'c Actor,
    pub account: AccountId,
    pub rows: &'r [Row<T>],
}

/// The changes to store, by the index of their row.
struct Plan<T: Importable> {
    changes: Vec<(usize, T::Change)>,
    report: Report,
}

impl<T: Importable> Plan<T> {
    /// Whether nothing is to be stored.
    fn is_over(&self) -> bool {
        !self.report.errors.is_empty() || self.changes.is_empty()
    }
}

/// The work done before the rows were locked.
enum Prepared<T: Importable> {
    /// All of it, by what was found then.
    Sealed { found: Found<T::Stored>, sealed: Vec<(usize, T::Sealed)>, report: Report },
    /// Only the data keys were fetched.
    Budget(SealBudget),
}

impl<'c, T: Importable> Import<'c, '_, T> {
    /// Does the import, or reports what is wrong with it.
    pub async fn run(
        &self,
        mode: Mode,
        request: Option<&Request>,
        progress: Progress<'_>,
    ) -> Result<Imported<'c>, Error> {
        let (found, plan) = self.look(progress).await?;
        if mode == Mode::DryRun {
            return Ok(Imported::Done(plan.report, None));
        }
        let mut prepared = self.prepare(found, plan).await?;
        let mut attempt = 1;
        loop {
            // Also if nothing changes: the request may have been carried out before.
            let mut work = match self.begin(request).await? {
                Begun::New(work) => work,
                Begun::Before(outcome) => return Ok(Imported::Before(outcome)),
            };
            let done = self.carry_out(&mut work, prepared, progress).await;
            let done = match done {
                Ok(Some(report)) if report.errors.is_empty() => return Ok(Imported::Done(report, Some(work))),
                done => done,
            };
            // Neither the next attempt nor the next request may meet the locks of this one.
            let taken_back = work.roll_back().await;
            match done {
                Ok(Some(report)) => return Ok(Imported::Done(report, None)),
                Ok(None) => {}
                Err(Error::Database(error)) if attempt < ATTEMPTS && passes(&error) => {}
                Err(error) => return Err(error),
            }
            taken_back?;
            attempt += 1;
            let most = self.rows.iter().map(|row| row.value.most_seals()).sum();
            let sealers = self.context.vault.seal_budget(most, self.account, self.context.clock.now()).await?;
            prepared = Prepared::Budget(sealers);
        }
    }

    async fn begin(&self, request: Option<&Request>) -> Result<Begun<'c>, Error> {
        match request {
            Some(request) => Work::begin_once(self.context, self.actor, self.account, request.clone()).await,
            None => Ok(Begun::New(Box::new(Work::begin(self.context, self.actor, self.account).await?))),
        }
    }

    /// Plans without locks.
    async fn look(&self, progress: Progress<'_>) -> Result<(Found<T::Stored>, Plan<T>), Error> {
        let mut transaction = self.context.read(self.account).await?;
        let found = T::find(&mut transaction, self.account, self.rows, Lock::No).await?;
        drop(transaction);
        let plan = self.plan(&found, progress).await?;
        Ok((found, plan))
    }

    async fn prepare(&self, found: Found<T::Stored>, plan: Plan<T>) -> Result<Prepared<T>, Error> {
        if plan.is_over() {
            return Ok(Prepared::Sealed { found, sealed: Vec::new(), report: plan.report });
        }
        let seals = plan.changes.iter().map(|(_, change)| T::seals(change)).sum();
        let mut sealers = self.context.vault.seal_budget(seals, self.account, self.context.clock.now()).await?;
        let sealed = self.seal(&plan.changes, &mut sealers).await?;
        Ok(Prepared::Sealed { found, sealed, report: plan.report })
    }

    /// Does what was prepared, or all of it, with the rows locked. Nothing if the rows are not those that it was prepared
    /// for.
    async fn carry_out(
        &self,
        work: &mut Work<'_>,
        prepared: Prepared<T>,
        progress: Progress<'_>,
    ) -> Result<Option<Report>, Error> {
        let (sealed, report) = match prepared {
            Prepared::Sealed { sealed, report, .. } if sealed.is_empty() => return Ok(Some(report)),
            Prepared::Sealed { found, sealed, report } => {
                if T::find(work, self.account, self.rows, Lock::Yes).await? != found {
                    return Ok(None);
                }
                (sealed, report)
            }
            Prepared::Budget(mut sealers) => {
                let found = T::find(work, self.account, self.rows, Lock::Yes).await?;
                let plan = self.plan(&found, progress).await?;
                if plan.is_over() {
                    return Ok(Some(plan.report));
                }
                (self.seal(&plan.changes, &mut sealers).await?, plan.report)
            }
        };
        self.store(work, report, sealed, progress).await.map(Some)
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
            match row.value.change(&self.context.vault, self.account, stored).await? {
                Ok(None) => report.unchanged += 1,
                Ok(Some(change)) => {
                    let is_new = stored.is_none();
                    report.created += u64::from(is_new);
                    report.updated += u64::from(!is_new);
                    changes.push((index, change));
                }
                Err(missing) => {
                    for missing in missing {
                        let column = Column::of_half(missing.environment, missing.half);
                        let fault = RowFault::HalfPair(missing);
                        report.errors.push(RowError { row: row.line, column: Some(column), fault });
                    }
                }
            }
        }
        progress("rows compared", self.rows.len() as u64, self.rows.len() as u64);
        report.errors.merge(self.refused(&groundless).await?);
        Ok(Plan { changes, report })
    }

    /// The errors of rows without ground. The first ones name the supplier that was perhaps meant.
    async fn refused(&self, rows: &[&Row<T>]) -> Result<RowErrors, Error> {
        let mut errors = RowErrors::default();
        if rows.is_empty() {
            return Ok(errors);
        }
        let mut connection = self.context.read(self.account).await?;
        for (index, row) in rows.iter().enumerate() {
            let hint = match index {
                ..HINTS => suppliers::hint(&mut connection, row.value.supplier().as_str()).await?,
                _ => None,
            };
            let fault = RowFault::NotFound { what: T::GROUND, hint };
            errors.push(RowError { row: row.line, column: Some(Column::SupplierCode), fault });
        }
        Ok(errors)
    }

    async fn seal(
        &self,
        changes: &[(usize, T::Change)],
        sealers: &mut SealBudget,
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

    /// Stores all changes with their events.
    async fn store(
        &self,
        work: &mut Work<'_>,
        mut report: Report,
        mut sealed: Vec<(usize, T::Sealed)>,
        progress: Progress<'_>,
    ) -> Result<Report, Error> {
        let total = sealed.len() as u64;
        work.announce_bundles().await?;
        sealed.sort_unstable_by_key(|(index, _)| self.rows[*index].value.key());
        let (mut created, stamp) = (HashSet::new(), Stamp { by: self.actor.name(), at: work.now() });
        for (number, part) in sealed.chunks(BATCH).enumerate() {
            progress("rows stored", (number * BATCH) as u64, total);
            let rows: Vec<_> = part.iter().map(|(index, sealed)| (&self.rows[*index].value, sealed)).collect();
            created.extend(T::store(work, self.account, &rows, stamp).await?);
        }
        let filled = sealed.iter().map(|(index, sealed)| {
            let row = &self.rows[*index].value;
            (row.supplier(), row.fills(sealed))
        });
        work.fill_many(filled).await?;
        // In the order of the file, as single writes would have left them.
        sealed.sort_unstable_by_key(|(index, _)| *index);
        for (index, _) in &sealed {
            let row = &self.rows[*index].value;
            work.record(row.event(created.contains(&row.key())));
        }
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
