//! Fingerprints of the installation's secrets: each secret leaves one in the database when it is first used, so that
//! another secret is noticed before it does damage. A fingerprint is a keyed check value, from which nobody learns anything
//! about the secret.

mod store;

use std::fmt;

use chrono::{DateTime, Utc};

use crate::audit;
use crate::context::Context;
use crate::error::Error;
use crate::postgres::{self, Tenant};
use crate::vault::{CheckValue, KeyCheck};
use store::Row;

/// A secret of the installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// The key-encryption key of this name.
    KeyEncryptionKey(String),
    /// The pepper of API keys.
    KeyPepper,
    /// The key of the audit chains.
    AuditKey,
}

impl fmt::Display for Secret {
    /// Writes the name that fingerprints are stored under.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyEncryptionKey(name) => write!(f, "key-encryption key {name}"),
            Self::KeyPepper => f.write_str("key pepper"),
            Self::AuditKey => f.write_str("audit key"),
        }
    }
}

/// A secret of the settings that is another one than this database was used with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignSecret {
    /// The secret.
    pub secret: Secret,
    /// Time when the right one was first used; none if values that it made tell them apart, and no fingerprint.
    pub first_used_at: Option<DateTime<Utc>>,
}

/// The secrets of the settings, compared with those that this database was used with.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Those that are others.
    pub foreign: Vec<ForeignSecret>,
    /// Those that have no fingerprint here.
    pub new: Vec<Secret>,
    /// Those whose fingerprint is of a version that a key service has given up.
    pub outdated: Vec<Secret>,
    /// Those that could not be compared, because a key service does not answer.
    pub unanswered: Vec<Secret>,
}

/// Compares the secrets, and changes nothing.
pub async fn compare(context: &Context) -> Result<Comparison, Error> {
    let mut transaction = context.read(Tenant::Every).await?;
    let rows = store::all(&mut transaction).await?;
    drop(transaction);
    let row_of = |secret: &Secret| rows.iter().find(|row| row.secret == secret.to_string());
    let mut comparison = Comparison::default();

    let check_value = |name: &str| {
        let row = row_of(&Secret::KeyEncryptionKey(name.to_owned()))?;
        Some(CheckValue { kek_id: row.kek_id.clone()?, wrapped: row.fingerprint.clone() })
    };
    for (name, check) in context.vault.check_keys(check_value).await? {
        let secret = Secret::KeyEncryptionKey(name);
        match check {
            KeyCheck::Same => {}
            KeyCheck::New => comparison.new.push(secret),
            KeyCheck::Outdated => comparison.outdated.push(secret),
            KeyCheck::Unanswered => comparison.unanswered.push(secret),
            KeyCheck::Other => comparison.push_foreign(secret, &rows),
        }
    }
    for (secret, fingerprint) in
        [(Secret::KeyPepper, context.pepper.fingerprint()), (Secret::AuditKey, context.audit_key.fingerprint())]
    {
        let is_other = match row_of(&secret) {
            Some(row) => row.fingerprint != fingerprint,
            // Chains that were made before fingerprints decide.
            None if secret == Secret::AuditKey => {
                let ends = audit::chain_ends(&context.pool, &context.audit_key).await?;
                ends.looked_at > 0 && ends.fitting == 0
            }
            None => false,
        };
        match (is_other, row_of(&secret)) {
            (true, _) => comparison.push_foreign(secret, &rows),
            (false, None) => comparison.new.push(secret),
            (false, Some(_)) => {}
        }
    }
    Ok(comparison)
}

impl Comparison {
    fn push_foreign(&mut self, secret: Secret, rows: &[Row]) {
        let first_used_at = rows.iter().find(|row| row.secret == secret.to_string()).map(|row| row.first_used_at);
        self.foreign.push(ForeignSecret { secret, first_used_at });
    }
}

/// Compares the secrets, and leaves fingerprints of those that are used for the first time. Of two that come first with
/// different ones, the second finds that its own is foreign.
pub async fn compare_and_leave(context: &Context) -> Result<Comparison, Error> {
    let comparison = compare(context).await?;
    if !comparison.foreign.is_empty() || (comparison.new.is_empty() && comparison.outdated.is_empty()) {
        return Ok(comparison);
    }
    for secret in &comparison.new {
        if let Some(row) = make(context, secret).await? {
            let mut transaction = postgres::begin(&context.pool, Tenant::Every).await?;
            store::insert(&mut transaction, &row).await?;
            transaction.commit().await?;
        }
    }
    for secret in &comparison.outdated {
        if let Some(row) = make(context, secret).await? {
            let mut transaction = postgres::begin(&context.pool, Tenant::Every).await?;
            store::replace(&mut transaction, &row).await?;
            transaction.commit().await?;
        }
    }
    compare(context).await
}

/// Makes the fingerprint of a secret; `None` if a key service does not answer.
async fn make(context: &Context, secret: &Secret) -> Result<Option<Row>, Error> {
    let (fingerprint, kek_id) = match secret {
        Secret::KeyPepper => (context.pepper.fingerprint(), None),
        Secret::AuditKey => (context.audit_key.fingerprint(), None),
        Secret::KeyEncryptionKey(name) => match context.vault.make_check_value(name).await? {
            Some(CheckValue { kek_id, wrapped }) => (wrapped, Some(kek_id)),
            None => return Ok(None),
        },
    };
    Ok(Some(Row { secret: secret.to_string(), fingerprint, kek_id, first_used_at: context.clock.now() }))
}
