//! Properties that hold for any file of credentials.

#![allow(clippy::missing_panics_doc, reason = "a panic is what a fuzzer looks for")]

use std::collections::HashSet;

use super::rows::{BASE, Keyed, Parsed, Row, Rows, SERVICE, parse};
use super::{Column, MOST_ERRORS};
use crate::background::Abandoned;
use crate::credentials::{BaseUpdate, ServiceUpdate};
use crate::types::{HalfPair, Password, Username};

/// Rows that were read can be written and read again; no row is about what another one is about; every row is read or refused, in
/// order; another reader of CSV reads the same. A refusal names a column of the file.
pub fn check(input: &[u8]) {
    let Parsed { count, rows, errors } = parse(input, &Abandoned::default());
    let lines = match &rows {
        Rows::Base(rows) => {
            again(rows, BASE, base_fields);
            keys(rows)
        }
        Rows::Service(rows) => {
            again(rows, SERVICE, service_fields);
            keys(rows)
        }
    };
    assert!(lines.is_sorted_by(|one, next| one < next));
    let refused: HashSet<_> = errors.listed.iter().map(|error| error.row).collect();
    assert!(lines.iter().all(|line| !refused.contains(line)));
    assert_eq!(errors.listed.len() as u64, errors.count.min(MOST_ERRORS as u64));
    if errors.count < MOST_ERRORS as u64 && count > 0 {
        assert_eq!(lines.len() + refused.len(), usize::try_from(count).unwrap_or(usize::MAX));
    }
    for error in &errors.listed {
        assert!(error.column.is_none_or(|column| BASE.contains(&column) || SERVICE.contains(&column)));
    }
    if errors.is_empty() {
        let mut reader = csv::ReaderBuilder::new().from_reader(input);
        assert_eq!(reader.records().flatten().count(), lines.len());
    }
}

/// On which lines the rows are, none of which is about the same.
fn keys<T: Keyed>(rows: &[Row<T>]) -> Vec<u64> {
    let keys: HashSet<_> = rows.iter().map(|row| row.value.key()).collect();
    assert_eq!(keys.len(), rows.len());
    rows.iter().map(|row| row.line).collect()
}

/// Writes rows in another way than they were written, and reads them again.
fn again<T>(rows: &[Row<T>], columns: [Column; 5], fields: fn(&T) -> [String; 5])
where
    Vec<Row<T>>: TryFrom<Rows>,
{
    let mut file = csv::WriterBuilder::new()
        .quote_style(csv::QuoteStyle::Always)
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    let mut whole = file.write_record(columns.map(Column::name)).is_ok();
    for row in rows {
        whole &= file.write_record(fields(&row.value)).is_ok();
    }
    assert!(whole);
    let read = parse(&file.into_inner().unwrap_or_default(), &Abandoned::default());
    assert!(read.errors.is_empty());
    let read = <Vec<Row<T>>>::try_from(read.rows).unwrap_or_default();
    assert!(read.iter().map(|row| fields(&row.value)).eq(rows.iter().map(|row| fields(&row.value))));
}

impl TryFrom<Rows> for Vec<Row<BaseUpdate>> {
    type Error = ();

    fn try_from(rows: Rows) -> Result<Self, ()> {
        if let Rows::Base(rows) = rows { Ok(rows) } else { Err(()) }
    }
}

impl TryFrom<Rows> for Vec<Row<ServiceUpdate>> {
    type Error = ();

    fn try_from(rows: Rows) -> Result<Self, ()> {
        if let Rows::Service(rows) = rows { Ok(rows) } else { Err(()) }
    }
}

fn base_fields(update: &BaseUpdate) -> [String; 5] {
    let text = |half: &HalfPair| {
        let username = half.username.as_ref().map(Username::expose).unwrap_or_default();
        let password = half.password.as_ref().map(Password::expose).unwrap_or_default();
        (username.to_owned(), password.to_owned())
    };
    let (staging, production) = (text(&update.staging), text(&update.production));
    [update.supplier.to_string(), staging.0, staging.1, production.0, production.1]
}

fn service_fields(ServiceUpdate { supplier, service, environment, pair }: &ServiceUpdate) -> [String; 5] {
    let (service, environment) = (service.to_string(), environment.to_string());
    let (username, password) = (pair.username.expose().to_owned(), pair.password.expose().to_owned());
    [supplier.to_string(), service, environment, username, password]
}
