//! Through everything that is sealed: from one key-encryption key to another, from old data keys to new ones, and to see
//! whether it opens. All of it while the service works, in batches, and so that it can be killed anywhere and run again.
//!
//! Which tables there are, and what their values are bound to, is defined by the modules that own them; this one goes
//! through their [`SealedTable`](crate::vault::SealedTable)s.

mod data_keys;
mod rewrap;
mod store;
mod verify;

use secrecy::SecretString;
use serde::Serialize;

pub use data_keys::{Rotated, rotate_data};
pub use rewrap::rewrap;
pub use verify::{Verified, verify};

use crate::context::Context;
use crate::credentials::{BasePairs, ServicePasswords};
use crate::error::{Error, OpenError};
use crate::oauth::SigningKeys;
use crate::postgres::{Tenant, snapshot};
use crate::rights::{Emptied, Unauthentic};
use crate::suppliers::DefaultPairs;
use crate::types::{AccountId, Environment};
use crate::vault::{Binding, DataKeyId, DataKeys, Sealed, SealedRow, SealedTable, Span};

/// Rows that are read, and written, at once.
const BATCH: i64 = 1000;

/// Does something with every table that has sealed values. A new one is added here, and nowhere else.
macro_rules! each_table {
    ($table:ident => $work:expr) => {{
        each_table!(@ BasePairs(Environment::Staging), $table, $work);
        each_table!(@ BasePairs(Environment::Production), $table, $work);
        each_table!(@ ServicePasswords, $table, $work);
        each_table!(@ DefaultPairs, $table, $work);
        each_table!(@ SigningKeys, $table, $work);
    }};
    (@ $each:expr, $table:ident, $work:expr) => {{
        let $table = &$each;
        $work;
    }};
}
use each_table;

/// The account of the values.
#[derive(Clone, Copy, Debug)]
pub enum Scope {
    /// Those of one account, which may be the operator's.
    Account(AccountId),
    /// Those of every account, the operator's among them.
    Every,
}

impl Scope {
    fn span(self, after: Option<&SealedRow>) -> Span<'_> {
        let (first, last) = match self {
            Scope::Account(account) => (account, account),
            Scope::Every => (AccountId(0), AccountId(i64::MAX)),
        };
        Span { first, last, after }
    }
}

/// How far something is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// With what.
    pub what: &'a str,
    /// How many of them are done.
    pub done: u64,
    /// How many there were at the beginning. Others may be added meanwhile.
    pub total: u64,
}

/// Something that does not open. Names the place, never a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The table.
    pub table: &'static str,
    /// The account of the row.
    pub account: AccountId,
    /// The rest of the row's key.
    pub key: Vec<String>,
    /// The column.
    pub column: &'static str,
    /// The error.
    pub why: String,
}

impl Fault {
    fn of_row(table: &impl SealedTable, row: &SealedRow, index: usize, why: OpenError) -> Self {
        Self {
            table: table.name(),
            account: row.account,
            key: row.key.clone(),
            column: table.columns()[index],
            why: why.to_string(),
        }
    }

    fn of_misstatement(table: &impl SealedTable, row: &SealedRow, opened: &[SecretString]) -> Option<Self> {
        let column = table.misstated(row, opened)?;
        let why = "is not what follows from what is sealed".to_owned();
        Some(Self { table: table.name(), account: row.account, key: row.key.clone(), column, why })
    }

    fn of_unauthentic(row: Unauthentic) -> Self {
        let why = "the row is not as it was authenticated, and gives no right".to_owned();
        let key = if row.key.is_empty() { vec![] } else { vec![row.key] };
        Self { table: row.table, account: row.account, key, column: "mac", why }
    }

    fn of_emptied(place: Emptied) -> Self {
        let (table, column, service) = match (place.service, place.environment) {
            (None, Environment::Staging) => ("supplier_credentials", "staging_password", vec![]),
            (None, Environment::Production) => ("supplier_credentials", "production_password", vec![]),
            (Some(service), environment) => {
                ("service_credentials", "password", vec![service.as_str().to_owned(), environment.as_str().to_owned()])
            }
        };
        let key = [vec![place.supplier], service].concat();
        Self { table, account: place.account, key, column, why: OpenError::Missing.to_string() }
    }

    fn of_data_key(id: DataKeyId, why: OpenError) -> Self {
        Self {
            table: "data_keys",
            account: id.account,
            key: vec![id.generation.to_string()],
            column: "wrapped",
            why: why.to_string(),
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key is data: whatever somebody put there stays on one line.
        write!(f, "{} (account {}", self.table, self.account)?;
        for part in &self.key {
            write!(f, ", {}", part.escape_debug())?;
        }
        write!(f, ") {}: {}", self.column, self.why)
    }
}

/// How many rows the tables have, together.
async fn count_rows(context: &Context, scope: Scope) -> Result<u64, Error> {
    let mut transaction = context.read(Tenant::Every).await?;
    let mut total = 0;
    each_table!(table => total += table.count(&mut transaction, &scope.span(None)).await?);
    Ok(total.cast_unsigned())
}

/// Rows of a page, and the data keys that they need.
struct Page {
    rows: Vec<SealedRow>,
    keys: DataKeys,
}

/// A page of rows after `after`, and the data keys for them: both as of one moment, so that an account that is purged in
/// between is no fault.
async fn page(
    context: &Context,
    table: &impl SealedTable,
    scope: Scope,
    after: Option<&SealedRow>,
) -> Result<Page, Error> {
    let mut transaction = snapshot(&context.pool).await?;
    let rows = table.page(&mut transaction, &scope.span(after), BATCH).await?;
    let parsed: Vec<_> = rows
        .iter()
        .flat_map(|row| row.sealed.iter().map(|bytes| (row.account, Sealed::parse(bytes.clone()).ok())))
        .collect();
    let values = parsed.iter().map(|(account, sealed)| (*account, sealed.as_ref()));
    let stored = context.vault.read_data_keys(&mut transaction, values).await?;
    // The key service, if there is one, is asked when the transaction is over.
    drop(transaction);
    Ok(Page { rows, keys: context.vault.unwrap_data_keys(stored).await? })
}

/// A row's texts, each with what it is bound to; or the column that does not open.
fn open(
    table: &impl SealedTable,
    row: &SealedRow,
    keys: &DataKeys,
) -> Result<Vec<(SecretString, Binding)>, (usize, OpenError)> {
    let (mut opened, mut bindings) = (Vec::new(), Vec::new());
    for (index, bytes) in row.sealed.iter().enumerate() {
        let one = || {
            let binding = table.binding(row, index, &opened)?;
            let sealed = Sealed::parse(bytes.clone())?;
            Ok((keys.open(row.account, &sealed, &binding)?, binding))
        };
        let (text, binding) = one().map_err(|why| (index, why))?;
        opened.push(text);
        bindings.push(binding);
    }
    Ok(opened.into_iter().zip(bindings).collect())
}
