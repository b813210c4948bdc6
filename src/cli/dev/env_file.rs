//! The file with the settings of a development installation, for `--env-file`: for commands, and for further instances,
//! which have to issue the same tokens.

use std::path::{Path, PathBuf};

use anyhow::Context;
use embedded_postgres::private_file;

use super::database::Database;
use super::secrets::DevSecrets;

/// Writes the file, and returns its path.
pub(super) fn write(
    data_dir: &Path,
    secrets: &DevSecrets,
    database: &Database,
    public_url: &str,
) -> anyhow::Result<PathBuf> {
    let path = data_dir.join("env");
    let text = format!(
        "# Settings of this development installation, for `credenza --env-file`. Written anew at every start.\n\
         DATABASE_URL={}\n\
         CREDENZA_LISTENER_DATABASE_URL={}\n\
         CREDENZA_MIGRATION_DATABASE_URL={}\n\
         CREDENZA_KEY_ENCRYPTION_KEYS={}\n\
         # Its former name, for older versions.\n\
         CREDENZA_MASTER_KEYS={}\n\
         CREDENZA_KEY_PEPPER={}\n\
         CREDENZA_AUDIT_KEY={}\n\
         CREDENZA_PUBLIC_URL={public_url}\n",
        database.application_url(),
        database.listener_url(),
        database.owner_url(),
        secrets.master_keys,
        secrets.master_keys,
        secrets.key_pepper,
        secrets.audit_key,
    );
    private_file::write(&path, text.as_bytes()).with_context(|| format!("`{}` cannot be written", path.display()))?;
    Ok(path)
}
