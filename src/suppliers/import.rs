//! The directory as CSV: `supplier_code, supplier_name` and, optionally, `excluded_services`, the services that default
//! credentials never serve for a supplier, separated by blanks. A file without that column keeps what is stored.

use std::collections::HashSet;
use std::io::Read;

use serde::Deserialize;

use super::store::{self, Stored};
use crate::audit::{Action, Event};
use crate::error::Error;
use crate::rights;
use crate::types::{AccountId, Name, Service, SupplierCode};
use crate::work::Work;

/// Why a file was refused, with the line. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file is not CSV with these columns.
    #[error("the file is not CSV with the columns of its first line")]
    Csv(#[from] csv::Error),
    /// A column is missing, which a file without suppliers would hide.
    #[error(
        "the file is not CSV with the columns supplier_code, supplier_name and, optionally, excluded_services: \
         it has no column {0}"
    )]
    Column(&'static str),
    /// There is a column that nobody reads.
    #[error(
        "the file has a column {0} that is none of supplier_code, supplier_name and, optionally, excluded_services"
    )]
    UnknownColumn(String),
    /// A value is wrong.
    #[error("line {line}: {field} {message}")]
    Value {
        /// Line in the file, from 1.
        line: u64,
        /// The column.
        field: &'static str,
        /// The error.
        message: String,
    },
}

/// The counts of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Suppliers that are new.
    pub created: usize,
    /// Suppliers whose name or exclusions changed.
    pub updated: usize,
    /// Suppliers that were equal to those of the file.
    pub unchanged: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    supplier_code: String,
    supplier_name: String,
    excluded_services: Option<String>,
}

/// A supplier as a file lists it.
#[derive(PartialEq)]
pub struct Entry {
    pub(super) code: SupplierCode,
    pub(super) name: Name,
    pub(super) excluded: Option<Vec<Service>>,
}

const COLUMNS: [&str; 3] = ["supplier_code", "supplier_name", "excluded_services"];
/// No supplier's code: below `/extra/v2/credentials` it is the name of an operation, and the credentials of such a supplier
/// would have no path of their own.
const TAKEN: &str = "import";
/// Progress is reported after this many suppliers.
const PROGRESS: usize = 1000;

/// Creates and updates suppliers as a file lists them; removes none. The unit of work is the operator's. `progress` gets
/// now and then how many suppliers were looked at, and of how many.
pub async fn import(
    work: &mut Work<'_>,
    entries: &[Entry],
    mut progress: impl FnMut(usize, usize),
) -> Result<Report, Error> {
    let now = work.now();
    let mut report = Report::default();
    let logins = authentic_logins(work).await?;
    for (index, Entry { code, name, excluded }) in entries.iter().enumerate() {
        if index > 0 && index % PROGRESS == 0 {
            progress(index, entries.len());
        }
        let action = match store::upsert(work, code, name.as_str(), excluded.as_deref(), now).await? {
            Stored::Unchanged => {
                report.unchanged += 1;
                continue;
            }
            Stored::Created => {
                report.created += 1;
                Action::SupplierCreated
            }
            Stored::Updated => {
                report.updated += 1;
                Action::SupplierUpdated
            }
        };
        // The exclusions are authenticated with the login.
        for (_, key) in logins.iter().filter(|(of, _)| of == code) {
            work.authenticate(&rights::DEFAULT_CREDENTIALS, AccountId::OPERATOR, key).await?;
        }
        work.record(Event::of_supplier(action, code));
    }
    Ok(report)
}

/// The default logins whose rows are as they were authenticated, with the keys of their rows.
async fn authentic_logins(work: &mut Work<'_>) -> Result<Vec<(SupplierCode, String)>, Error> {
    let mut authentic = Vec::new();
    for (supplier, environment) in store::hold_default_places(work).await? {
        let key = super::defaults::key(&supplier, environment);
        if work.has_authentic(&rights::DEFAULT_CREDENTIALS, AccountId::OPERATOR, &key).await? {
            authentic.push((supplier, key));
        }
    }
    Ok(authentic)
}

