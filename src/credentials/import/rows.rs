//! A file as rows of the domain. Pure: the directory and the stored rows are read later.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use secrecy::{ExposeSecret, SecretString};

use super::faults::{Column, RowError, RowErrors, RowFault};
use super::records::{Field, Record, Records, lines};

use crate::background::Abandoned;
use crate::credentials::{BaseUpdate, ServiceUpdate};
use crate::types::{Environment, HalfPair, InvalidText, Pair, Password, Service, SupplierCode, Username};

/// Columns of a file of base credentials.
pub(super) const BASE: [Column; 5] = [
    Column::SupplierCode,
    Column::StagingUsername,
    Column::StagingPassword,
    Column::ProductionUsername,
    Column::ProductionPassword,
];
/// Columns of a file of service credentials.
pub(super) const SERVICE: [Column; 5] =
    [Column::SupplierCode, Column::Service, Column::Environment, Column::Username, Column::Password];

/// The rows of a file.
pub(super) struct Parsed {
    /// How many rows it has, without the one that names the columns.
    pub count: u64,
    /// Those that can be read.
    pub rows: Rows,
    /// The errors of the others.
    pub errors: RowErrors,
}

/// Rows that are read between two looks whether anybody waits for them.
const ROWS_BETWEEN_LOOKS: u64 = 1000;

/// Rows of either kind, in the order of the file; none twice.
pub(super) enum Rows {
    Base(Vec<Row<BaseUpdate>>),
    Service(Vec<Row<ServiceUpdate>>),
}

/// A row, with the line on which it begins.
pub(super) struct Row<T> {
    pub line: u64,
    pub value: T,
}

/// Which row of the account's a row of the file is about. Rows are stored in this order, so that two imports at once wait
/// for each other and not each for the other.
pub(super) type Key = (SupplierCode, Option<(Service, Environment)>);

/// The lines about one row of the account.
pub(super) trait Keyed {
    fn key(&self) -> Key;
}

impl Keyed for BaseUpdate {
    fn key(&self) -> Key {
        (self.supplier.clone(), None)
    }
}

impl Keyed for ServiceUpdate {
    fn key(&self) -> Key {
        (self.supplier.clone(), Some((self.service, self.environment)))
    }
}

/// Reads a file. Stops early, with part of the rows, when nobody waits for them any more.
pub(super) fn parse(file: &[u8], abandoned: &Abandoned) -> Parsed {
    let text = match std::str::from_utf8(file) {
        Ok(text) => text,
        Err(error) => {
            let before = String::from_utf8_lossy(&file[..error.valid_up_to()]);
            return refused(lines(&before) + 1, RowFault::NotUtf8);
        }
    };
    let mut records = Records::new(text);
    let (line, kind) = match records.next() {
        Some(Ok(header)) => (header.line, columns(&header)),
        Some(Err((line, malformed))) => return refused(line, RowFault::Malformed(malformed)),
        None => (1, None),
    };
    match kind {
        Some((Kind::Base, columns)) => collect(records, columns, base_row, Rows::Base, abandoned),
        Some((Kind::Service, columns)) => collect(records, columns, service_row, Rows::Service, abandoned),
        None => refused(line, RowFault::UnknownColumns),
    }
}

/// A file of which nothing can be read.
fn refused(line: u64, fault: RowFault) -> Parsed {
    let mut errors = RowErrors::default();
    errors.push_row(line, fault);
    Parsed { count: 0, rows: Rows::Base(vec![]), errors }
}

#[derive(Clone, Copy)]
enum Kind {
    Base,
    Service,
}

/// Where each column of a kind is, in the order of its list.
type Columns = [usize; 5];

/// Distinguishes the two kinds. Columns may come in any order.
fn columns(header: &Record<'_>) -> Option<(Kind, Columns)> {
    let places = |names: [Column; 5]| {
        let mut places = Columns::default();
        for (place, name) in places.iter_mut().zip(names) {
            *place = header.fields.iter().position(|field| field.is(name.name()))?;
        }
        (header.fields.len() == names.len()).then_some(places)
    };
    let kind = |kind, names| places(names).map(|places| (kind, places));
    kind(Kind::Base, BASE).or_else(|| kind(Kind::Service, SERVICE))
}

