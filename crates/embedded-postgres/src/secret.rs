//! The administrator's password: random, in a file that only its owner can read.

use std::fs;
use std::path::Path;

use rand::distr::{Alphanumeric, SampleString};

use crate::error::Error;
use crate::private_file;

/// Length of a password: 40 letters and digits are 238 bits.
const LENGTH: usize = 40;

/// The superuser's password. Without `Debug`, so that no log can hold it by accident.
pub(crate) struct Password(String);

impl Password {
    /// Reads the one in the file.
    pub(crate) fn read(file: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(file).map_err(Error::io("read the administrator's password from", file))?;
        Ok(Self(text.trim_end().to_owned()))
    }

    /// Reads the one in the file, or writes a new one there.
    pub(crate) fn read_or_create(file: &Path) -> Result<Self, Error> {
        if file.exists() {
            return Self::read(file);
        }
        let password = Self(Alphanumeric.sample_string(&mut rand::rng(), LENGTH));
        password.write(file)?;
        Ok(password)
    }

    /// Writes it to a file, replacing what was there.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        private_file::write(path, format!("{}\n", self.0).as_bytes()).map_err(Error::io("write", path))
    }

    /// Returns the plain text, for a connection.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}
