//! The way of the server's account to its folder: the path, or where the account cannot follow that, an open descriptor.
//!
//! Root's folders are often closed to others (`/root`, `mktemp -d`). The data belongs into the data folder all the same, so
//! that a copy of the folder is a copy of the data.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use rustix::io::{FdFlags, fcntl_setfd};

use crate::error::Error;

/// The folder in which Linux shows a process its own open files, by number.
const DESCRIPTORS: &str = "/proc/self/fd";

/// A folder as the programs under the server's account reach it. Has to live until they were started.
pub(crate) struct Way {
    path: PathBuf,
    _open: Option<File>,
}

impl Way {
    /// Opens the way to a folder whose path the account can follow, or cannot because it `is_closed`.
    pub(crate) fn to(folder: &Path, is_closed: bool) -> Result<Self, Error> {
        if !is_closed {
            return Ok(Self { path: folder.to_owned(), _open: None });
        }
        let open = File::open(folder).map_err(Error::io("open", folder))?;
        // Programs inherit it, and so do those that they start.
        fcntl_setfd(&open, FdFlags::empty()).map_err(|error| Error::io("pass on", folder)(error.into()))?;
        Ok(Self { path: Path::new(DESCRIPTORS).join(open.as_raw_fd().to_string()), _open: Some(open) })
    }

    /// Returns whether this system has a way to a folder that is closed.
    pub(crate) fn leads_to_closed_folders() -> bool {
        Path::new(DESCRIPTORS).is_dir()
    }

    /// Returns the path of something in the folder.
    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }
}
