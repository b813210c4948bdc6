//! `credenza account`.

use std::io::IsTerminal;

use crate::accounts::{self, NewAccount, Plan};
use crate::app::App;
use crate::postgres::Tenant;
use crate::principal::Actor;
use crate::types::{AccountId, Email, Name, Origin};
use crate::work::Work;

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
        /// The plan of the account
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
    /// Destroy an account for good: its data keys, its credentials, keys, clients and users. Its audit events stay
    Purge {
        /// The account's id
        account: i64,
        /// Do not ask
        #[arg(long)]
        yes: bool,
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
            let create = async |work: &mut Work<'_>| accounts::create(work, &account).await;
            let id = Work::carry_out(app, &Actor::operator(), Tenant::Every, create).await?;
            if json { super::print_json(&serde_json::json!({ "id": id })) } else { super::print_line(&id.to_string()) }
        }
        Command::Origins { account, origins } => {
            let set = async |work: &mut Work<'_>| accounts::set_allowed_origins(work, &origins).await;
            Work::carry_out(app, &Actor::operator(), AccountId(account), set).await?;
            super::print_line(&format!("{} origins", origins.len()))
        }
        Command::Purge { account, yes } => {
            let account = AccountId(account);
            let name = accounts::describe(app, account).await?.name;
            if !yes {
                confirm(account, &name)?;
            }
            let purged = Work::carry_out(app, &Actor::operator(), account, accounts::purge).await?;
            super::print_line(&format!("account {account} is gone, with {} data keys", purged.data_keys))
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

/// Has a person type the id of what they are about to destroy.
fn confirm(account: AccountId, name: &str) -> anyhow::Result<()> {
    let input = std::io::stdin();
    anyhow::ensure!(input.is_terminal(), "this destroys account {account} for good: add --yes to do it without asking");
    // What people called it may hold control characters.
    eprintln!("This destroys account {account} ({}) for good. Type its id to go on:", name.escape_debug());
    let mut line = String::new();
    input.read_line(&mut line)?;
    anyhow::ensure!(line.trim() == account.to_string(), "nothing was destroyed");
    Ok(())
}

/// Refuses an account that does not exist.
pub(super) async fn require(app: &App, account: AccountId) -> anyhow::Result<()> {
    anyhow::ensure!(app.statuses.get(account).await?.is_some(), "there is no account {account}");
    Ok(())
}
