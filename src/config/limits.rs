//! The limits of requests and of bodies, and the proxies whose clients count one by one.

use std::num::NonZeroU32;
use std::time::Duration;

use bytesize::ByteSize;
use ipnet::IpNet;

use super::{ConfigError, Source};
use crate::admission::{AdmissionSettings, Rate};
use crate::types::parse_range;

/// Reads the limits of requests. An account may use a quarter of the connections to the database for reading, and a quarter for
/// writing.
pub(super) fn admission(source: &Source, database_connections: u32) -> Result<AdmissionSettings, ConfigError> {
    let duration = humantime::Duration::from(Duration::from_secs(30));
    let in_flight = source.parsed("CREDENZA_MAX_IN_FLIGHT", 1024, "a number")?;
    if in_flight == 0 {
        return Err(ConfigError::Wrong(
            source.name_of("CREDENZA_MAX_IN_FLIGHT"),
            "is 0, so that no request would be served".to_owned(),
        ));
    }
    Ok(AdmissionSettings {
        rate: rate(source, "CREDENZA_RATE_LIMIT", 1000)?,
        internal_rate: rate(source, "CREDENZA_INTERNAL_RATE_LIMIT", 10_000)?,
        in_flight,
        at_once: usize::try_from(database_connections / 4).unwrap_or(1).max(1),
        body_bytes: body_bytes(source)?,
        request_timeout: source.parsed("CREDENZA_REQUEST_TIMEOUT", duration, "a duration such as `30s`")?.into(),
    })
}

/// Reads the budget of bytes that are being received. An account has a quarter of it, and must be able to import a file.
fn body_bytes(source: &Source) -> Result<usize, ConfigError> {
    const NAME: &str = "CREDENZA_MAX_BODY_BYTES";
    const LEAST: u64 = 44 << 20;
    let bytes = source.parsed(NAME, ByteSize::mib(64), "a size such as `64MiB`")?.as_u64();
    if bytes < LEAST {
        return Err(ConfigError::Wrong(
            NAME,
            "is less than 44MiB, so that an account could not import its file".to_owned(),
        ));
    }
    Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
}

/// Reads a rate; none where it is `off`.
fn rate(source: &Source, name: &'static str, per_second: u32) -> Result<Option<Rate>, ConfigError> {
    match source.get(name) {
        None => Ok(NonZeroU32::new(per_second).map(|requests| Rate { requests, per: Duration::from_secs(1) })),
        Some("off") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|()| {
            ConfigError::Wrong(name, "is neither a rate such as `100/s`, `100/min` or `100/h` nor `off`".to_owned())
        }),
    }
}

/// Reads the addresses of proxies whose `X-Forwarded-For` counts.
pub(super) fn trusted_proxies(source: &Source) -> Result<Vec<IpNet>, ConfigError> {
    let list = source.get("CREDENZA_TRUSTED_PROXIES").unwrap_or_default();
    let wrong = |_| {
        let message = "is not a list of address ranges such as `10.0.0.0/8,fd00::/8`";
        ConfigError::Wrong("CREDENZA_TRUSTED_PROXIES", message.to_owned())
    };
    let ranges = list.split(',').map(str::trim).filter(|range| !range.is_empty());
    ranges.map(|range| parse_range(range).map_err(wrong)).collect()
}