/// Reads a file.
pub fn parse(file: impl Read) -> Result<Vec<Entry>, ImportError> {
    let mut reader = csv::ReaderBuilder::new().from_reader(file);
    let headers = reader.headers()?.clone();
    for column in ["supplier_code", "supplier_name"] {
        if headers.iter().all(|header| header != column) {
            return Err(ImportError::Column(column));
        }
    }
    if let Some(unknown) = headers.iter().find(|header| !COLUMNS.contains(header)) {
        return Err(ImportError::UnknownColumn(unknown.escape_debug().to_string()));
    }
    let has_exclusions = headers.iter().any(|header| header == "excluded_services");
    let (mut entries, mut seen) = (Vec::new(), HashSet::new());
    for record in reader.records() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        let wrong = |field, message: String| ImportError::Value { line, field, message };
        let row: Line = record.deserialize(Some(&headers))?;
        // An empty value excludes nothing; only a file without the column keeps what is stored.
        let excluded = has_exclusions.then(|| row.excluded_services.unwrap_or_default());
        let excluded = excluded.map(|services| {
            let parse = |code| {
                Service::parse(code).ok_or_else(|| {
                    wrong("excluded_services", format!("has an unknown service `{}`", code.escape_debug()))
                })
            };
            services.split_whitespace().map(parse).collect::<Result<Vec<_>, _>>()
        });
        let code =
            SupplierCode::parse_new(&row.supplier_code).map_err(|why| wrong("supplier_code", why.to_string()))?;
        if code.as_str() == TAKEN {
            return Err(wrong("supplier_code", format!("must not be `{TAKEN}`, which is the name of an operation")));
        }
        if !seen.insert(code.clone()) {
            return Err(wrong("supplier_code", "stands there twice".to_owned()));
        }
        entries.push(Entry {
            code,
            name: Name::parse(&row.supplier_name).map_err(|why| wrong("supplier_name", why.to_string()))?,
            excluded: excluded.transpose()?,
        });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_column_of_exclusions_may_be_missing_or_empty() {
        let excluded = |file: &str| parse(file.as_bytes()).unwrap().remove(0).excluded;
        assert_eq!(excluded("supplier_code,supplier_name\nA,A\n"), None);
        let headers = "\u{feff}supplier_code,supplier_name,excluded_services";
        assert_eq!(excluded(&format!("{headers}\r\nA,A,\r\n")), Some(vec![]));
        assert_eq!(excluded(&format!("{headers}\nA,\"A, B\",PPC INV\n")), Some(vec![Service::Ppc, Service::Inv]));
    }

    #[test]
    fn a_wrong_line_is_named() {
        let error = |file: &str| parse(file.as_bytes()).err().unwrap().to_string();
        assert_eq!(error("supplier_code,supplier_name\nA,\n"), "line 2: supplier_name must not be empty");
        let file = "supplier_code,supplier_name,excluded_services\nA,A,PPC\nB,B,PPC XYZ\n";
        assert_eq!(error(file), "line 3: excluded_services has an unknown service `XYZ`");
        assert_eq!(error("supplier_code,supplier_name\nA,A\nA,B\n"), "line 3: supplier_code stands there twice");
        let error_of_import = "line 2: supplier_code must not be `import`, which is the name of an operation";
        assert_eq!(error("supplier_code,supplier_name\nimport,A\n"), error_of_import);
        for file in ["", "code,name\nA,A\n"] {
            assert!(error(file).starts_with("the file is not CSV with the columns supplier_code"));
        }
        assert!(error("supplier_code,supplier_name\nA\n").starts_with("the file is not CSV"));
        // What the file says reaches the terminal, but never as an instruction to it.
        assert!(error("supplier_code,supplier_name,\x1b[2J\n").starts_with("the file has a column \\u{1b}[2J that"));
        let file = "supplier_code,supplier_name,excluded_services\nA,A,\x1b[2J\n";
        assert_eq!(error(file), "line 2: excluded_services has an unknown service `\\u{1b}[2J`");
    }
}
