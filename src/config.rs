//! Settings: the only reader of the environment. Nothing is generated here, and nothing that matters has a default.

mod aliases;
mod distinct;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod keys;
mod logging;
mod names;
mod outside;
mod serving;
mod source;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytesize::ByteSize;
use ipnet::IpNet;
use rustix::system::uname;
use secrecy::{ExposeSecret, SecretSlice};
use url::Url;
use zeroize::Zeroizing;

pub use aliases::Renamed;
pub use logging::{LogFormat, Logging};
pub use names::{NAMES, Unknown, unknown};
pub use serving::{Shutdown, TlsFiles};
pub use source::Source;

use crate::admission::{AdmissionSettings, Rate};
use crate::api_key::Pepper;
use crate::app::{Secrets, Settings};
use crate::audit::{AuditKey, RecordMode, RecordSettings};
use crate::cluster::{Leases, Limits, Mutant};
use crate::postgres::Servers;
use crate::types::parse_range;
use crate::vault::{KeyringError, Retirement};

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

/// Everything that the service, and the commands that write to its database, need.
pub struct Config {
    /// How the application's role connects.
    pub database: Servers,
    /// How the change feed connects: directly, never through a transaction pooler.
    pub listener_database: Servers,
    /// Most connections of the pool.
    pub database_connections: u32,
    /// The public listener's address.
    pub listen: SocketAddr,
    /// The internal listener's address.
    pub internal_listen: SocketAddr,
    /// TLS of the public listener.
    pub tls: Option<TlsFiles>,
    /// TLS of the internal listener.
    pub internal_tls: Option<TlsFiles>,
    /// How the service stops.
    pub shutdown: Shutdown,
    /// The installation's secrets.
    pub secrets: Secrets,
    /// The other settings.
    pub settings: Settings,
}

/// The promise to clients, and the default.
const LONGEST_CACHE_TTL: Duration = Duration::from_hours(24);
/// Of the pool.
const CONNECTIONS: NonZeroU32 = NonZeroU32::new(16).unwrap();

impl Config {
    /// Reads and checks every setting.
    pub fn load(source: &Source) -> Result<Self, ConfigError> {
        let database = database(source, "DATABASE_URL")?;
        let listener_database = match source.get("CREDENZA_LISTENER_DATABASE_URL") {
            None => database.clone(),
            Some(_) => self::database(source, "CREDENZA_LISTENER_DATABASE_URL")?,
        };
        distinct::check(source)?;
        let longest = humantime::Duration::from(LONGEST_CACHE_TTL);
        let ttl: Duration = source.parsed("CREDENZA_CACHE_TTL", longest, "a duration such as `24h` or `90s`")?.into();
        if ttl > LONGEST_CACHE_TTL {
            return Err(ConfigError::Wrong(
                "CREDENZA_CACHE_TTL",
                "is longer than 24h, which is what clients rely on".to_owned(),
            ));
        }
        let bytes = source.parsed("CREDENZA_CACHE_BYTES", ByteSize::mib(64), "a size such as `64MiB`")?;
        let listen: SocketAddr = source.parsed("CREDENZA_LISTEN", ([0, 0, 0, 0], 8080).into(), ADDRESS)?;
        let internal_listen = source.parsed("CREDENZA_INTERNAL_LISTEN", ([127, 0, 0, 1], 8081).into(), ADDRESS)?;
        serving::require_two_addresses(listen, internal_listen)?;
        let connections = source.parsed("CREDENZA_DATABASE_CONNECTIONS", CONNECTIONS, "a number from 1")?;
        let tls = serving::public_tls(source)?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        Ok(Self {
            database,
            listener_database,
            database_connections: connections.get(),
            listen,
            internal_listen,
            tls,
            internal_tls: serving::internal_tls(source)?,
            shutdown: serving::shutdown(source)?,
            secrets: secrets(source)?,
            settings: Settings {
                public_url: public_url(source)?.unwrap_or_else(|| format!("{scheme}://localhost:{}", listen.port())),
                leases: leases(source, listen)?,
                admission: admission(source, connections.get())?,
                connections: serving::connections(source)?,
                cache: Limits { ttl, bytes: bytes.as_u64() },
                trusted_proxies: trusted_proxies(source)?,
                outside_issuer: outside::outside_issuer(source)?,
                retirement: Retirement::default(),
                audit: audit(source)?,
            },
        })
    }
}

