//! A file as rows of the domain. Pure: what the directory and the stored rows say is asked later.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use secrecy::{ExposeSecret, SecretString};

use super::records::{Field, Record, Records, lines};
use super::report::RowErrors;
use crate::background::Abandoned;
use crate::credentials::{BaseUpdate, ServiceUpdate};
use crate::error::{FieldError, FieldErrors, Half, MissingHalf};
use crate::types::{Environment, HalfPair, Pair, Password, Service, SupplierCode, Username};

/// Columns of a file of base credentials.
pub(super) const BASE: [&str; 5] =
    ["supplier_code", "staging_username", "staging_password", "production_username", "production_password"];
/// Columns of a file of service credentials.
pub(super) const SERVICE: [&str; 5] = ["supplier_code", "service", "environment", "username", "password"];
/// The field that errors of a whole row are about.
const ROW: &str = "row";

/// The rows of a file.
pub(super) struct Parsed {
    /// How many rows it has, without the one that names the columns.
    pub count: u64,
    /// Those that say what can be.
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
            return refused(lines(&before) + 1, "is not UTF-8");
        }
    };
    let mut records = Records::new(text);
    let (line, kind) = match records.next() {
        Some(Ok(header)) => (header.line, columns(&header)),
        Some(Err((line, malformed))) => return refused(line, &malformed.to_string()),
        None => (1, None),
    };
    match kind {
        Some((Kind::Base, columns)) => collect(records, columns, base_row, Rows::Base, abandoned),
        Some((Kind::Service, columns)) => collect(records, columns, service_row, Rows::Service, abandoned),
        None => {
            let (base, service) = (BASE.join(", "), SERVICE.join(", "));
            refused(line, &format!("must name each of the columns {base}, or each of {service}, and no others"))
        }
    }
}

/// A file of which nothing can be read.
fn refused(line: u64, why: &str) -> Parsed {
    let mut errors = RowErrors::default();
    errors.push(line, FieldError::new(ROW, why));
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
    let places = |names: [&str; 5]| {
        let mut places = Columns::default();
        for (place, name) in places.iter_mut().zip(names) {
            *place = header.fields.iter().position(|field| field.says(name))?;
        }
        (header.fields.len() == names.len()).then_some(places)
    };
    let kind = |kind, names| places(names).map(|places| (kind, places));
    kind(Kind::Base, BASE).or_else(|| kind(Kind::Service, SERVICE))
}

/// Reads every record behind the header.
fn collect<T: Keyed>(
    records: Records<'_>,
    columns: Columns,
    read: fn([Field<'_>; 5]) -> Result<T, Vec<FieldError>>,
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
                errors.push(line, FieldError::new(ROW, malformed.to_string()));
                continue;
            }
        };
        if fields.len() != columns.len() {
            let message = format!("has {} fields and not {}", fields.len(), columns.len());
            errors.push(line, FieldError::new(ROW, message));
            continue;
        }
        match read(columns.map(|place| fields[place])) {
            Ok(value) => match seen.entry(value.key()) {
                Entry::Vacant(place) => {
                    place.insert(line);
                    read_rows.push(Row { line, value });
                }
                Entry::Occupied(first) => {
                    let message = format!("says a second time what row {} is about", first.get());
                    errors.push(line, FieldError::new(ROW, message));
                }
            },
            Err(wrong) => wrong.into_iter().for_each(|field| errors.push(line, field)),
        }
    }
    Parsed { count, rows: rows(read_rows), errors }
}

fn base_row(fields: [Field<'_>; 5]) -> Result<BaseUpdate, Vec<FieldError>> {
    let mut errors = FieldErrors::default();
    let [supplier, cells @ ..] = fields;
    let supplier = supplier_code(&mut errors, supplier);
    let mut pair = |at: usize| HalfPair {
        username: errors.optional(BASE[at + 1], text(cells[at]), Username::parse),
        password: errors.optional(BASE[at + 2], text(cells[at + 1]), Password::parse),
    };
    let (staging, production) = (pair(0), pair(2));
    errors.check(supplier.map(|supplier| BaseUpdate { supplier, staging, production }))
}

fn service_row(fields: [Field<'_>; 5]) -> Result<ServiceUpdate, Vec<FieldError>> {
    let mut errors = FieldErrors::default();
    let [supplier, service, environment, username, password] = fields;
    let supplier = supplier_code(&mut errors, supplier);
    let code = |field| text(field).map(|code| code.expose_secret().to_owned());
    let service = errors.required_service(SERVICE[1], code(service).as_deref());
    let environment = errors.required_environment(SERVICE[2], code(environment).as_deref());
    let username = errors.required(SERVICE[3], text(username), Username::parse);
    let password = errors.required(SERVICE[4], text(password), Password::parse);
    let pair = username.zip(password).map(|(username, password)| Pair { username, password });
    let whole = supplier.zip(service.zip(environment)).zip(pair);
    errors.check(whole.map(|((supplier, (service, environment)), pair)| ServiceUpdate {
        supplier,
        service,
        environment,
        pair,
    }))
}

fn supplier_code(errors: &mut FieldErrors, field: Field<'_>) -> Option<SupplierCode> {
    errors.required(BASE[0], text(field), |code| SupplierCode::parse(code.expose_secret()))
}

/// The value of a cell. An empty one leaves its field out.
fn text(field: Field<'_>) -> Option<SecretString> {
    (!field.is_empty()).then(|| field.text())
}

/// The refusal of a row that brings half of a pair whose other half is not stored.
pub(super) fn missing_half(missing: MissingHalf) -> FieldError {
    let (prefix, username, password) = match missing.environment {
        Environment::Staging => ("staging", BASE[1], BASE[2]),
        Environment::Production => ("production", BASE[3], BASE[4]),
    };
    let (column, other) = match missing.half {
        Half::Username => (username, password),
        Half::Password => (password, username),
    };
    let message = format!("is required together with {other}, because no {prefix} pair is stored yet");
    FieldError::new(column, message)
}
