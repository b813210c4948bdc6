//! The administrator's password: random, in a file that only we can read.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::Error;

/// The superuser's password. Without `Debug`, so that no log can hold it by accident.
pub(super) struct Password(String);

impl Password {
    /// The one in the file.
    pub(super) fn read(file: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(file).map_err(Error::io("read the administrator's password from", file))?;
        Ok(Self(text.trim_end().to_owned()))
    }

    /// The one in the file, or a new one that is then there.
    pub(super) fn read_or_create(file: &Path) -> Result<Self, Error> {
        if file.exists() {
            return Self::read(file);
        }
        let password = Self(URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
        // Renamed when complete: half a password after a power cut would lock everybody out.
        let draft = file.with_extension("new");
        password.write(&draft)?;
        fs::rename(&draft, file).map_err(Error::io("write", file))?;
        Ok(password)
    }

    /// Writes it to a new file of mode 0600, in place of whatever was there.
    pub(super) fn write(&self, path: &Path) -> Result<(), Error> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::io("replace", path)(error)),
            _ => {}
        }
        let write = |mut file: File| {
            writeln!(file, "{}", self.0)?;
            file.sync_all()
        };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).open(path).and_then(write).map_err(Error::io("write", path))
    }

    /// The plain text, for a connection.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}
