//! `credenza account`.

use crate::accounts::{self, NewAccount, Plan};
use crate::app::App;
use crate::principal::Actor;
use crate::types::{AccountId, Email, Name, Origin};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Make an account with its first user; prints the account's id
    Create {
        /// Display name
        #[arg(long, value_parser = Name::parse)]
        name: Name,
        /// E-mail of the first user, who owns the account's first keys
        #[arg(long, value_name = "EMAIL", value_parser = Email::parse)]
        owner: Email,
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
    /// Set where browsers may use the account's public keys from
    Origins {
        /// The account's id
        #[arg(long)]
        account: i64,
        /// An origin such as https://shop.example.com; none at all ends all use
        #[arg(value_parser = Origin::parse)]
        origins: Vec<Origin>,
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
        Command::Origins { account, origins } => {
            accounts::set_allowed_origins(app, &Actor::operator(), AccountId(account), &origins).await?;
            super::print_line(&format!("{} origins", origins.len()))
        }
        Command::List { json } => {
            let accounts = accounts::list(app).await?;
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

/// Refuses an account that does not exist.
pub(super) async fn require(app: &App, account: AccountId) -> anyhow::Result<()> {
    anyhow::ensure!(app.statuses.get(account).await?.is_some(), "there is no account {account}");
    Ok(())
}
