//! The settings of an instance among others: its name, its lease.

use std::net::SocketAddr;
use std::time::Duration;

use rustix::system::uname;

use super::{ConfigError, Source};
use crate::cluster::{Leases, Mutant};

/// Shorter leases would be lost on a busy machine.
const SHORTEST_LEASE: Duration = Duration::from_millis(200);
/// A write may have to wait for a whole lease, with its transaction open.
const LONGEST_LEASE: Duration = Duration::from_secs(5);

/// Reads the name and the lease of the instance that listens on this address.
pub(super) fn leases(source: &Source, listen: SocketAddr) -> Result<Leases, ConfigError> {
    let duration = |name, default| {
        let default = humantime::Duration::from(default);
        source.parsed(name, default, "a duration such as `2s` or `500ms`").map(Duration::from)
    };
    let lease = duration("CREDENZA_LEASE", Duration::from_secs(2))?;
    if !(SHORTEST_LEASE..=LONGEST_LEASE).contains(&lease) {
        let message = format!("is not between {SHORTEST_LEASE:?} and {LONGEST_LEASE:?}");
        return Err(ConfigError::Wrong("CREDENZA_LEASE", message));
    }
    Ok(Leases {
        name: instance_name(source, listen)?,
        lease,
        serve_stale_for: duration("CREDENZA_SERVE_STALE_FOR", Duration::ZERO)?,
        mutant: mutant(source)?,
    })
}

/// Reads `CREDENZA_INSTANCE_NAME`, or makes a name from the address that the instance listens on.
pub fn instance_name(source: &Source, listen: SocketAddr) -> Result<String, ConfigError> {
    let name = source.get("CREDENZA_INSTANCE_NAME").map_or_else(
        || format!("{} {listen} pid {}", uname().nodename().to_string_lossy(), std::process::id()),
        str::to_owned,
    );
    if name.chars().count() > 255 {
        return Err(ConfigError::Wrong("CREDENZA_INSTANCE_NAME", "is longer than 255 characters".to_owned()));
    }
    Ok(name)
}

/// Reads a deliberate fault, for the tests of the promise that leases keep. Release builds have none.
fn mutant(source: &Source) -> Result<Option<Mutant>, ConfigError> {
    const NAME: &str = "CREDENZA_TEST_MUTANT";
    let wrong = |()| ConfigError::Wrong(NAME, "is for tests and not known to this build".to_owned());
    match source.get(NAME) {
        Some(name) if cfg!(debug_assertions) => name.parse().map(Some).map_err(wrong),
        Some(_) => Err(wrong(())),
        None => Ok(None),
    }
}
