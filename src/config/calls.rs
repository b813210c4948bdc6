//! Settings of calls to suppliers.

use std::path::PathBuf;

use bytesize::ByteSize;

use super::{ConfigError, Source};

/// Reads how many bytes of suppliers' answers are kept; none by default.
pub(super) fn cache_bytes(source: &Source) -> Result<u64, ConfigError> {
    Ok(source.parsed("CREDENZA_CALL_CACHE_BYTES", ByteSize::b(0), "a size such as `64MiB`")?.as_u64())
}

/// Reads the authorities of suppliers' certificates that are trusted with the system's: for test systems that have one of
/// their own.
pub(super) fn authorities(source: &Source) -> Result<Option<Vec<u8>>, ConfigError> {
    let Some(path) = source.get("CREDENZA_SUPPLIER_CA_FILE").map(PathBuf::from) else { return Ok(None) };
    match std::fs::read(&path) {
        Ok(pem) => Ok(Some(pem)),
        Err(source) => Err(ConfigError::File { what: "CREDENZA_SUPPLIER_CA_FILE", path, source }),
    }
}
