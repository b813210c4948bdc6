//! Errors of settings.

use std::path::PathBuf;

use crate::vault::KeyringError;

/// A setting that is missing or wrong. Names the variable and the way out, and never repeats a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A required variable is not set.
    #[error("{0} is not set: {1}")]
    Missing(&'static str, &'static str),
    /// A variable has a value that cannot be used.
    #[error("{0} {1}")]
    Wrong(&'static str, String),
    /// The keyring cannot be used.
    #[error("CREDENZA_KEY_ENCRYPTION_KEYS (or CREDENZA_MASTER_KEYS) cannot be used")]
    Keyring(#[from] KeyringError),
    /// A file that a setting names cannot be read.
    #[error("{what} `{}` cannot be read", path.display())]
    File {
        /// Which setting or option names it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A line of the env file is not `NAME=value`.
    #[error("line {line} of `{}` is not of the form NAME=value", path.display())]
    EnvLine {
        /// The env file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}
