//! `credenza verify`: opens everything that is sealed. Reads only, in batches, while the service works.

use serde::Serialize;

use super::{BATCH, Fault, Page, Progress, Scope, count_rows, each_table, open, page};
use crate::context::Context;
use crate::credentials::{BasePairs, ServicePasswords};
use crate::error::Error;
use crate::oauth::SigningKeys;
use crate::postgres::snapshot;
use crate::rights;
use crate::suppliers::DefaultPairs;
use crate::types::Environment;
use crate::vault::{DataKeyId, SealedRow};

/// The counts and the faults of a verification.
#[derive(Debug, Default, Serialize)]
pub struct Verified {
    /// Data keys that there are.
    pub data_keys: u64,
    /// Sealed values that there are.
    pub values: u64,
    /// The values that do not open.
    pub faults: Vec<Fault>,
}

/// Unwraps every data key and opens every value.
pub async fn verify(context: &Context, mut progress: impl FnMut(Progress<'_>) + Send) -> Result<Verified, Error> {
    let mut verified = Verified::default();
    let total = context.vault.count_data_keys().await?.cast_unsigned();
    let mut after = DataKeyId::BEFORE_ALL;
    loop {
        let keys = context.vault.try_page(after, BATCH).await?;
        let Some((last, _)) = keys.last() else { break };
        after = *last;
        verified.data_keys += keys.len() as u64;
        verified.faults.extend(keys.iter().filter_map(|(id, key)| Some(Fault::of_data_key(*id, key.err()?))));
        progress(Progress { what: "data keys", done: verified.data_keys.min(total), total });
    }
    let total = count_rows(context, Scope::Every).await?;
    let mut done = 0;
    each_table!(table => {
        let mut after: Option<SealedRow> = None;
        loop {
            let Page { rows, keys } = page(context, table, Scope::Every, after.as_ref()).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.clone());
            done += rows.len() as u64;
            for row in &rows {
                verified.values += row.sealed.len() as u64;
                match open(table, row, &keys) {
                    Ok(opened) => {
                        let texts: Vec<_> = opened.into_iter().map(|(text, _)| text).collect();
                        verified.faults.extend(Fault::of_misstatement(table, row, &texts));
                    }
                    Err((index, why)) => verified.faults.push(Fault::of_row(table, row, index, why)),
                }
            }
            progress(Progress { what: "rows", done: done.min(total), total });
        }
    });
    let mut transaction = snapshot(&context.pool).await?;
    let rows = rights::find_unauthentic(&mut transaction, &context.pepper).await?;
    verified.faults.extend(rows.into_iter().map(Fault::of_unauthentic));
    let places = rights::find_emptied(&mut transaction, &context.pepper).await?;
    verified.faults.extend(places.into_iter().map(Fault::of_emptied));
    Ok(verified)
}
