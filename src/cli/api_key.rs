//! `credenza api-key`.

use anyhow::anyhow;
use uuid::Uuid;

use crate::api_credentials::{self, NewKey};
use crate::api_key::Kind;
use crate::app::App;
use crate::principal::{Actor, Limits, Scope};
use crate::types::{AccountId, Name};
use crate::work::Work;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Make a key; prints it this once
    Create(Create),
    /// List an account's keys
    List {
        /// The account's id
        #[arg(long)]
        account: i64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Revoke a key, for good; it stops working at once
    Revoke {
        /// The account's id
        #[arg(long)]
        account: i64,
        /// The key's id, as `list` shows it
        id: Uuid,
    },
}

#[derive(clap::Args)]
pub(super) struct Create {
    /// The account's id
    #[arg(long)]
    account: i64,
    /// A name for people
    #[arg(long, default_value = "command line", value_parser = Name::parse)]
    name: Name,
    /// E-mail of the user who owns it; the account's first user if none is named
    #[arg(long, value_name = "EMAIL")]
    user: Option<String>,
    /// For browsers instead of servers
    #[arg(long, conflicts_with_all = ["scopes", "operator"])]
    public: bool,
    /// Rights, comma-separated; all but credentials:resolve if none are named
    #[arg(long, value_delimiter = ',', value_name = "SCOPE", value_parser = super::arguments::scope)]
    scopes: Vec<Scope>,
    /// Address or range that it works from, several times if need be; everywhere if none is named
    #[arg(long = "allowed-ip", value_name = "CIDR")]
    allowed_ips: Vec<String>,
    /// May resolve for any account (with only the scope credentials:resolve, unless others are named)
    #[arg(long)]
    operator: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Create {
    fn scopes(&self) -> Vec<Scope> {
        match (self.public, self.scopes.as_slice(), self.operator) {
            (true, _, _) => vec![],
            (false, [], true) => vec![Scope::CredentialsResolve],
            (false, [], false) => Scope::DEFAULT.to_vec(),
            (false, scopes, _) => scopes.to_vec(),
        }
    }
}

pub(super) async fn run(command: Command, app: &App) -> anyhow::Result<()> {
    match command {
        Command::Create(create) => {
            let (kind, scopes) = (if create.public { Kind::Public } else { Kind::Private }, create.scopes());
            let limits = api_credentials::limits_of_new(kind, &scopes, &create.allowed_ips, None, app.clock.now());
            let Limits { allowed_ips, expires_at } = limits.map_err(|wrong| {
                let wrong: Vec<_> = wrong.iter().map(ToString::to_string).collect();
                anyhow!("{}", wrong.join("; "))
            })?;
            let new = NewKey {
                allowed_ips,
                expires_at,
                is_operator: create.operator,
                user_email: create.user,
                ..NewKey::new(create.name, kind, scopes)
            };
            let account = AccountId(create.account);
            let store = async |work: &mut Work<'_>| api_credentials::create(work, &new).await;
            let (made, key) = Work::carry_out(app, &Actor::operator(), account, store).await?;
            if create.json {
                return super::print_json(&serde_json::json!({ "id": made.id, "key": key.expose() }));
            }
            super::print_line(key.expose())
        }
        Command::List { account, json } => {
            super::account::require(app, AccountId(account)).await?;
            let keys = api_credentials::list(app, AccountId(account)).await?;
            if json {
                return super::print_json(&keys);
            }
            let now = app.clock.now();
            for key in keys {
                let state = match (key.revoked_at, key.expires_at) {
                    (Some(_), _) => "revoked",
                    (None, Some(expiry)) if expiry <= now => "expired",
                    _ => "active",
                };
                super::print_line(&format!("{}\t{}\t{state}\t{}\t{}", key.id, key.masked, key.created_by, key.name))?;
            }
            Ok(())
        }
        Command::Revoke { account, id } => {
            let revoke = async |work: &mut Work<'_>| api_credentials::revoke(work, id).await;
            Work::carry_out(app, &Actor::operator(), AccountId(account), revoke).await?;
            super::print_line("revoked")
        }
    }
}
