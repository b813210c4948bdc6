//! `DATABASE_URL`: one server or several, of which the one that takes writes is used.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool, Row};
use tokio::time::timeout;
use url::Url;

use super::limits::with_limits;

/// Longest wait for one of several servers.
const CONNECT: Duration = Duration::from_secs(2);

/// Parameters of a URL that are honoured. The others are refused: one that is passed over in silence misleads.
const PARAMETERS: [&str; 12] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
];

/// Why a URL is not used. Never repeats a value of it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is none.
    #[error("is not a postgres:// URL")]
    Form,
    /// A parameter would have no effect.
    #[error("has the parameter `{0}`, which Credenza does not honour: take it out")]
    Parameter(String),
    /// Another kind of server is asked for.
    #[error(
        "asks with `target_session_attrs` for another server than one that takes writes, which is the only one that is used: write `read-write`, or take it out"
    )]
    OtherServer,
    /// The parameter names several.
    #[error(
        "names several hosts in a parameter: write them before the path, as in postgres://role@one:5432,two:5432/database"
    )]
    HostsInParameter,
}

/// The servers of a URL, in its order. Cheap to clone.
#[derive(Clone)]
pub struct Servers {
    all: Arc<[PgConnectOptions]>,
    /// Index of the server that is used.
    current: Arc<AtomicUsize>,
    /// Pools that go where the current one is.
    pools: Arc<Mutex<Vec<PgPool>>>,
}

impl Servers {
    /// Reads a URL with one host or several, separated by commas, each with or without its port.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        let rest =
            url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://")).ok_or(UrlError::Form)?;
        let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        let tail = without_target(tail)?;
        let servers = hosts.split(',').map(|host| {
            let several = hosts.contains(',');
            if several && host.is_empty() {
                return Err(UrlError::Form);
            }
            format!("postgres://{user}{host}{tail}").parse().map_err(|_| UrlError::Form)
        });
        Ok(Self::of(servers.collect::<Result<Vec<_>, _>>()?))
    }

    fn of(servers: Vec<PgConnectOptions>) -> Self {
        Self { all: servers.into(), current: Arc::default(), pools: Arc::default() }
    }

    /// How to connect to the server that is used.
    pub fn current(&self) -> &PgConnectOptions {
        &self.all[self.current.load(Ordering::Relaxed) % self.all.len()]
    }

    /// The role that connects.
    pub fn username(&self) -> &str {
        self.current().get_username()
    }

    /// Makes a pool that connects when it is first used, with our limits, always to the server that is used.
    pub fn lazy_pool(&self, options: PgPoolOptions) -> PgPool {
        let pool = options.connect_lazy_with(with_limits(self.current()));
        if self.all.len() > 1 {
            self.pools.lock().unwrap_or_else(PoisonError::into_inner).push(pool.clone());
        }
        pool
    }

    /// Looks for the server that takes writes, if there are several, from the one that is used onwards; and lets the pools go
    /// there.
    ///
    /// # Errors
    /// Why the last of them is not it, if none is.
    pub async fn follow(&self) -> Result<(), sqlx::Error> {
        let count = self.all.len();
        let first = self.current.load(Ordering::Relaxed);
        let mut result = Ok(());
        for index in (first..first + count).map(|index| index % count).filter(|_| count > 1) {
            result = match timeout(CONNECT, is_primary(&self.all[index])).await {
                Ok(Ok(true)) => {
                    self.use_server(index);
                    return Ok(());
                }
                Ok(Ok(false)) => Err(sqlx::Error::Protocol("no server takes writes".to_owned())),
                Ok(Err(error)) => Err(error),
                Err(_) => Err(sqlx::Error::PoolTimedOut),
            };
        }
        result
    }

    fn use_server(&self, index: usize) {
        if self.current.swap(index, Ordering::Relaxed) == index {
            return;
        }
        tracing::info!(
            host = self.all[index].get_host(),
            port = self.all[index].get_port(),
            "this server takes writes"
        );
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|pool| !pool.is_closed());
        for pool in &*pools {
            pool.set_connect_options(with_limits(&self.all[index]));
        }
    }
}

