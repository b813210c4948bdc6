//! The settings of the audit.

use std::num::NonZeroUsize;

use super::{ConfigError, Source};
use crate::audit::{RecordMode, RecordSettings};

/// About 20 MB, and a few seconds of everything that one core can resolve.
const BACKLOG: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();

/// Reads how resolves are recorded. There is no way to record none.
pub(super) fn audit(source: &Source) -> Result<RecordSettings, ConfigError> {
    let mode = match source.get("CREDENZA_AUDIT_RESOLVES") {
        None | Some("batched") => RecordMode::Batched,
        Some("sync") => RecordMode::Sync,
        Some(_) => {
            return Err(ConfigError::Wrong("CREDENZA_AUDIT_RESOLVES", "is neither `batched` nor `sync`".to_owned()));
        }
    };
    let backlog: NonZeroUsize = source.parsed("CREDENZA_AUDIT_BACKLOG", BACKLOG, "a number of events, at least 1")?;
    Ok(RecordSettings { mode, backlog: backlog.get() })
}
