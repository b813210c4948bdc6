//! The installation's secrets against what is stored under them.

use secrecy::{ExposeSecret, SecretString};

use super::finding::Finding;
use crate::api_credentials::find_by_hash;
use crate::api_key::ApiKey;
use crate::app::App;
use crate::audit;
use crate::cli::startup;
use crate::error::Error;
use crate::fingerprints::{self, Comparison, Secret};

/// Checks all of them.
pub(super) async fn check(app: &App, key: Option<&SecretString>) -> [Finding; 3] {
    let comparison = fingerprints::compare(app).await;
    let comparison = comparison.as_ref();
    [master_keys(app, comparison).await, audit_key(app, comparison).await, pepper(app, comparison, key).await]
}

/// A comparison with the fingerprints, or the reason why there is none.
type Compared<'a> = Result<&'a Comparison, &'a Error>;

/// Returns what is wrong with a secret by its fingerprint.
fn foreign(check: &'static str, compared: Compared<'_>, is_meant: impl Fn(&Secret) -> bool) -> Option<Finding> {
    match compared {
        Err(error) => Some(Finding::failed(check, error)),
        Ok(comparison) => {
            let foreign = comparison.foreign.iter().find(|foreign| is_meant(&foreign.secret))?;
            Some(Finding::wrong(check, startup::found(foreign), startup::advice(&foreign.secret)))
        }
    }
}

async fn master_keys(app: &App, compared: Compared<'_>) -> Finding {
    const CHECK: &str = "master keys";
    if let Some(finding) = foreign(CHECK, compared, |secret| matches!(secret, Secret::KeyEncryptionKey(_))) {
        return finding;
    }
    let check = match app.vault.check_data_keys().await {
        Ok(check) => check,
        Err(error) => return Finding::failed(CHECK, &error),
    };
    if check.unreadable == 0 {
        return Finding::ok(CHECK, format!("open all of {} data keys", check.total));
    }
    let found = format!("{} of {} data keys do not open", check.unreadable, check.total);
    if check.missing.is_empty() {
        let advice = "a key of CREDENZA_KEY_ENCRYPTION_KEYS (or CREDENZA_MASTER_KEYS) has the right id and is another key, or rows were changed: \
                      `credenza verify` names them";
        return Finding::wrong(CHECK, found, advice);
    }
    let missing: Vec<_> = check.missing.iter().map(|id| format!("`{id}`")).collect();
    let advice = format!(
        "add {} to CREDENZA_KEY_ENCRYPTION_KEYS (or CREDENZA_MASTER_KEYS), behind the first",
        missing.join(", ")
    );
    Finding::wrong(CHECK, found, advice)
}

async fn audit_key(app: &App, compared: Compared<'_>) -> Finding {
    const CHECK: &str = "audit key";
    if let Some(finding) = foreign(CHECK, compared, |secret| *secret == Secret::AuditKey) {
        return finding;
    }
    let ends = match audit::chain_ends(&app.pool, &app.audit_key).await {
        Ok(ends) => ends,
        Err(error) => return Finding::failed(CHECK, &error),
    };
    match (ends.looked_at, ends.fitting) {
        (0, _) => Finding::skipped(CHECK, "nothing is recorded yet"),
        (all, fitting) if fitting == all => Finding::ok(CHECK, format!("fits the last records of {all} chains")),
        (_, 0) => Finding::wrong(
            CHECK,
            "does not fit what is recorded",
            "CREDENZA_AUDIT_KEY is not the one that the records were made with: set that one, or they prove nothing",
        ),
        (all, fitting) => Finding::wrong(
            CHECK,
            format!("fits the last records of {fitting} chains, and not those of {}", all - fitting),
            "records were changed: `credenza verify` says which",
        ),
    }
}

/// Before its first use since there are fingerprints, only a key can tell whether the pepper is the right one.
async fn pepper(app: &App, compared: Compared<'_>, key: Option<&SecretString>) -> Finding {
    const CHECK: &str = "pepper";
    if let Some(finding) = foreign(CHECK, compared, |secret| *secret == Secret::KeyPepper) {
        return finding;
    }
    let Some(key) = key else {
        if compared.is_ok_and(|comparison| !comparison.new.contains(&Secret::KeyPepper)) {
            return Finding::ok(CHECK, "the one that this database has been used with");
        }
        return Finding::skipped(CHECK, "give a key that should work on standard input, with --key-stdin");
    };
    let key = match ApiKey::parse(key.expose_secret().trim()) {
        Ok(key) => key,
        Err(why) => return Finding::wrong(CHECK, format!("what came on standard input is {why}"), "give a whole key"),
    };
    match find_by_hash(&app.pool, &app.pepper.hash(&key), &app.pepper).await {
        Ok(Some(_)) => Finding::ok(CHECK, "the key is found"),
        Ok(None) => Finding::wrong(
            CHECK,
            "the key is not found",
            "it is a key of another installation, or CREDENZA_KEY_PEPPER is not the one that it was made under",
        ),
        Err(error) => Finding::failed(CHECK, &error),
    }
}
