//! The secrets of a development installation: made once and kept in a file.

use std::path::Path;

use anyhow::{Context, bail};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use embedded_postgres::private_file;
use rand::distr::{Alphanumeric, SampleString};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::vault::Keyring;

/// The secrets, as in the file. Without them the values in the database cannot be opened.
#[derive(Serialize, Deserialize)]
pub(super) struct DevSecrets {
    pub master_keys: String,
    pub key_pepper: String,
    pub audit_key: String,
    pub owner_password: String,
    pub application_password: String,
}

impl DevSecrets {
    /// Reads the installation's secrets, or makes fresh ones if there is no installation yet.
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
                private_file::write(&path, &serde_json::to_vec_pretty(&secrets)?)
                    .with_context(|| format!("`{}` cannot be written", path.display()))?;
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
}
