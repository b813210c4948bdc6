//! Files that only their owner may read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes a file of mode 0600 as a whole: after a power cut there is the old file or the new one, never a part of one.
///
/// # Errors
/// The system's answer when the folder or the file cannot be written.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    // Without this the file is whole after a power cut, and its name may be missing.
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}