/// Reads every record after the header.
fn collect<T: Keyed>(
    records: Records<'_>,
    columns: Columns,
    read: fn([Field<'_>; 5]) -> Result<T, Vec<FieldFault>>,
    rows: fn(Vec<Row<T>>) -> Rows,
    abandoned: &Abandoned,
) -> Parsed {
    let (mut count, mut read_rows, mut errors) = (0, Vec::new(), RowErrors::default());
    let mut seen: HashMap<Key, u64> = HashMap::new();
    for record in records {
        if count % ROWS_BETWEEN_LOOKS == 0 && abandoned.is_so() {
            break;
        }
        count += 1;
        let Record { line, fields } = match record {
            Ok(record) => record,
            Err((line, malformed)) => {
                errors.push_row(line, RowFault::Malformed(malformed));
                continue;
            }
        };
        if fields.len() != columns.len() {
            errors.push_row(line, RowFault::FieldCount { found: fields.len(), expected: columns.len() });
            continue;
        }
        match read(columns.map(|place| fields[place])) {
            Ok(value) => match seen.entry(value.key()) {
                Entry::Vacant(place) => {
                    place.insert(line);
                    read_rows.push(Row { line, value });
                }
                Entry::Occupied(first) => errors.push_row(line, RowFault::Repeats(*first.get())),
            },
            Err(wrong) => {
                for (column, fault) in wrong {
                    errors.push(RowError { row: line, column: Some(column), fault });
                }
            }
        }
    }
    Parsed { count, rows: rows(read_rows), errors }
}

/// A wrong field of a row.
type FieldFault = (Column, RowFault);

/// Reads the fields of a row, and collects all that are wrong.
#[derive(Default)]
struct Cells(Vec<FieldFault>);

impl Cells {
    /// Parses a field that may be empty.
    fn optional<T>(
        &mut self,
        column: Column,
        field: Field<'_>,
        parse: fn(SecretString) -> Result<T, InvalidText>,
    ) -> Option<T> {
        text(field).and_then(|text| parse(text).map_err(|why| self.0.push((column, RowFault::Text(why)))).ok())
    }

    /// Parses a field that must not be empty.
    fn required<T>(
        &mut self,
        column: Column,
        field: Field<'_>,
        parse: fn(SecretString) -> Result<T, InvalidText>,
    ) -> Option<T> {
        if field.is_empty() {
            self.0.push((column, RowFault::Required));
        }
        self.optional(column, field, parse)
    }

    /// Reads a code that must be there.
    fn code<T>(
        &mut self,
        column: Column,
        field: Field<'_>,
        parse: fn(&str) -> Option<T>,
        unknown: RowFault,
    ) -> Option<T> {
        let Some(code) = text(field) else {
            self.0.push((column, RowFault::Required));
            return None;
        };
        let parsed = parse(code.expose_secret());
        if parsed.is_none() {
            self.0.push((column, unknown));
        }
        parsed
    }

    fn supplier(&mut self, field: Field<'_>) -> Option<SupplierCode> {
        self.required(Column::SupplierCode, field, |code| SupplierCode::parse(code.expose_secret()))
    }

    /// Returns the row that was put together from the fields, if none of them was wrong.
    fn complete<T>(self, row: Option<T>) -> Result<T, Vec<FieldFault>> {
        match row {
            Some(row) if self.0.is_empty() => Ok(row),
            _ => Err(self.0),
        }
    }
}

fn base_row(fields: [Field<'_>; 5]) -> Result<BaseUpdate, Vec<FieldFault>> {
    let mut cells = Cells::default();
    let [supplier, staging_username, staging_password, production_username, production_password] = fields;
    let supplier = cells.supplier(supplier);
    let staging = HalfPair {
        username: cells.optional(Column::StagingUsername, staging_username, Username::parse),
        password: cells.optional(Column::StagingPassword, staging_password, Password::parse),
    };
    let production = HalfPair {
        username: cells.optional(Column::ProductionUsername, production_username, Username::parse),
        password: cells.optional(Column::ProductionPassword, production_password, Password::parse),
    };
    cells.complete(supplier.map(|supplier| BaseUpdate { supplier, staging, production }))
}

fn service_row(fields: [Field<'_>; 5]) -> Result<ServiceUpdate, Vec<FieldFault>> {
    let mut cells = Cells::default();
    let [supplier, service, environment, username, password] = fields;
    let supplier = cells.supplier(supplier);
    let service = cells.code(Column::Service, service, Service::parse, RowFault::NotAService);
    let environment = cells.code(Column::Environment, environment, Environment::parse, RowFault::NotAnEnvironment);
    let username = cells.required(Column::Username, username, Username::parse);
    let password = cells.required(Column::Password, password, Password::parse);
    let pair = username.zip(password).map(|(username, password)| Pair { username, password });
    let whole = supplier.zip(service.zip(environment)).zip(pair);
    cells.complete(whole.map(|((supplier, (service, environment)), pair)| ServiceUpdate {
        supplier,
        service,
        environment,
        pair,
    }))
}

/// The value of a cell. An empty one leaves its field out.
fn text(field: Field<'_>) -> Option<SecretString> {
    (!field.is_empty()).then(|| field.text())
}
