//! Properties that hold for any file in the directory's place.

#![allow(clippy::missing_panics_doc, reason = "a panic is what a fuzzer looks for")]

use std::collections::HashSet;
use std::error::Error;

use super::import::{Entry, parse};

/// Entries that were read can be written and read again, and the file has each code once. A refusal can be shown on a terminal.
pub fn check(input: &[u8]) {
    match parse(input) {
        Ok(entries) => {
            let codes: HashSet<_> = entries.iter().map(|entry| entry.code.as_str()).collect();
            assert_eq!(codes.len(), entries.len());
            assert!(parse(&*write(&entries)).is_ok_and(|again| again == entries));
        }
        Err(error) => {
            let mut cause: Option<&dyn Error> = Some(&error);
            while let Some(error) = cause {
                assert!(!error.to_string().contains(char::is_control), "{error:?}");
                cause = error.source();
            }
        }
    }
}

fn write(entries: &[Entry]) -> Vec<u8> {
    let mut file = csv::Writer::from_writer(Vec::new());
    let has_exclusions = entries.iter().any(|entry| entry.excluded.is_some());
    let columns = ["supplier_code", "supplier_name", "excluded_services"];
    let columns = &columns[..if has_exclusions { 3 } else { 2 }];
    let mut whole = file.write_record(columns).is_ok();
    for Entry { code, name, excluded } in entries {
        let services = excluded.iter().flatten().map(|service| service.as_str()).collect::<Vec<_>>().join(" ");
        whole &= file.write_record(&[code.as_str(), name.as_str(), &services][..columns.len()]).is_ok();
    }
    assert!(whole);
    file.into_inner().unwrap_or_default()
}
