//! Settings: the only reader of the environment. Nothing is generated here, and nothing that matters has a default.

mod aliases;
mod audit;
mod calls;
mod database;
mod distinct;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod instance;
mod keys;
mod limits;
mod logging;
mod names;
mod outside;
mod secrets;
mod serving;
mod source;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use bytesize::ByteSize;
use url::Url;

pub use aliases::Renamed;
pub use database::database;
pub use error::ConfigError;
pub use instance::instance_name;
pub use logging::{LogFormat, Logging};
pub use names::{NAMES, Unknown, unknown};
pub use secrets::pepper;
pub use serving::{Shutdown, TlsFiles};
pub use source::Source;

use crate::app::{Secrets, Settings};
use crate::cluster::Limits;
use crate::postgres::Servers;
use crate::vault::Retirement;

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

/// The longest time that a value may be cached, which clients rely on; and the default.
const LONGEST_CACHE_TTL: Duration = Duration::from_hours(24);
/// The connections of the pool, by default.
const CONNECTIONS: NonZeroU32 = NonZeroU32::new(16).unwrap();

impl Config {
    /// Reads and checks every setting.
    pub fn load(source: &Source) -> Result<Self, ConfigError> {
        let database = self::database(source, "DATABASE_URL")?;
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
            secrets: secrets::secrets(source)?,
            settings: Settings {
                public_url: public_url(source)?.unwrap_or_else(|| format!("{scheme}://localhost:{}", listen.port())),
                leases: instance::leases(source, listen)?,
                admission: limits::admission(source, connections.get())?,
                connections: serving::connections(source)?,
                cache: Limits { ttl, bytes: bytes.as_u64() },
                trusted_proxies: limits::trusted_proxies(source)?,
                outside_issuer: outside::outside_issuer(source)?,
                retirement: Retirement::default(),
                audit: audit::audit(source)?,
                call_cache_bytes: calls::cache_bytes(source)?,
                supplier_authorities: calls::authorities(source)?,
            },
        })
    }
}

const ADDRESS: &str = "an address such as `0.0.0.0:8080`";

/// Reads `CREDENZA_PUBLIC_URL`, without a slash at its end.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::Rate;

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