/// `CREDENZA_PUBLIC_URL`, without a slash at its end.
pub fn public_url(source: &Source) -> Result<Option<String>, ConfigError> {
    let Some(text) = source.get("CREDENZA_PUBLIC_URL") else { return Ok(None) };
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none() => {
            Ok(Some(text.trim_end_matches('/').to_owned()))
        }
        _ => {
            Err(ConfigError::Wrong("CREDENZA_PUBLIC_URL", "is not a URL such as `https://api.example.com`".to_owned()))
        }
    }
}

/// Leases shorter than this would be lost on a busy machine ...
const SHORTEST_LEASE: Duration = Duration::from_millis(200);
/// ... and a write may have to wait for a longer one with its transaction open.
const LONGEST_LEASE: Duration = Duration::from_secs(5);

fn leases(source: &Source, listen: SocketAddr) -> Result<Leases, ConfigError> {
    let duration = |name, default| {
        let default = humantime::Duration::from(default);
        source.parsed(name, default, "a duration such as `2s` or `500ms`").map(Duration::from)
    };
    let lease = duration("CREDENZA_LEASE", Duration::from_secs(2))?;
    if !(SHORTEST_LEASE..=LONGEST_LEASE).contains(&lease) {
        let message = format!("is not between {SHORTEST_LEASE:?} and {LONGEST_LEASE:?}");
        return Err(ConfigError::Wrong("CREDENZA_LEASE", message));
    }
    let name = source.get("CREDENZA_INSTANCE_NAME").map_or_else(
        || format!("{} {listen} pid {}", uname().nodename().to_string_lossy(), std::process::id()),
        str::to_owned,
    );
    if name.chars().count() > 255 {
        return Err(ConfigError::Wrong("CREDENZA_INSTANCE_NAME", "is longer than 255 characters".to_owned()));
    }
    Ok(Leases {
        name,
        lease,
        serve_stale_for: duration("CREDENZA_SERVE_STALE_FOR", Duration::ZERO)?,
        mutant: mutant(source)?,
    })
}

/// The limits of requests. An account may use a quarter of the connections to the database for reading, and a quarter for
/// writing.
fn admission(source: &Source, database_connections: u32) -> Result<AdmissionSettings, ConfigError> {
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

/// A rate, or none where it is `off`.
fn rate(source: &Source, name: &'static str, per_second: u32) -> Result<Option<Rate>, ConfigError> {
    match source.get(name) {
        None => Ok(NonZeroU32::new(per_second).map(|requests| Rate { requests, per: Duration::from_secs(1) })),
        Some("off") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|()| {
            ConfigError::Wrong(name, "is neither a rate such as `100/s`, `100/min` or `100/h` nor `off`".to_owned())
        }),
    }
}

/// A deliberate fault, for the tests of the promise that leases keep. Release builds know none.
fn mutant(source: &Source) -> Result<Option<Mutant>, ConfigError> {
    const NAME: &str = "CREDENZA_TEST_MUTANT";
    let wrong = |()| ConfigError::Wrong(NAME, "is for tests and not known to this build".to_owned());
    match source.get(NAME) {
        Some(name) if cfg!(debug_assertions) => name.parse().map(Some).map_err(wrong),
        Some(_) => Err(wrong(())),
        None => Ok(None),
    }
}

