//! Properties that hold for any env file.

#![allow(clippy::missing_panics_doc, reason = "a panic is what a fuzzer looks for")]

use std::collections::BTreeMap;
use std::path::Path;

use secrecy::ExposeSecret;

use super::source::parse_env_file;

/// A parsed file can be written and read again. Names are names of variables. A refusal contains only the line's number.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let read = |text: &str| {
        let values = parse_env_file(Path::new("env"), text)?;
        let values = values.into_iter().map(|(name, value)| (name, value.expose_secret().to_owned()));
        Ok::<BTreeMap<_, _>, super::ConfigError>(values.collect())
    };
    match read(&text) {
        Ok(values) => {
            let is_name =
                |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            assert!(values.keys().all(|name| is_name(name)));
            let lines: Vec<_> = values.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
            assert!(read(&lines.concat()).is_ok_and(|again| again == values));
        }
        Err(error) => {
            let told = error.to_string();
            let number = told
                .strip_prefix("line ")
                .and_then(|rest| rest.strip_suffix(" of `env` is not of the form NAME=value"));
            let number: Option<usize> = number.and_then(|number| number.parse().ok());
            assert!(number.is_some_and(|number| (1..=text.lines().count()).contains(&number)), "{told}");
        }
    }
}
