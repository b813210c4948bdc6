//! The settings of the database.

use super::{ConfigError, Source};
use crate::postgres::Servers;

/// Reads how to connect to the database that a variable names.
pub fn database(source: &Source, name: &'static str) -> Result<Servers, ConfigError> {
    let url = source.get(name).ok_or(ConfigError::Missing(name, DATABASE_WAY_OUT))?;
    Servers::parse(url).map_err(|error| ConfigError::Wrong(name, error.to_string()))
}

const DATABASE_WAY_OUT: &str = "set it to a URL such as postgres://role:password@host/database";
