//! The lock of a data folder, which one process at a time holds.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::process;

use crate::error::Error;

/// A lock that is held as long as this value lives. The system releases it when the process ends, however it ends.
pub struct Lock(File);

impl Lock {
    /// Takes the folder for one purpose, or names the process that holds it. Locks the file `name` in the folder, which
    /// contains the holder's process id.
    ///
    /// # Errors
    /// [`Error::Held`] when another process holds it.
    pub fn take(data_dir: &Path, name: &str) -> Result<Self, Error> {
        let path = data_dir.join(name);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = file.read_to_string(&mut text);
                return Err(Error::Held { folder: data_dir.to_path_buf(), pid: text.trim().parse().ok() });
            }
            Err(TryLockError::Error(source)) => return Err(Error::io("lock", &path)(source)),
        }
        // The id of a former holder goes first: a reader between these lines finds no id rather than a wrong one.
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", process::id()))
            .map_err(Error::io("write", &path))?;
        Ok(Self(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child that another thread is just starting has the file open until its `exec`, and
        // would hold the lock for that moment.
        let _ = self.0.unlock();
    }
}
