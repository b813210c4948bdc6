//! `credenza keys`.

use anyhow::ensure;
use chrono::SecondsFormat;
use secrecy::ExposeSecret;
use serde_json::json;

use super::progress::Bar;
use crate::app::App;
use crate::config::Source;
use crate::rotation::{self, Scope};
use crate::types::AccountId;
use crate::vault::{KekStatus, Keyring};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Print a fresh key-encryption key, as CREDENZA_KEY_ENCRYPTION_KEYS takes it
    Generate {
        /// The key's name: letters, digits, '.', '_' and '-'
        #[arg(long, default_value = "k1")]
        id: String,
    },
    /// Tell which key-encryption keys still wrap something, and which are safe to remove; exit 1 if one is missing
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Wrap every data key under the first key-encryption key, and close the others; can be stopped and run again
    Rewrap,
    /// Make new data keys and seal every value under them; can be stopped and run again
    RotateData {
        /// Only those of this account; 0 is the operator, whose data key seals default credentials and signing keys
        #[arg(long)]
        account: Option<i64>,
    },
}

pub(super) async fn run(command: Command, source: &Source) -> anyhow::Result<()> {
    match command {
        Command::Generate { id } => {
            let key = Keyring::generate(&id)?;
            ensure!(Keyring::parse(&key).is_ok(), "--id must be 1 to 64 letters, digits, '.', '_' or '-'");
            super::print_line(key.expose_secret())
        }
        Command::Status { json } => status(&*super::app(source).await?, json).await,
        Command::Rewrap => rewrap(&*super::app(source).await?).await,
        Command::RotateData { account } => {
            let app = super::app(source).await?;
            let scope = match account.map(AccountId) {
                None => Scope::Every,
                Some(account) => {
                    if account != AccountId::OPERATOR {
                        super::account::require(&app, account).await?;
                    }
                    Scope::Account(account)
                }
            };
            rotate_data(&app, scope).await
        }
    }
}

async fn status(app: &App, json: bool) -> anyhow::Result<()> {
    let keys = app.vault.kek_statuses().await?;
    if json {
        super::print_json(&json!({ "keys": keys }))?;
    } else {
        for key in &keys {
            print_status(key)?;
        }
    }
    let missing = keys.iter().any(|key| key.position.is_none() && key.data_keys > 0);
    ensure!(!missing, "a key that is needed is not among the keys of the settings");
    Ok(())
}

fn print_status(key: &KekStatus) -> anyhow::Result<()> {
    let KekStatus { id, data_keys, accounts, .. } = key;
    super::print_line(&match (data_keys, key.safe_to_remove) {
        (_, true) => format!("key {id}: 0 values need it; safe to remove"),
        (0, false) => format!("key {id}: 0 values need it now; not closed, so it may still be used"),
        _ => format!("key {id}: {data_keys} values need it, data keys of {accounts} accounts"),
    })?;
    let fingerprint = key.fingerprint.as_ref().map(|digits| format!("fingerprint {digits}"));
    let position = match key.position {
        Some(1) => "first in the settings".to_owned(),
        Some(position) => format!("number {position} in the settings"),
        None => "not in the settings".to_owned(),
    };
    let closed = key.closed_at.map(|at| {
        let at = at.to_rfc3339_opts(SecondsFormat::Secs, true);
        format!("closed since {at}; backups from before that need it")
    });
    let details: Vec<_> = [Some(position), fingerprint, closed].into_iter().flatten().collect();
    super::print_line(&format!("    {}", details.join("; ")))
}

async fn rewrap(app: &App) -> anyhow::Result<()> {
    let mut bar = Bar::new();
    let done = rotation::rewrap(app, |progress| bar.show(progress)).await?;
    bar.end();
    super::print_line(&format!("{} data keys were wrapped anew, under {}", done.rewrapped, done.kek_id))?;
    for key in app.vault.kek_statuses().await? {
        print_status(&key)?;
    }
    for (id, why) in &done.unreadable {
        super::note(&format!("data key {} of account {} was left as it is: {why}", id.generation, id.account));
    }
    ensure!(done.unreadable.is_empty(), "{} data keys do not unwrap", done.unreadable.len());
    Ok(())
}

async fn rotate_data(app: &App, scope: Scope) -> anyhow::Result<()> {
    let mut bar = Bar::new();
    let rotated = rotation::rotate_data(app, scope, |progress| bar.show(progress)).await?;
    bar.end();
    if rotated.resumed {
        super::note("went on with a rotation that was interrupted");
    }
    super::print_line(&format!(
        "{} accounts have a new data key; {} values were sealed anew, in {} rows",
        rotated.accounts, rotated.values, rotated.rows
    ))?;
    for fault in &rotated.faults {
        super::note(&format!("left as it is: {fault}"));
    }
    ensure!(rotated.faults.is_empty(), "{} values do not open", rotated.faults.len());
    Ok(())
}
