//! Settings: the only reader of the environment. Nothing is generated here, and nothing that matters has a default.

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytesize::ByteSize;
use ipnet::IpNet;
use rustix::system::uname;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sqlx::postgres::PgConnectOptions;
use url::Url;
use zeroize::Zeroizing;

use crate::admission::{AdmissionSettings, Rate};
use crate::api_key::Pepper;
use crate::app::{Secrets, Settings};
use crate::audit::AuditKey;
use crate::cluster::{Leases, Limits, Mutant};
use crate::oauth::{JwksSource, OutsideSettings};
use crate::types::parse_range;
use crate::vault::{Keyring, KeyringError};

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
    #[error("CREDENZA_MASTER_KEYS cannot be used")]
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

/// Where settings come from: the process's environment over an optional file.
pub struct Source {
    values: HashMap<String, SecretString>,
    search_path: Option<OsString>,
}

impl Source {
    /// Reads the environment and, beneath it, the file of `--env-file`.
    #[allow(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn load(env_file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut values = HashMap::new();
        if let Some(path) = env_file {
            values.extend(read_env_file(path)?);
        }
        // Variables that are not Unicode are not ours, and an empty one is not set, so that it hides nothing of the file.
        for (name, value) in std::env::vars_os() {
            if let (Ok(name), Ok(value)) = (name.into_string(), value.into_string())
                && !value.is_empty()
            {
                values.insert(name, SecretString::from(value));
            }
        }
        Ok(Self { values, search_path: std::env::var_os("PATH") })
    }

    /// The same with the settings of a file over those of the environment: an installation that brings its own settings is
    /// never mistaken for the one that the environment is about.
    pub fn with_file(mut self, path: &Path) -> Result<Self, ConfigError> {
        self.values.extend(read_env_file(path)?);
        Ok(self)
    }

    /// Settings from a list alone, for tests.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let values = pairs.into_iter().map(|(name, value)| (name.to_owned(), SecretString::from(value))).collect();
        Self { values, search_path: None }
    }

    /// A variable that is set to something.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(ExposeSecret::expose_secret).filter(|value| !value.is_empty())
    }

    /// The `PATH`.
    pub fn search_path(&self) -> Option<OsString> {
        self.search_path.clone()
    }

    /// A secret: from the variable itself, or from the file that `<name>_FILE` names.
    fn secret(&self, name: &'static str, file: &'static str) -> Result<Option<SecretString>, ConfigError> {
        match (self.get(name), self.get(file)) {
            (Some(_), Some(_)) => Err(ConfigError::Wrong(name, format!("and {file} are both set: keep one"))),
            (Some(value), None) => Ok(Some(value.into())),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path).map(Zeroizing::new);
                let text = text.map_err(|source| ConfigError::File { what: file, path: path.into(), source })?;
                Ok(Some(text.trim().into()))
            }
            (None, None) => Ok(None),
        }
    }

    fn parsed<T: FromStr>(&self, name: &'static str, default: T, form: &str) -> Result<T, ConfigError> {
        match self.get(name) {
            None => Ok(default),
            Some(value) => value.parse().map_err(|_| ConfigError::Wrong(name, format!("is not {form}"))),
        }
    }
}

fn read_env_file(path: &Path) -> Result<HashMap<String, SecretString>, ConfigError> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|source| ConfigError::File { what: "the env file", path: path.to_owned(), source })?;
    let mut values = HashMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = || ConfigError::EnvLine { path: path.to_owned(), line: index + 1 };
        let (name, value) = line.split_once('=').ok_or_else(wrong)?;
        values.insert(name.trim().to_owned(), SecretString::from(value.trim()));
    }
    Ok(values)
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// What to log, and how.
#[derive(Clone, Debug)]
pub struct Logging {
    /// Directives such as `info` or `info,credenza=debug`.
    pub filter: tracing_subscriber::filter::Targets,
    /// The form.
    pub format: LogFormat,
    /// Where traces go, if anywhere: the base URL of an OTLP endpoint over HTTP.
    pub traces: Option<Url>,
}

impl Logging {
    /// Reads `CREDENZA_LOG`, `CREDENZA_LOG_FORMAT` and `CREDENZA_OTLP_ENDPOINT`.
    pub fn load(source: &Source, default_filter: &str, default_format: LogFormat) -> Result<Self, ConfigError> {
        let filter = source.get("CREDENZA_LOG").unwrap_or(default_filter);
        let filter = filter
            .parse()
            .map_err(|_| ConfigError::Wrong("CREDENZA_LOG", "is not a filter such as `info,sqlx=warn`".to_owned()))?;
        let format = match source.get("CREDENZA_LOG_FORMAT") {
            None => default_format,
            Some("json") => LogFormat::Json,
            Some("text") => LogFormat::Text,
            Some(_) => {
                return Err(ConfigError::Wrong("CREDENZA_LOG_FORMAT", "is neither `json` nor `text`".to_owned()));
            }
        };
        Ok(Self { filter, format, traces: traces(source)? })
    }
}

