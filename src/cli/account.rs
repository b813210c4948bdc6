//! `credenza account`.

use crate::accounts::{self, NewAccount, Plan};
use crate::app::App;
use crate::types::{AccountId, Name};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Make an account with its first user; prints the account's id
    Create {
        /// Display name
        #[arg(long, value_parser = Name::parse)]
        name: Name,
        /// E-mail of the first user, who owns the account's first keys
        #[arg(long, value_name = "EMAIL", value_parser = email)]
        owner: Name,
        /// What the account may do
        #[arg(long, default_value = "standard", value_parser = ["standard", "enterprise"])]
        plan: String,
        /// Let the account have sub-accounts (plan enterprise)
        #[arg(long)]
        subaccounts: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List every account
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(command: Command, app: &App) -> anyhow::Result<()> {
    match command {
        Command::Create { name, owner, plan, subaccounts, json } => {
            let plan = if plan == Plan::Enterprise.as_str() { Plan::Enterprise } else { Plan::Standard };
            let account = NewAccount { name, plan, subaccounts_enabled: subaccounts, owner_email: owner };
            anyhow::ensure!(!subaccounts || plan == Plan::Enterprise, "--subaccounts needs --plan enterprise");
            let id = accounts::create(app, &account).await?;
            if json { super::print_json(&serde_json::json!({ "id": id })) } else { super::print_line(&id.to_string()) }
        }
        Command::List { json } => {
            let accounts = accounts::list(&app.pool).await?;
            if json {
                return super::print_json(&accounts);
            }
            for account in accounts {
                let state = if account.is_active { "active" } else { "inactive" };
                super::print_line(&format!("{}\t{}\t{state}\t{}", account.id, account.plan, account.name))?;
            }
            Ok(())
        }
    }
}

fn email(text: &str) -> Result<Name, String> {
    let email = Name::parse(text).map_err(|why| why.to_string())?;
    if text.contains('@') { Ok(email) } else { Err("must be an e-mail address".to_owned()) }
}

/// Refuses an account that does not exist.
pub(super) async fn require(app: &App, account: AccountId) -> anyhow::Result<()> {
    anyhow::ensure!(app.statuses.get(account).await?.is_some(), "there is no account {account}");
    Ok(())
}
