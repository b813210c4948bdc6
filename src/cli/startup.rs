//! Refusals of a start: the database's walls are down, or the secrets are others than it was used with.

use anyhow::bail;
use sqlx::PgConnection;

use crate::app::App;
use crate::fingerprints::{self, ForeignSecret, Secret};
use crate::postgres::walls;

/// Refuses a database whose walls are down.
pub(super) async fn require_walls(connection: &mut PgConnection) -> anyhow::Result<()> {
    let mut breaches = walls::of_the_server(connection).await?;
    if breaches.is_empty() {
        breaches = walls::of_the_schema(connection).await?;
    }
    match breaches.as_slice() {
        [] => Ok(()),
        [breach] => bail!("{breach}: {}", breach.advice()),
        [breach, more @ ..] => {
            bail!("{breach}, and {} more, which `credenza doctor` lists: {}", more.len(), breach.advice())
        }
    }
}

/// Refuses secrets that are others than this database was used with, before anything is written with them. Leaves
/// fingerprints of those that are used for the first time.
pub(super) async fn require_same_secrets(app: &App) -> anyhow::Result<()> {
    let comparison = fingerprints::compare_and_leave(app).await?;
    if let Some(foreign) = comparison.foreign.first() {
        bail!("{}: {}", found(foreign), advice(&foreign.secret));
    }
    for secret in &comparison.unanswered {
        tracing::warn!(%secret, "the key service does not answer: the key is checked before it wraps anything");
    }
    Ok(())
}

/// Refuses key-encryption keys that open nothing of what is stored: the instance would answer nothing, and would seal under
/// keys that the others lack.
pub(super) async fn require_a_key_that_opens(app: &App) -> anyhow::Result<()> {
    let keys = app.vault.kek_statuses().await?;
    let needed: Vec<_> = keys.iter().filter(|key| key.data_keys > 0).collect();
    if !needed.is_empty() && needed.iter().all(|key| key.position.is_none()) {
        let ids: Vec<_> = needed.iter().map(|key| format!("`{}`", key.id)).collect();
        bail!(
            "no key of CREDENZA_KEY_ENCRYPTION_KEYS (or CREDENZA_MASTER_KEYS) opens anything that is stored: add {}, after the first",
            ids.join(", ")
        );
    }
    Ok(())
}

/// Returns the sentence about a foreign secret.
pub(super) fn found(foreign: &ForeignSecret) -> String {
    let secret = match &foreign.secret {
        Secret::KeyEncryptionKey(name) => format!("the key-encryption key `{name}`"),
        Secret::KeyPepper => "CREDENZA_KEY_PEPPER".to_owned(),
        Secret::AuditKey => "CREDENZA_AUDIT_KEY".to_owned(),
    };
    match foreign.first_used_at {
        Some(at) => format!("{secret} is not the one that this database has been used with since {}", at.format("%F")),
        None => format!("{secret} is not the one that this database has been used with"),
    }
}

/// Returns the way out.
pub(super) fn advice(secret: &Secret) -> &'static str {
    match secret {
        Secret::KeyEncryptionKey(name) if name.starts_with("transit:") => {
            "CREDENZA_TRANSIT_ADDR, CREDENZA_TRANSIT_MOUNT and CREDENZA_TRANSIT_KEY must lead to the key that wrapped the \
             data keys"
        }
        Secret::KeyEncryptionKey(_) => {
            "a key of CREDENZA_KEY_ENCRYPTION_KEYS (or CREDENZA_MASTER_KEYS) has the right id and is another key: set the right one, or give a new key an id \
             of its own"
        }
        Secret::KeyPepper => "set CREDENZA_KEY_PEPPER to the right one; docs/KEYS.md has what to do if it is lost",
        Secret::AuditKey => "set CREDENZA_AUDIT_KEY to the right one; docs/KEYS.md has what to do if it is lost",
    }
}
