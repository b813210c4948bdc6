//! Endpoints as files have them: a CSV of ours, or the JSON of the standard's registry.

use std::collections::HashSet;
use std::io::Read;
use std::time::Duration;

use promostandards::Standard;
use serde::Deserialize;

use super::address::{EndpointUrl, WrongUrl};
use super::{DEFAULT_CONCURRENCY, DEFAULT_TIMEOUT, Endpoint, LONGEST_TIMEOUT, MOST_CONCURRENCY, Place, service_code};
use crate::types::{Environment, SupplierCode};

/// Why a file was refused. Nothing of it was stored.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Read(#[from] std::io::Error),
    /// The file is not CSV with these columns.
    #[error("the file is not CSV with the columns of its first line")]
    Csv(#[from] csv::Error),
    /// A column is missing, which a file without rows would hide.
    #[error(
        "the file is not CSV with the columns supplier_code, service, version, environment, url and, optionally, \
         soap_action, timeout, concurrency, allow_private: it has no column {0}"
    )]
    Column(&'static str),
    /// There is a column that nobody reads.
    #[error(
        "the file has a column {0} that is none of supplier_code, service, version, environment, url, soap_action, \
         timeout, concurrency, allow_private"
    )]
    UnknownColumn(String),
    /// A value of a line is wrong.
    #[error("line {line}: {field} {message}")]
    Value {
        /// Line in the file, from 1.
        line: u64,
        /// The column.
        field: &'static str,
        /// The error.
        message: String,
    },
    /// The file is not the JSON of the registry.
    #[error("the file is not the JSON of the registry: a list of objects with Service, URL and TestURL")]
    Registry(#[source] serde_json::Error),
    /// A value of the registry is wrong.
    #[error("entry {entry}: {field} {message}")]
    Entry {
        /// Its number in the list, from 1.
        entry: usize,
        /// The member.
        field: &'static str,
        /// The error.
        message: String,
    },
    /// The registry lists one supplier and does not name it.
    #[error("the registry's JSON does not name its supplier: add `--supplier`")]
    NoSupplier,
    /// A CSV names its suppliers itself.
    #[error("`--supplier` is for the registry's JSON; this CSV names its suppliers itself")]
    SupplierTwice,
}

/// The contents of a file.
#[derive(Debug, Default)]
pub struct Contents {
    /// Its endpoints.
    pub endpoints: Vec<Endpoint>,
    /// Services of the registry that no table describes, each with its version.
    pub skipped: Vec<String>,
}

/// Reads a file: JSON if its first character is `[`, CSV otherwise. `supplier` is whose a registry's list is.
pub fn parse(mut file: impl Read, supplier: Option<&SupplierCode>, standard: &Standard) -> Result<Contents, FileError> {
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&text);
    if text.trim_ascii_start().first() == Some(&b'[') {
        return registry(text, supplier.ok_or(FileError::NoSupplier)?, standard);
    }
    if supplier.is_some() {
        return Err(FileError::SupplierTwice);
    }
    Ok(Contents { endpoints: table(text, standard)?, skipped: Vec::new() })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    supplier_code: String,
    service: String,
    version: String,
    environment: String,
    url: String,
    soap_action: Option<String>,
    timeout: Option<String>,
    concurrency: Option<String>,
    allow_private: Option<String>,
}

const REQUIRED: [&str; 5] = ["supplier_code", "service", "version", "environment", "url"];
const OPTIONAL: [&str; 4] = ["soap_action", "timeout", "concurrency", "allow_private"];

