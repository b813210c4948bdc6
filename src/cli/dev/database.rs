//! The database of a development installation: an embedded Postgres, or the one that `DATABASE_URL` names.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use embedded_postgres::{Embedded, Error, Options};

use super::secrets::DevSecrets;
use crate::cli::progress;
use crate::config::Source;
use crate::postgres::bootstrap::{APPLICATION, DATABASE, OWNER, bootstrap};

/// An open database, with its URLs.
pub(super) struct Database {
    embedded: Option<Embedded>,
    application_url: String,
    owner_url: String,
    listener_url: String,
    admin_url: String,
}

impl Database {
    /// Starts the embedded server, unless `DATABASE_URL` names another database.
    pub async fn open(source: &Source, data_dir: &Path, secrets: &DevSecrets) -> anyhow::Result<Self> {
        if let Some(url) = source.get("DATABASE_URL") {
            progress("using the database of DATABASE_URL");
            let owner_url = source.get("CREDENZA_MIGRATION_DATABASE_URL").unwrap_or(url).to_owned();
            return Ok(Self {
                embedded: None,
                application_url: url.to_owned(),
                listener_url: source.get("CREDENZA_LISTENER_DATABASE_URL").unwrap_or(url).to_owned(),
                admin_url: owner_url.clone(),
                owner_url,
            });
        }
        progress("starting Postgres");
        let options = Options {
            application: "credenza",
            data_dir: data_dir.to_owned(),
            programs: source.get("CREDENZA_POSTGRES_BIN").map(PathBuf::from),
            search_path: source.search_path(),
            durable: true,
            allow_download: true,
        };
        let embedded = Embedded::start(options, &mut progress).await.map_err(explain)?;
        let application_url = embedded.url(APPLICATION, &secrets.application_password, DATABASE);
        let database = Self {
            listener_url: application_url.clone(),
            application_url,
            owner_url: embedded.url(OWNER, &secrets.owner_password, DATABASE),
            admin_url: embedded.admin_url(DATABASE),
            embedded: None,
        };
        bootstrap(&embedded.admin_options("postgres"), &secrets.owner_password, &secrets.application_password)
            .await
            .context("the embedded database could not be prepared")?;
        Ok(Self { embedded: Some(embedded), ..database })
    }

    /// Returns the service's URL.
    pub fn application_url(&self) -> &str {
        &self.application_url
    }

    /// Returns the change feed's URL.
    pub fn listener_url(&self) -> &str {
        &self.listener_url
    }

    /// Returns the URL for migrations.
    pub fn owner_url(&self) -> &str {
        &self.owner_url
    }

    /// Returns the URL for a person with `psql` or `pg_dump`.
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }

    /// Completes when the embedded server, if there is one, has ended by itself.
    pub async fn ended(&mut self) {
        match &mut self.embedded {
            Some(embedded) => embedded.ended().await,
            None => std::future::pending().await,
        }
    }

    /// Returns the log of the embedded server, if there is one.
    pub fn log_file(&self) -> Option<&Path> {
        self.embedded.as_ref().map(Embedded::log_file)
    }

    /// Stops the embedded server, if there is one.
    pub async fn close(self) -> anyhow::Result<()> {
        match self.embedded {
            Some(embedded) => Ok(embedded.stop().await?),
            None => Ok(()),
        }
    }
}

/// Adds the settings of this program that help.
fn explain(error: Error) -> anyhow::Error {
    match &error {
        Error::Setting { .. } => anyhow!(error).context("CREDENZA_POSTGRES_BIN"),
        Error::Version { .. } => anyhow!("{error}. CREDENZA_POSTGRES_BIN names the folder of the programs"),
        Error::NoPrograms { .. } | Error::NoAccount | Error::Wheel { .. } => {
            anyhow!("{error}\nWith DATABASE_URL this program uses a PostgreSQL that already runs.")
        }
        _ => anyhow!(error),
    }
}
