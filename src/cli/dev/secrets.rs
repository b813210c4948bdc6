//! The secrets of a development installation: made once, kept in a file, written out as the settings of every command.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rand::distr::{Alphanumeric, SampleString};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::database::Database;
use super::private_file;
use crate::vault::Keyring;

/// What is made once. Without it, what the database holds cannot be opened.
#[derive(Serialize, Deserialize)]
pub(super) struct DevSecrets {
    master_keys: String,
    key_pepper: String,
    audit_key: String,
    pub owner_password: String,
    pub application_password: String,
}

impl DevSecrets {
    /// The installation's secrets; fresh ones if there is no installation yet.
    pub fn load_or_make(data_dir: &Path) -> anyhow::Result<Self> {
        let path = data_dir.join("secrets.json");
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| format!("`{}` is damaged", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                // The env file is written after the secrets: where there is one, there were secrets.
                if data_dir.join("env").exists() {
                    bail!(
                        "`{}` is gone, and nothing opens without it: restore it, or start anew with an empty folder",
                        path.display()
                    );
                }
                let secrets = Self::make()?;
                private_file::write(&path, &serde_json::to_string_pretty(&secrets)?)?;
                Ok(secrets)
            }
            Err(error) => Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
        }
    }

    fn make() -> anyhow::Result<Self> {
        let key = || BASE64_STANDARD.encode(rand::random::<[u8; 32]>());
        // Letters and digits, so that they stand in a URL as they are.
        let password = || Alphanumeric.sample_string(&mut rand::rng(), 40);
        Ok(Self {
            master_keys: Keyring::generate("dev")?.expose_secret().to_owned(),
            key_pepper: key(),
            audit_key: key(),
            owner_password: password(),
            application_password: password(),
        })
    }

    /// Writes the settings of this installation, for `--env-file`: for commands, and for further instances, which have to
    /// issue the same tokens.
    pub fn write_env_file(&self, data_dir: &Path, database: &Database, public_url: &str) -> anyhow::Result<PathBuf> {
        let path = data_dir.join("env");
        let text = format!(
            "# Settings of this development installation, for `credenza --env-file`. Written anew at every start.\n\
             DATABASE_URL={}\n\
             CREDENZA_LISTENER_DATABASE_URL={}\n\
             CREDENZA_MIGRATION_DATABASE_URL={}\n\
             CREDENZA_MASTER_KEYS={}\n\
             CREDENZA_KEY_PEPPER={}\n\
             CREDENZA_AUDIT_KEY={}\n\
             CREDENZA_PUBLIC_URL={public_url}\n",
            database.application_url(),
            database.listener_url(),
            database.owner_url(),
            self.master_keys,
            self.key_pepper,
            self.audit_key,
        );
        private_file::write(&path, &text)?;
        Ok(path)
    }
}
