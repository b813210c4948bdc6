//! How the listeners are served and stopped.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{ConfigError, Source};
use crate::admission::ConnectionSettings;

/// The files of a listener's TLS, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, followed by those between it and its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Authorities of clients' certificates, which are then required.
    pub client_ca: Option<PathBuf>,
}

/// How the service stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// For how long it goes on serving while `/readyz` answers that it is not ready, so that load balancers notice.
    pub grace: Duration,
    /// Longest wait for requests under way after that.
    pub drain: Duration,
}

/// Nobody waits longer for a process to end.
const LONGEST: Duration = Duration::from_mins(10);

/// Fewer connections could not be shared between addresses.
const FEWEST_CONNECTIONS: usize = 16;
const SHORTEST_IDLE: Duration = Duration::from_secs(1);
const LONGEST_IDLE: Duration = Duration::from_hours(1);

pub(super) fn shutdown(source: &Source) -> Result<Shutdown, ConfigError> {
    let duration = |name, seconds| {
        let default = humantime::Duration::from(Duration::from_secs(seconds));
        let value: Duration = source.parsed(name, default, "a duration such as `5s` or `500ms`")?.into();
        if value > LONGEST {
            return Err(ConfigError::Wrong(name, format!("is longer than {LONGEST:?}")));
        }
        Ok(value)
    };
    Ok(Shutdown { grace: duration("CREDENZA_SHUTDOWN_GRACE", 5)?, drain: duration("CREDENZA_DRAIN_LIMIT", 10)? })
}

/// Reads how many connections there may be, and for how long they may be idle.
pub(super) fn connections(source: &Source) -> Result<ConnectionSettings, ConfigError> {
    const MOST: &str = "CREDENZA_MAX_CONNECTIONS";
    const IDLE: &str = "CREDENZA_IDLE_TIMEOUT";
    let default = ConnectionSettings::default();
    let most = source.parsed(MOST, default.most, "a number")?;
    if most < FEWEST_CONNECTIONS {
        return Err(ConfigError::Wrong(MOST, format!("is less than {FEWEST_CONNECTIONS}")));
    }
    let idle: Duration =
        source.parsed(IDLE, humantime::Duration::from(default.idle), "a duration such as `75s`")?.into();
    if !(SHORTEST_IDLE..=LONGEST_IDLE).contains(&idle) {
        return Err(ConfigError::Wrong(IDLE, format!("is not between {SHORTEST_IDLE:?} and {LONGEST_IDLE:?}")));
    }
    Ok(ConnectionSettings { most, idle })
}

/// TLS of the public listener, if it has any.
pub(super) fn public_tls(source: &Source) -> Result<Option<TlsFiles>, ConfigError> {
    tls_files(source, "CREDENZA_TLS_CERT", "CREDENZA_TLS_KEY")
}

/// TLS of the internal listener, if it has any.
pub(super) fn internal_tls(source: &Source) -> Result<Option<TlsFiles>, ConfigError> {
    const CLIENT_CA: &str = "CREDENZA_INTERNAL_TLS_CLIENT_CA";
    let files = tls_files(source, "CREDENZA_INTERNAL_TLS_CERT", "CREDENZA_INTERNAL_TLS_KEY")?;
    let client_ca = source.get(CLIENT_CA).map(PathBuf::from);
    match (files, client_ca) {
        (Some(files), client_ca) => Ok(Some(TlsFiles { client_ca, ..files })),
        (None, None) => Ok(None),
        // Without TLS nobody presents a certificate, and everybody would be let in.
        (None, Some(_)) => Err(ConfigError::Wrong(
            CLIENT_CA,
            "is set without CREDENZA_INTERNAL_TLS_CERT and CREDENZA_INTERNAL_TLS_KEY: set them as well".to_owned(),
        )),
    }
}

fn tls_files(source: &Source, cert: &'static str, key: &'static str) -> Result<Option<TlsFiles>, ConfigError> {
    let alone = |set, missing| ConfigError::Wrong(set, format!("is set without {missing}: TLS needs both"));
    match (source.get(cert), source.get(key)) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => {
            Ok(Some(TlsFiles { certificate: certificate.into(), key: key.into(), client_ca: None }))
        }
        (Some(_), None) => Err(alone(cert, key)),
        (None, Some(_)) => Err(alone(key, cert)),
    }
}

/// Refuses two listeners on one address: the second would fail because another program has it.
pub(super) fn require_two_addresses(public: SocketAddr, internal: SocketAddr) -> Result<(), ConfigError> {
    let same_host = public.ip() == internal.ip() || public.ip().is_unspecified() || internal.ip().is_unspecified();
    if public.port() != 0 && public.port() == internal.port() && same_host {
        let message = "is the address of CREDENZA_LISTEN as well: choose another port".to_owned();
        return Err(ConfigError::Wrong("CREDENZA_INTERNAL_LISTEN", message));
    }
    Ok(())
}
