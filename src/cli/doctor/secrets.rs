//! The installation's secrets against what is stored under them.

use secrecy::{ExposeSecret, SecretString};

use super::finding::Finding;
use crate::api_credentials::find_by_hash;
use crate::api_key::ApiKey;
use crate::app::App;
use crate::audit;

pub(super) async fn master_keys(app: &App) -> Finding {
    const CHECK: &str = "master keys";
    let check = match app.vault.check_data_keys().await {
        Ok(check) => check,
        Err(error) => return Finding::failed(CHECK, &error),
    };
    if check.unreadable == 0 {
        return Finding::ok(CHECK, format!("open all of {} data keys", check.total));
    }
    let found = format!("{} of {} data keys do not open", check.unreadable, check.total);
    if check.missing.is_empty() {
        let advice = "a key of CREDENZA_MASTER_KEYS has the right id and is another key, or rows were changed: \
                      `credenza verify` names them";
        return Finding::wrong(CHECK, found, advice);
    }
    let missing: Vec<_> = check.missing.iter().map(|id| format!("`{id}`")).collect();
    let advice = format!("add {} to CREDENZA_MASTER_KEYS, behind the first", missing.join(", "));
    Finding::wrong(CHECK, found, advice)
}

pub(super) async fn audit_key(app: &App) -> Finding {
    const CHECK: &str = "audit key";
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

/// A pepper leaves no trace but hashes of keys that nobody has, so it takes a key to try it.
pub(super) async fn pepper(app: &App, key: Option<&SecretString>) -> Finding {
    const CHECK: &str = "pepper";
    let Some(key) = key else {
        return Finding::skipped(CHECK, "give a key that should work on standard input, with --key-stdin");
    };
    let key = match ApiKey::parse(key.expose_secret().trim()) {
        Ok(key) => key,
        Err(why) => return Finding::wrong(CHECK, format!("what came on standard input is {why}"), "give a whole key"),
    };
    match find_by_hash(&app.pool, &app.pepper.hash(&key)).await {
        Ok(Some(_)) => Finding::ok(CHECK, "the key is found"),
        Ok(None) => Finding::wrong(
            CHECK,
            "the key is not found",
            "it is a key of another installation, or CREDENZA_KEY_PEPPER is not the one that it was made under",
        ),
        Err(error) => Finding::failed(CHECK, &error),
    }
}
