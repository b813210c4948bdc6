//! Import a file of credentials: very many rows at once, all or nothing.
//!
//! - [`records`] and [`rows`]: what the file says, without asking anybody.
//! - [`work`]: what it changes, and how that is stored, for rows of either kind.
//! - [`importable`], [`base`] and [`service`]: the two kinds, and what they have in common.

mod base;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod importable;
mod records;
mod report;
mod rows;
mod service;
mod store;
mod work;

use secrecy::ExposeSecret;
use secrecy::SecretSlice;
use tokio::task::spawn_blocking;

pub use report::{MOST_ERRORS, Report, RowError, RowErrors};

use crate::cluster::Change;
use crate::context::Context;
use crate::error::Error;
use crate::principal::Actor;
use crate::types::AccountId;
use rows::{Parsed, Rows};
use work::Import;

/// Largest file, in bytes.
pub const MOST_BYTES: usize = 10 << 20;

/// Columns of a file of base credentials.
pub const BASE_COLUMNS: [&str; 5] = rows::BASE;
/// Columns of a file of service credentials.
pub const SERVICE_COLUMNS: [&str; 5] = rows::SERVICE;

/// How an import is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Store what the file says.
    Store,
    /// Only tell what storing it would do. Nothing is changed, not even counted.
    DryRun,
}

/// How far an import is: what was done with how many rows, and of how many.
pub type Progress<'a> = &'a mut (dyn FnMut(&'static str, u64, u64) + Send);

/// Stores what a file says, or tells what is wrong with it: the same rules as for single writes, one audit event for each
/// row that changes, and all of it or nothing. Rows that say what is stored already change nothing.
///
/// It begins where the caller says, up to three times, and hands over what the caller is to commit, also if nothing changes;
/// nothing is handed over for a dry run, or if something is wrong with the file.
///
/// # Errors
/// What `begin` says, and what is not about the file; what is wrong with that is in the report.
pub async fn import<B, W, E>(
    context: &Context,
    actor: &Actor,
    account: AccountId,
    file: SecretSlice<u8>,
    mode: Mode,
    begin: impl Fn() -> B,
    progress: Progress<'_>,
) -> Result<(Report, Option<W>), E>
where
    B: Future<Output = Result<W, E>>,
    W: AsMut<Change> + Into<Change>,
    E: From<Error>,
{
    // Ten mebibytes take too long to stand in the way of other requests.
    let parsed = spawn_blocking(move || rows::parse(file.expose_secret())).await;
    let Parsed { count, rows, errors } = parsed.map_err(|stopped| match stopped.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        // Only a runtime that is shutting down cancels the task.
        Err(_cancelled) => Error::Unavailable(sqlx::Error::PoolClosed),
    })?;
    let now = context.clock.now();
    let mode = if errors.is_empty() { mode } else { Mode::DryRun };
    let (mut report, work) = match rows {
        Rows::Base(rows) => Import { context, actor, account, rows: &rows, now }.run(mode, begin, progress).await?,
        Rows::Service(rows) => Import { context, actor, account, rows: &rows, now }.run(mode, begin, progress).await?,
    };
    report.rows = count;
    report.errors.merge(errors);
    if !report.errors.is_empty() {
        (report.created, report.updated, report.unchanged) = (0, 0, 0);
    }
    Ok((report, work))
}