fn traces(source: &Source) -> Result<Option<Url>, ConfigError> {
    const NAME: &str = "CREDENZA_OTLP_ENDPOINT";
    let Some(text) = source.get(NAME) else { return Ok(None) };
    if cfg!(not(feature = "otel")) {
        let message =
            "is set, and this build sends no traces: build it with `--features otel`, or leave the setting out";
        return Err(ConfigError::Wrong(NAME, message.to_owned()));
    }
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(Some(url)),
        _ => Err(ConfigError::Wrong(NAME, "is not a URL such as `http://localhost:4318`".to_owned())),
    }
}

/// Everything that the service, and the commands that write to its database, need.
pub struct Config {
    /// How the application's role connects.
    pub database: PgConnectOptions,
    /// How the change feed connects: directly, never through a transaction pooler.
    pub listener_database: PgConnectOptions,
    /// Most connections of the pool.
    pub database_connections: u32,
    /// The public listener's address.
    pub listen: SocketAddr,
    /// The internal listener's address.
    pub internal_listen: SocketAddr,
    /// The installation's secrets.
    pub secrets: Secrets,
    /// What else the operator chose.
    pub settings: Settings,
}

impl Config {
    /// Reads and checks every setting.
    pub fn load(source: &Source) -> Result<Self, ConfigError> {
        let database = database(source, "DATABASE_URL")?;
        let listener_database = match source.get("CREDENZA_LISTENER_DATABASE_URL") {
            None => database.clone(),
            Some(_) => self::database(source, "CREDENZA_LISTENER_DATABASE_URL")?,
        };
        let day = humantime::Duration::from(Duration::from_hours(24));
        let ttl = source.parsed("CREDENZA_CACHE_TTL", day, "a duration such as `24h` or `90s`")?;
        let bytes = source.parsed("CREDENZA_CACHE_BYTES", ByteSize::mib(64), "a size such as `64MiB`")?;
        let database_connections = source.parsed("CREDENZA_DATABASE_CONNECTIONS", 16, "a number")?;
        let listen: SocketAddr = source.parsed("CREDENZA_LISTEN", ([0, 0, 0, 0], 8080).into(), ADDRESS)?;
        Ok(Self {
            database,
            listener_database,
            database_connections,
            listen,
            internal_listen: source.parsed("CREDENZA_INTERNAL_LISTEN", ([127, 0, 0, 1], 8081).into(), ADDRESS)?,
            secrets: secrets(source)?,
            settings: Settings {
                public_url: public_url(source)?.unwrap_or_else(|| format!("http://localhost:{}", listen.port())),
                leases: leases(source, listen)?,
                admission: admission(source, database_connections)?,
                cache: Limits { ttl: ttl.into(), bytes: bytes.as_u64() },
                trusted_proxies: trusted_proxies(source)?,
                outside_issuer: outside_issuer(source)?,
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

/// Who may ask how much. An account may use a quarter of the connections to the database for reading, and a quarter for
/// writing.
fn admission(source: &Source, database_connections: u32) -> Result<AdmissionSettings, ConfigError> {
    let duration = humantime::Duration::from(Duration::from_secs(30));
    let in_flight = source.parsed("CREDENZA_MAX_REQUESTS", 1024, "a number")?;
    if in_flight == 0 {
        return Err(ConfigError::Wrong("CREDENZA_MAX_REQUESTS", "is 0, so that no request would be served".to_owned()));
    }
    Ok(AdmissionSettings {
        rate: rate(source, "CREDENZA_RATE_LIMIT", 1000)?,
        internal_rate: rate(source, "CREDENZA_INTERNAL_RATE_LIMIT", 10_000)?,
        in_flight,
        at_once: usize::try_from(database_connections / 4).unwrap_or(1).max(1),
        request_timeout: source.parsed("CREDENZA_REQUEST_TIMEOUT", duration, "a duration such as `30s`")?.into(),
    })
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

/// The outside issuer, if one is named.
fn outside_issuer(source: &Source) -> Result<Option<OutsideSettings>, ConfigError> {
    let Some(issuer) = source.get("CREDENZA_OIDC_ISSUER") else { return Ok(None) };
    let audience = source.get("CREDENZA_OIDC_AUDIENCE").ok_or(ConfigError::Missing(
        "CREDENZA_OIDC_AUDIENCE",
        "with CREDENZA_OIDC_ISSUER it must say what tokens for this service have as `aud`",
    ))?;
    let jwks = match (source.get("CREDENZA_OIDC_JWKS_URL"), source.get("CREDENZA_OIDC_JWKS_FILE")) {
        (Some(url), None) => {
            let wrong = |_| ConfigError::Wrong("CREDENZA_OIDC_JWKS_URL", "is not a URL".to_owned());
            JwksSource::Url(Url::parse(url).map_err(wrong)?)
        }
        (None, Some(path)) => JwksSource::File(path.into()),
        _ => {
            return Err(ConfigError::Missing(
                "CREDENZA_OIDC_JWKS_URL",
                "with CREDENZA_OIDC_ISSUER set it, or CREDENZA_OIDC_JWKS_FILE, but not both",
            ));
        }
    };
    Ok(Some(OutsideSettings {
        issuer: issuer.to_owned(),
        audience: audience.to_owned(),
        jwks,
        account_claim: source.get("CREDENZA_OIDC_ACCOUNT_CLAIM").unwrap_or("account_id").to_owned(),
    }))
}

const ADDRESS: &str = "an address such as `0.0.0.0:8080`";

/// How to connect to a database that a variable names.
pub fn database(source: &Source, name: &'static str) -> Result<PgConnectOptions, ConfigError> {
    let url = source.get(name).ok_or(ConfigError::Missing(name, DATABASE_WAY_OUT))?;
    // The parser's message may repeat parts of the URL, and the URL holds a password. It takes any scheme.
    let wrong = || ConfigError::Wrong(name, "is not a postgres:// URL".to_owned());
    if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
        return Err(wrong());
    }
    url.parse().map_err(|_| wrong())
}

const DATABASE_WAY_OUT: &str = "set it to a URL such as postgres://role:password@host/database";

fn secrets(source: &Source) -> Result<Secrets, ConfigError> {
    let keyring = source.secret("CREDENZA_MASTER_KEYS", "CREDENZA_MASTER_KEYS_FILE")?;
    let keyring = keyring.ok_or(ConfigError::Missing(
        "CREDENZA_MASTER_KEYS",
        "`credenza keys generate` prints a key; keep it safe, nothing opens without it",
    ))?;
    let pepper = key(source, "CREDENZA_KEY_PEPPER", "CREDENZA_KEY_PEPPER_FILE")?;
    let pepper = Pepper::new(&pepper).ok_or(ConfigError::Wrong("CREDENZA_KEY_PEPPER", KEY_FORM.to_owned()))?;
    let audit_key = key(source, "CREDENZA_AUDIT_KEY", "CREDENZA_AUDIT_KEY_FILE")?;
    Ok(Secrets { keyring: Keyring::parse(&keyring)?, pepper, audit_key: AuditKey::new(audit_key) })
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

    const KEY_A: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
    const ZERO: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    fn complete() -> Vec<(&'static str, &'static str)> {
        vec![
            ("DATABASE_URL", "postgres://credenza:hunter2@localhost/credenza"),
            ("CREDENZA_MASTER_KEYS", "k1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="),
            ("CREDENZA_KEY_PEPPER", KEY_A),
            ("CREDENZA_AUDIT_KEY", KEY_A),
        ]
    }

    fn with(name: &'static str, value: &'static str) -> Result<Config, ConfigError> {
        let mut pairs = complete();
        pairs.retain(|(other, _)| *other != name);
        pairs.push((name, value));
        Config::load(&Source::from_pairs(pairs))
    }

    #[test]
    fn what_is_required_is_enough_and_the_rest_has_its_documented_default() {
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
        for name in ["DATABASE_URL", "CREDENZA_MASTER_KEYS", "CREDENZA_KEY_PEPPER", "CREDENZA_AUDIT_KEY"] {
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
            ("CREDENZA_DATABASE_CONNECTIONS", "many"),
            ("CREDENZA_PUBLIC_URL", "api.example.com"),
            ("CREDENZA_RATE_LIMIT", "0"),
            ("CREDENZA_INTERNAL_RATE_LIMIT", "100/fortnight"),
            ("CREDENZA_MAX_REQUESTS", "0"),
            ("CREDENZA_REQUEST_TIMEOUT", "30"),
            ("CREDENZA_TRUSTED_PROXIES", "10.0.0.0/33"),
            ("CREDENZA_LISTENER_DATABASE_URL", "mysql://x"),
            ("CREDENZA_MASTER_KEYS_FILE", "/nowhere"),
        ] {
            let message = with(name, value).err().unwrap().to_string();
            assert!(message.contains(name), "{message}");
        }
    }
}