impl From<&PgConnectOptions> for Servers {
    fn from(server: &PgConnectOptions) -> Self {
        Self::of(vec![server.clone()])
    }
}

impl From<PgConnectOptions> for Servers {
    fn from(server: PgConnectOptions) -> Self {
        Self::of(vec![server])
    }
}

impl From<&Servers> for Servers {
    fn from(servers: &Servers) -> Self {
        servers.clone()
    }
}

/// The rest of a URL without `target_session_attrs`, if every other parameter is one that is honoured.
fn without_target(tail: &str) -> Result<String, UrlError> {
    let (path, Some(query)) = (match tail.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (tail, None),
    }) else {
        return Ok(tail.to_owned());
    };
    let mut kept = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        // A whole URL, so that escapes are read as the parser of the connection reads them.
        let parsed = Url::parse(&format!("postgres://h/?{part}")).map_err(|_| UrlError::Form)?;
        let Some((name, value)) = parsed.query_pairs().next() else { continue };
        match &*name {
            "target_session_attrs" if matches!(&*value, "read-write" | "primary") => {}
            "target_session_attrs" => return Err(UrlError::OtherServer),
            "host" | "hostaddr" | "port" if value.contains(',') => return Err(UrlError::HostsInParameter),
            name if PARAMETERS.contains(&name) || name.starts_with("options[") || name == "options" => kept.push(part),
            name => return Err(UrlError::Parameter(name.to_owned())),
        }
    }
    Ok(if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) })
}

async fn is_primary(server: &PgConnectOptions) -> Result<bool, sqlx::Error> {
    let mut connection = server.connect().await?;
    let takes_writes = takes_writes(&mut connection).await?;
    let _ = connection.close().await;
    Ok(takes_writes)
}

/// Asks whether the server of a connection takes writes.
pub(super) async fn takes_writes(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    // In the simple protocol: one round trip, and no prepared statement that a pooler could mix up.
    sqlx::raw_sql("select not pg_is_in_recovery() and current_setting('transaction_read_only') = 'off'")
        .fetch_one(connection)
        .await?
        .try_get(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(url: &str) -> Vec<(String, u16)> {
        let servers = Servers::parse(url).unwrap();
        servers.all.iter().map(|server| (server.get_host().to_owned(), server.get_port())).collect()
    }

    fn refused(url: &str) -> UrlError {
        Servers::parse(url).err().unwrap()
    }

    #[test]
    fn a_url_names_one_server_or_several() {
        assert_eq!(hosts("postgres://u:p@pg1:5433/db"), [("pg1".to_owned(), 5433)]);
        let several =
            "postgresql://u:p%40s@pg1:5433,pg2,10.0.0.3:5435/db?sslmode=disable&target_session_attrs=read-write";
        assert_eq!(hosts(several).len(), 3);
        assert_eq!(hosts(several)[2], ("10.0.0.3".to_owned(), 5435));
        let servers = Servers::parse(several).unwrap();
        assert!(servers.all.iter().all(|server| server.get_database() == Some("db") && server.get_username() == "u"));
        assert_eq!(servers.current().get_host(), "pg1");
        let socket = Servers::parse("postgres://u@localhost/db?host=%2Ftmp%2Fx").unwrap();
        assert_eq!(socket.current().get_socket().unwrap().to_str(), Some("/tmp/x"));
    }

    #[test]
    fn a_parameter_that_would_have_no_effect_is_refused() {
        let parameter = |name: &str| UrlError::Parameter(name.to_owned());
        assert_eq!(refused("postgres://u@h/db?channel_binding=require"), parameter("channel_binding"));
        assert_eq!(refused("postgres://u@h/db?sslmode=disable&connect_timeout=3"), parameter("connect_timeout"));
        for wanted in ["any", "standby", "prefer-standby", "read-only", ""] {
            assert_eq!(refused(&format!("postgres://u@h/db?target_session_attrs={wanted}")), UrlError::OtherServer);
        }
        assert_eq!(refused("postgres://u@localhost/db?host=a,b"), UrlError::HostsInParameter);
        for form in ["mysql://h/db", "postgres://u@a,,b/db", "postgres://u@a:x/db", ""] {
            assert_eq!(refused(form), UrlError::Form, "{form}");
        }
    }
}
