//! Import a file of credentials: very many rows at once, all or nothing.
//!
//! - [`records`] and [`rows`]: the rows of the file, before any look at the database.
//! - [`carry_out`]: what it changes, and how that is stored, for rows of either kind.
//! - [`importable`], [`base`] and [`service`]: the two kinds, and what they have in common.

mod base;
mod carry_out;
mod faults;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod importable;
mod records;
mod report;
mod rows;
mod service;
mod store;

use secrecy::ExposeSecret;
use secrecy::SecretSlice;

pub use faults::{Column, MOST_ERRORS, RowError, RowErrors, RowFault};
pub use records::MalformedRecord;
pub use report::Report;

use crate::background;
use crate::context::Context;
use crate::error::{self, Error};
use crate::idempotency::{Request, StoredAnswer};
use crate::principal::Actor;
use crate::types::AccountId;
use crate::work::Work;
use carry_out::Import;
use rows::{Parsed, Rows};

/// Largest file, in bytes.
pub const MOST_BYTES: usize = 10 << 20;

/// Columns of a file of base credentials.
pub const BASE_COLUMNS: [Column; 5] = rows::BASE;
/// Columns of a file of service credentials.
pub const SERVICE_COLUMNS: [Column; 5] = rows::SERVICE;

/// How an import is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Store the rows of the file.
    Store,
    /// Only report what storing it would do. Nothing is changed, not even counted.
    DryRun,
}

/// How far an import is: what was done with how many rows, and of how many.
pub type Progress<'a> = &'a mut (dyn FnMut(&'static str, u64, u64) + Send);

/// The outcome of an import.
pub enum Imported<'a> {
    /// The report, with the work to be committed, also if nothing changes. There is no work for a dry run, or if something
    /// is wrong with the file.
    Done(Report, Option<Box<Work<'a>>>),
    /// The request was carried out before, with this outcome.
    Before(StoredAnswer),
}

/// Stores the rows of a file, or reports its errors: the same rules as for single writes, one audit event for each
/// row that changes, and all of it or nothing. Rows that equal what is stored change nothing.
///
/// The work is begun here, up to three times, because stored values are opened and new ones sealed before it begins.
pub async fn import<'a>(
    context: &'a Context,
    actor: &'a Actor,
    account: AccountId,
    file: SecretSlice<u8>,
    mode: Mode,
    request: Option<&Request>,
    progress: Progress<'_>,
) -> Result<Imported<'a>, Error> {
    // Ten mebibytes take too long to stand in the way of other requests.
    let parsed = background::spawn_blocking(move |abandoned| rows::parse(file.expose_secret(), abandoned)).await;
    let Parsed { count, rows, errors } = parsed.map_err(error::stopped)?;
    let mode = if errors.is_empty() { mode } else { Mode::DryRun };
    let imported = match rows {
        Rows::Base(rows) => Import { context, actor, account, rows: &rows }.run(mode, request, progress).await?,
        Rows::Service(rows) => Import { context, actor, account, rows: &rows }.run(mode, request, progress).await?,
    };
    let Imported::Done(mut report, work) = imported else { return Ok(imported) };
    report.rows = count;
    report.errors.merge(errors);
    if !report.errors.is_empty() {
        (report.created, report.updated, report.unchanged) = (0, 0, 0);
    }
    Ok(Imported::Done(report, work))
}
