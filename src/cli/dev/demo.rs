//! The demo account and its three keys. The keys are kept in a file, because the database cannot give them back; so the
//! same folder shows the same keys at every start.

use std::path::Path;

use anyhow::{Context, anyhow};
use embedded_postgres::private_file;
use serde::{Deserialize, Serialize};

use crate::accounts::{self, NewAccount, Plan};
use crate::api_credentials::{self, NewKey};
use crate::api_key::{ApiKey, Kind};
use crate::app::App;
use crate::postgres::Tenant;
use crate::principal::{Actor, Scope};
use crate::types::{AccountId, Email, Name};
use crate::work::Work;

const ACCOUNT_NAME: &str = "Demo Platform";
const OWNER_EMAIL: &str = "demo@example.com";

/// The demo account and its keys in plain.
pub(super) struct Demo {
    pub account: AccountId,
    pub keys: DemoKeys,
}

/// As in the file.
#[derive(Serialize, Deserialize)]
#[allow(clippy::struct_field_names, reason = "named as in `--json`")]
pub(super) struct DemoKeys {
    pub api_key: String,
    pub resolver_key: String,
    pub public_key: String,
}

impl DemoKeys {
    fn make() -> Self {
        let key = |kind| ApiKey::generate(kind).expose().to_owned();
        Self { api_key: key(Kind::Private), resolver_key: key(Kind::Private), public_key: key(Kind::Public) }
    }

    fn load_or_make(path: &Path) -> anyhow::Result<Self> {
        match std::fs::read(path) {
            Ok(text) => serde_json::from_slice(&text)
                .with_context(|| format!("`{}` is damaged; delete it to get new keys", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let keys = Self::make();
                private_file::write(path, &serde_json::to_vec_pretty(&keys)?)
                    .with_context(|| format!("`{}` cannot be written", path.display()))?;
                Ok(keys)
            }
            Err(error) => Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
        }
    }
}

impl Demo {
    /// The demo account, made if it is not there. The keys' file comes first: if we are killed in between, the next
    /// start stores the keys that the file has.
    pub async fn load_or_make(app: &App, data_dir: &Path) -> anyhow::Result<Self> {
        let keys = DemoKeys::load_or_make(&data_dir.join("demo-keys.json"))?;
        let existing = accounts::list(app).await?.into_iter().find(|account| account.name == ACCOUNT_NAME);
        let account = if let Some(account) = existing {
            account.id
        } else {
            let new = new_account()?;
            let create = async |work: &mut Work<'_>| accounts::create(work, &new).await;
            Work::carry_out(app, &Actor::operator(), Tenant::Every, create).await?
        };
        let wanted = [
            ("Demo", &keys.api_key, Scope::DEFAULT.to_vec(), false),
            ("Demo resolver", &keys.resolver_key, vec![Scope::CredentialsResolve], true),
            ("Demo public", &keys.public_key, vec![], false),
        ];
        for (name, text, scopes, is_operator) in wanted {
            let key = ApiKey::parse(text).map_err(|why| anyhow!("`demo-keys.json` holds {why}"))?;
            let new = NewKey { is_operator, ..NewKey::new(name_of(name)?, key.kind(), scopes) };
            let ensure = async |work: &mut Work<'_>| api_credentials::ensure(work, &new, &key).await;
            Work::carry_out(app, &Actor::operator(), account, ensure).await?;
        }
        Ok(Self { account, keys })
    }
}

fn new_account() -> anyhow::Result<NewAccount> {
    Ok(NewAccount {
        name: name_of(ACCOUNT_NAME)?,
        plan: Plan::Enterprise,
        subaccounts_enabled: true,
        owner_email: Email::parse(OWNER_EMAIL).map_err(|why| anyhow!("`{OWNER_EMAIL}` {why}"))?,
    })
}

fn name_of(text: &str) -> anyhow::Result<Name> {
    Name::parse(text).map_err(|why| anyhow!("`{text}` {why}"))
}
