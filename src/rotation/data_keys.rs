//! `credenza keys rotate-data`: a new data key for each account, and every value sealed anew under it.
//!
//! The old data keys stay: a writer that was under way may still use one, and so may a restored row.

use std::collections::HashMap;

use secrecy::ExposeSecret;

use super::{Fault, Page, Progress, Scope, count_rows, each_table, open, page, store};
use crate::audit::{Action, Event};
use crate::context::Context;
use crate::credentials::{BasePairs, ServicePasswords};
use crate::error::Error;
use crate::oauth::SigningKeys;
use crate::postgres::Tenant;
use crate::principal::Actor;
use crate::suppliers::DefaultPairs;
use crate::types::{AccountId, Environment};
use crate::vault::{DataKeys, Resealed, Sealed, SealedRow, SealedTable};
use crate::work::Work;

/// How many accounts get a new data key at once.
const ACCOUNTS: i64 = 1000;

/// The counts of a rotation.
#[derive(Debug, Default)]
pub struct Rotated {
    /// How many accounts got a new data key.
    pub accounts: u64,
    /// How many rows were sealed anew.
    pub rows: u64,
    /// How many values these hold.
    pub values: u64,
    /// Whether it went on with a rotation that was interrupted.
    pub resumed: bool,
    /// The values that do not open, and were left as they are.
    pub faults: Vec<Fault>,
}

/// Gives new data keys and seals every value under them. Can be stopped at any point and begun again: it goes on where it
/// was.
pub async fn rotate_data(
    context: &Context,
    scope: Scope,
    mut progress: impl FnMut(Progress<'_>) + Send,
) -> Result<Rotated, Error> {
    let now = context.clock.now();
    let only = match scope {
        Scope::Account(account) => Some(account),
        Scope::Every => None,
    };
    let mut change = context.cluster.begin(Tenant::Every).await?;
    let run = store::begin_rotation(&mut change, only, now).await?;
    change.commit().await?;

    let mut rotated = Rotated { resumed: run.started_at < now, ..Rotated::default() };
    let span = scope.span(None);
    let mut after = AccountId(span.first.0 - 1);
    loop {
        let accounts = context.vault.accounts((after, span.last), ACCOUNTS).await?;
        let Some(last) = accounts.last() else { break };
        after = *last;
        rotated.accounts += context.vault.renew(&accounts, run.started_at, context.clock.now()).await? as u64;
    }

    loop {
        let mut pass = Pass { context, scope, done: 0, total: count_rows(context, scope).await?, stale: 0 };
        rotated.faults.clear();
        each_table!(table => pass.reseal(table, &mut rotated, &mut progress).await?);
        // What somebody sealed under an old data key behind the page that we were at is found by the next pass.
        if pass.stale == 0 {
            break;
        }
    }

    let operator = Actor::operator();
    let mut work = Work::begin(context, &operator, Tenant::Every).await?;
    let now = work.now();
    store::finish_rotation(&mut work, &run, now).await?;
    if let Some(account) = only {
        work.go_on_for(account).await?;
    }
    work.record(Event::new(Action::DataKeysRotated));
    work.commit(None).await?;
    Ok(rotated)
}

/// One way through all tables.
struct Pass<'a> {
    context: &'a Context,
    scope: Scope,
    done: u64,
    total: u64,
    /// Rows that were sealed under an old data key, and opened.
    stale: u64,
}

impl Pass<'_> {
    async fn reseal(
        &mut self,
        table: &impl SealedTable,
        rotated: &mut Rotated,
        progress: &mut (impl FnMut(Progress<'_>) + Send),
    ) -> Result<(), Error> {
        let mut after: Option<SealedRow> = None;
        loop {
            let Page { rows, keys } = page(self.context, table, self.scope, after.as_ref()).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = Some(last.clone());
            self.done += rows.len() as u64;
            let (mut resealed, mut seals) = (Vec::new(), HashMap::new());
            for row in rows.into_iter().filter(|row| !is_current(row, &keys)) {
                match reseal_row(table, &row, &keys)? {
                    Ok(sealed) => {
                        *seals.entry(row.account).or_insert(0_u64) += sealed.len() as u64;
                        resealed.push(Resealed { row, sealed });
                    }
                    Err(fault) => rotated.faults.push(fault),
                }
            }
            if !resealed.is_empty() {
                self.stale += resealed.len() as u64;
                let mut change = self.context.cluster.begin(Tenant::Every).await?;
                let replaced = table.replace(&mut change, &resealed).await?;
                self.context.vault.count_seals(&mut change, &keys, &seals).await?;
                change.commit().await?;
                rotated.rows += replaced;
                rotated.values += replaced * table.columns().len() as u64;
            }
            progress(Progress { what: "rows", done: self.done.min(self.total), total: self.total });
        }
    }
}

/// Whether every value of the row is sealed under the account's newest data key.
fn is_current(row: &SealedRow, keys: &DataKeys) -> bool {
    let is_newest =
        |bytes: &Vec<u8>| Sealed::parse(bytes.clone()).is_ok_and(|sealed| keys.is_newest(row.account, &sealed));
    row.sealed.iter().all(is_newest)
}

/// New seals for a row's values. The inner error is a value that does not open.
fn reseal_row(table: &impl SealedTable, row: &SealedRow, keys: &DataKeys) -> Result<Result<Vec<Sealed>, Fault>, Error> {
    let texts = match open(table, row, keys) {
        Ok(texts) => texts,
        Err((index, why)) => return Ok(Err(Fault::of_row(table, row, index, why))),
    };
    let mut sealed = Vec::with_capacity(texts.len());
    for (index, (text, binding)) in texts.iter().enumerate() {
        match keys.seal(row.account, text.expose_secret(), binding)? {
            Ok(seal) => sealed.push(seal),
            Err(why) => return Ok(Err(Fault::of_row(table, row, index, why))),
        }
    }
    Ok(Ok(sealed))
}