fn trusted_proxies(source: &Source) -> Result<Vec<IpNet>, ConfigError> {
    let list = source.get("CREDENZA_TRUSTED_PROXIES").unwrap_or_default();
    let wrong = |_| {
        let message = "is not a list of address ranges such as `10.0.0.0/8,fd00::/8`";
        ConfigError::Wrong("CREDENZA_TRUSTED_PROXIES", message.to_owned())
    };
    let ranges = list.split(',').map(str::trim).filter(|range| !range.is_empty());
    ranges.map(|range| parse_range(range).map_err(wrong)).collect()
}

/// How resolves are recorded. There is no way to record none.
fn audit(source: &Source) -> Result<RecordSettings, ConfigError> {
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

/// About 20 MB, and a few seconds of everything that one core can resolve.
const BACKLOG: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();

const ADDRESS: &str = "an address such as `0.0.0.0:8080`";

/// How to connect to a database that a variable names.
pub fn database(source: &Source, name: &'static str) -> Result<Servers, ConfigError> {
    let url = source.get(name).ok_or(ConfigError::Missing(name, DATABASE_WAY_OUT))?;
    Servers::parse(url).map_err(|error| ConfigError::Wrong(name, error.to_string()))
}

const DATABASE_WAY_OUT: &str = "set it to a URL such as postgres://role:password@host/database";

fn secrets(source: &Source) -> Result<Secrets, ConfigError> {
    let pepper = pepper(source)?;
    let audit_key = key(source, "CREDENZA_AUDIT_KEY", "CREDENZA_AUDIT_KEY_FILE")?;
    let audit_key = AuditKey::new(&audit_key).ok_or(ConfigError::Wrong("CREDENZA_AUDIT_KEY", KEY_FORM.to_owned()))?;
    Ok(Secrets { keyring: keys::keyring(source)?, pepper, audit_key })
}

/// Reads the pepper alone, for the command that needs no other secret.
pub fn pepper(source: &Source) -> Result<Pepper, ConfigError> {
    let pepper = key(source, "CREDENZA_KEY_PEPPER", "CREDENZA_KEY_PEPPER_FILE")?;
    Pepper::new(&pepper).ok_or(ConfigError::Wrong("CREDENZA_KEY_PEPPER", KEY_FORM.to_owned()))
}

const KEY_FORM: &str = "is not the base64 of 32 random bytes: `openssl rand -base64 32` prints one";

/// A secret of 32 bytes in base64.
fn key(source: &Source, name: &'static str, file: &'static str) -> Result<SecretSlice<u8>, ConfigError> {
    let text = source.secret(name, file)?;
    let text = text.ok_or(ConfigError::Missing(name, "`openssl rand -base64 32` prints one"))?;
    let bytes = BASE64_STANDARD.decode(text.expose_secret()).map(Zeroizing::new);
    match bytes {
        Ok(bytes) if bytes.len() == 32 && bytes.iter().any(|byte| *byte != bytes[0]) => {
            Ok(SecretSlice::from(bytes.to_vec()))
        }
        _ => Err(ConfigError::Wrong(name, KEY_FORM.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY_A: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
    const KEY_B: &str = "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8=";
    const ZERO: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    fn complete() -> Vec<(&'static str, &'static str)> {
        vec![
            ("DATABASE_URL", "postgres://credenza:hunter2@localhost/credenza"),
            ("CREDENZA_KEY_ENCRYPTION_KEYS", "k1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="),
            ("CREDENZA_KEY_PEPPER", KEY_A),
            ("CREDENZA_AUDIT_KEY", KEY_B),
        ]
    }

    fn with(name: &'static str, value: &'static str) -> Result<Config, ConfigError> {
        let mut pairs = complete();
        pairs.retain(|(other, _)| *other != name);
        pairs.push((name, value));
        Config::load(&Source::from_pairs(pairs))
    }

    #[test]
    fn the_required_settings_suffice_and_the_rest_has_documented_defaults() {
        let config = Config::load(&Source::from_pairs(complete())).unwrap();
        assert_eq!(config.listen.to_string(), "0.0.0.0:8080");
        assert_eq!(config.internal_listen.to_string(), "127.0.0.1:8081");
        assert_eq!(config.settings.cache.ttl, Duration::from_hours(24));
        assert_eq!(config.settings.cache.bytes, 64 << 20);
        let admission = config.settings.admission;
        let per_second = |rate: Option<Rate>| rate.map(|rate| (rate.requests.get(), rate.per.as_secs()));
        assert_eq!(per_second(admission.rate), Some((1000, 1)));
        assert_eq!(per_second(admission.internal_rate), Some((10_000, 1)));
        assert_eq!((admission.in_flight, admission.at_once), (1024, 4));
        assert_eq!(admission.request_timeout, Duration::from_secs(30));
    }

    #[test]
    fn every_missing_weak_or_wrong_setting_is_named_and_no_secret_repeated() {
        for name in ["DATABASE_URL", "CREDENZA_KEY_ENCRYPTION_KEYS", "CREDENZA_KEY_PEPPER", "CREDENZA_AUDIT_KEY"] {
            for value in ["", "hunter2", "k:hunter2"] {
                let message = with(name, value).err().unwrap().to_string();
                assert!(message.starts_with(name), "{message}");
                assert!(!message.contains("hunter2"), "{message}");
            }
        }
        for (name, value) in [
            ("CREDENZA_KEY_PEPPER", ZERO),
            ("CREDENZA_AUDIT_KEY", ZERO),
            ("CREDENZA_KEY_PEPPER", "AQID"),
            ("CREDENZA_LISTEN", "8080"),
            ("CREDENZA_CACHE_TTL", "soon"),
            ("CREDENZA_CACHE_BYTES", "much"),
            ("CREDENZA_CACHE_TTL", "25h"),
            ("CREDENZA_DATABASE_CONNECTIONS", "many"),
            ("CREDENZA_DATABASE_CONNECTIONS", "0"),
            ("CREDENZA_INTERNAL_LISTEN", "127.0.0.1:8080"),
            ("CREDENZA_SHUTDOWN_GRACE", "soon"),
            ("CREDENZA_DRAIN_LIMIT", "1h"),
            ("CREDENZA_TLS_CERT", "/nowhere"),
            ("CREDENZA_TLS_KEY", "/nowhere"),
            ("CREDENZA_INTERNAL_TLS_CERT", "/nowhere"),
            ("CREDENZA_INTERNAL_TLS_CLIENT_CA", "/nowhere"),
            ("CREDENZA_OIDC_AUDIENCE", "us"),
            ("CREDENZA_OIDC_JWKS_URL", "ftp://x"),
            ("CREDENZA_PUBLIC_URL", "api.example.com"),
            ("CREDENZA_RATE_LIMIT", "0"),
            ("CREDENZA_INTERNAL_RATE_LIMIT", "100/fortnight"),
            ("CREDENZA_MAX_REQUESTS", "0"),
            ("CREDENZA_REQUEST_TIMEOUT", "30"),
            ("CREDENZA_MAX_BODY_BYTES", "1MiB"),
            ("CREDENZA_MAX_CONNECTIONS", "15"),
            ("CREDENZA_IDLE_TIMEOUT", "0s"),
            ("CREDENZA_TRUSTED_PROXIES", "10.0.0.0/33"),
            ("CREDENZA_LISTENER_DATABASE_URL", "mysql://x"),
            ("CREDENZA_MASTER_KEYS_FILE", "/nowhere"),
            ("CREDENZA_AUDIT_RESOLVES", "off"),
            ("CREDENZA_AUDIT_BACKLOG", "0"),
        ] {
            let message = with(name, value).err().unwrap().to_string();
            assert!(message.contains(name), "{message}");
        }
    }
}