fn table(text: &[u8], standard: &Standard) -> Result<Vec<Endpoint>, FileError> {
    let mut reader = csv::ReaderBuilder::new().from_reader(text);
    let headers = reader.headers()?.clone();
    for column in REQUIRED {
        if headers.iter().all(|header| header != column) {
            return Err(FileError::Column(column));
        }
    }
    if let Some(unknown) = headers.iter().find(|header| !REQUIRED.contains(header) && !OPTIONAL.contains(header)) {
        return Err(FileError::UnknownColumn(unknown.escape_debug().to_string()));
    }
    let (mut endpoints, mut seen) = (Vec::new(), HashSet::new());
    for record in reader.records() {
        let record = record?;
        let line = record.position().map_or(0, csv::Position::line);
        let wrong = |(field, message): (&'static str, String)| FileError::Value { line, field, message };
        let row: Line = record.deserialize(Some(&headers))?;
        let endpoint = row.parse(standard).map_err(wrong)?;
        if !seen.insert((endpoint.supplier.clone(), endpoint.place.clone())) {
            return Err(wrong(("environment", "stands there twice for this supplier, service and version".to_owned())));
        }
        endpoints.push(endpoint);
    }
    Ok(endpoints)
}

impl Line {
    fn parse(self, standard: &Standard) -> Result<Endpoint, (&'static str, String)> {
        let is_given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let supplier = SupplierCode::parse(&self.supplier_code).map_err(|why| ("supplier_code", why.to_string()))?;
        let (service, version) = known(standard, &self.service, &self.version)?;
        let environment = Environment::parse(&self.environment)
            .ok_or_else(|| ("environment", "must be STAGING or PROD".to_owned()))?;
        let allow_private = match is_given(self.allow_private).as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(("allow_private", "must be true or false".to_owned())),
        };
        let url = EndpointUrl::parse(&self.url, allow_private).map_err(|why: WrongUrl| ("url", why.to_string()))?;
        let timeout = number("timeout", is_given(self.timeout), DEFAULT_TIMEOUT.as_secs(), LONGEST_TIMEOUT.as_secs())?;
        let concurrency =
            number("concurrency", is_given(self.concurrency), DEFAULT_CONCURRENCY.into(), MOST_CONCURRENCY.into())?;
        Ok(Endpoint {
            supplier,
            place: Place { service, version, environment },
            url,
            soap_action: soap_action(is_given(self.soap_action))?,
            timeout: Duration::from_secs(timeout),
            concurrency: u32::try_from(concurrency).unwrap_or(MOST_CONCURRENCY),
            allow_private,
        })
    }
}

/// A service and version that a table describes.
fn known(standard: &Standard, service: &str, version: &str) -> Result<(String, String), (&'static str, String)> {
    let standards_code = match service {
        "OSTAT" => "ODRSTAT",
        "Invoice" => "INVC",
        code => code,
    };
    if standard.supports(standards_code, version) {
        return Ok((service_code(service).to_owned(), version.to_owned()));
    }
    let knows_service = standard.services().iter().any(|known| known.service == standards_code);
    Err(if knows_service {
        ("version", format!("has no version `{}` of {}", version.escape_debug(), service_code(service)))
    } else {
        ("service", format!("has an unknown service `{}`", service.escape_debug()))
    })
}

fn number(field: &'static str, text: Option<String>, default: u64, most: u64) -> Result<u64, (&'static str, String)> {
    let Some(text) = text else { return Ok(default) };
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    number
        .filter(|number| (1..=most).contains(number))
        .ok_or_else(|| (field, format!("must be a whole number from 1 to {most}")))
}

/// A SOAP action goes into a header, in quotation marks.
fn soap_action(text: Option<String>) -> Result<Option<String>, (&'static str, String)> {
    match text {
        Some(text) if text.len() > 255 || text.bytes().any(|byte| !(b' '..=b'~').contains(&byte) || byte == b'"') => {
            Err(("soap_action", "must be at most 255 printable ASCII characters without quotation marks".to_owned()))
        }
        text => Ok(text),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RegistryEntry {
    service: RegistryService,
    #[serde(rename = "URL")]
    url: Option<String>,
    #[serde(rename = "TestURL")]
    test_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RegistryService {
    service_type: RegistryType,
    version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RegistryType {
    code: String,
}

fn registry(text: &[u8], supplier: &SupplierCode, standard: &Standard) -> Result<Contents, FileError> {
    let entries: Vec<RegistryEntry> = serde_json::from_slice(text).map_err(FileError::Registry)?;
    let (mut contents, mut seen) = (Contents::default(), HashSet::new());
    for (index, entry) in entries.into_iter().enumerate() {
        let wrong = |field, message: String| FileError::Entry { entry: index + 1, field, message };
        let (code, version) = (entry.service.service_type.code, entry.service.version);
        let Ok((service, version)) = known(standard, &code, &version) else {
            contents.skipped.push(format!("{} {}", code.escape_debug(), version.escape_debug()));
            continue;
        };
        let given = |url: Option<String>| url.filter(|url| !url.trim().is_empty());
        let (url, test_url) = (given(entry.url), given(entry.test_url));
        // A supplier without a test system names its production again; test orders must not go there.
        let test_url = test_url.filter(|test| Some(test) != url.as_ref());
        for (field, text, environment) in
            [("URL", url, Environment::Production), ("TestURL", test_url, Environment::Staging)]
        {
            let Some(text) = text else { continue };
            let url = EndpointUrl::parse(text.trim(), false).map_err(|why| wrong(field, why.to_string()))?;
            let place = Place { service: service.clone(), version: version.clone(), environment };
            if !seen.insert(place.clone()) {
                return Err(wrong(field, format!("is the second one for {service} {version}")));
            }
            contents.endpoints.push(Endpoint {
                supplier: supplier.clone(),
                place,
                url,
                soap_action: None,
                timeout: DEFAULT_TIMEOUT,
                concurrency: DEFAULT_CONCURRENCY,
                allow_private: false,
            });
        }
    }
    Ok(contents)
}
