//! `credenza account`.

use crate::accounts::{self, NewAccount, Plan};
use crate::app::App;
use crate::types::{Email, Name};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Make an account with its first user; prints the account's id
    Create {
        /// Display name
        #[arg(long)]
        name: String,
        /// E-mail of the first user, who owns the account's first keys
        #[arg(long, value_name = "EMAIL")]
        owner: String,
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
            let account = NewAccount {
                name: Name::parse(&name).map_err(|why| anyhow::anyhow!("--name {why}"))?,
                plan,
                subaccounts_enabled: subaccounts,
                owner_email: Email::parse(&owner).map_err(|why| anyhow::anyhow!("--owner {why}"))?,
            };
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
