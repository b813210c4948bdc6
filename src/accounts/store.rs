//! The tables `accounts` and `users`.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::{FromRow, PgConnection, PgExecutor, Row};
use uuid::Uuid;

use super::{AccountSummary, NewAccount, Plan};
use crate::api_key::Pepper;
use crate::rights;
use crate::types::{AccountId, Email, Name, Notes, Origin};

/// The state of an account that a request depends on.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct AccountStatus {
    /// Its parent, if it is a sub-account.
    pub parent_id: Option<AccountId>,
    /// Its own flag. Ask [`AccountStatuses::is_active`](super::AccountStatuses::is_active) for what counts.
    pub is_active: bool,
    /// Its plan; a sub-account has its parent's.
    pub plan: String,
    /// Whether it may have sub-accounts.
    pub subaccounts_enabled: bool,
    /// Where browsers may use its public keys from.
    pub allowed_origins: Vec<String>,
}

impl AccountStatus {
    /// The status of an account whose row is not as it was authenticated.
    fn without_rights() -> Self {
        Self {
            parent_id: None,
            is_active: false,
            plan: Plan::Standard.as_str().to_owned(),
            subaccounts_enabled: false,
            allowed_origins: vec![],
        }
    }

    /// Whether it may manage sub-accounts: on the right plan, enabled, and no sub-account itself.
    pub fn may_have_subaccounts(&self) -> bool {
        self.parent_id.is_none() && self.subaccounts_enabled && self.plan == Plan::Enterprise.as_str()
    }
}

/// A sub-account; the fields are the contract's, in its order.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SubAccount {
    /// Its id.
    pub id: AccountId,
    /// Its display name.
    pub name: String,
    /// The parent's name for it; unique among the parent's, also among inactive ones.
    pub external_customer_id: String,
    /// The contact address.
    pub organization_contact_email: Option<String>,
    /// The parent's notes.
    pub account_notes: Option<String>,
    /// The parent's plan.
    pub plan: String,
    /// Whether its keys work.
    pub is_active: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub modified_on: DateTime<Utc>,
}

/// A sub-account to be made.
#[derive(Clone, Debug)]
pub struct NewSubAccount {
    /// Its display name.
    pub name: Name,
    /// The parent's name for it.
    pub external_customer_id: Name,
    /// The contact address; also its first user. Without one, that is the user who makes it,
    /// or the parent's oldest if the maker has no address.
    pub organization_contact_email: Option<Email>,
    /// The parent's notes.
    pub account_notes: Option<Notes>,
}

/// Changes of a sub-account. `None` keeps a field; `Some(None)` clears.
#[derive(Clone, Debug, Default)]
#[allow(clippy::option_option, reason = "kept, cleared and set are three things here")]
pub struct SubAccountUpdate {
    /// Display name.
    pub name: Option<Name>,
    /// The parent's name for it.
    pub external_customer_id: Option<Name>,
    /// The contact address.
    pub organization_contact_email: Option<Option<Email>>,
    /// The parent's notes.
    pub account_notes: Option<Option<Notes>>,
    /// Whether its keys work.
    pub is_active: Option<bool>,
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    account: &NewAccount,
    now: DateTime<Utc>,
) -> Result<AccountId, sqlx::Error> {
    sqlx::query_scalar(
        "insert into accounts (name, plan, subaccounts_enabled, created_at, modified_on)
         values ($1, $2, $3, $4, $4) returning id",
    )
    .bind(account.name.as_str())
    .bind(account.plan.as_str())
    .bind(account.subaccounts_enabled)
    .bind(now)
    .fetch_one(connection)
    .await
}

pub(super) async fn list(connection: &mut PgConnection) -> Result<Vec<AccountSummary>, sqlx::Error> {
    sqlx::query_as(
        "select a.id, a.parent_id, a.name, coalesce(p.plan, a.plan) as plan, a.is_active, a.created_at
         from accounts a left join accounts p on p.id = a.parent_id
         where a.id <> 0 order by a.id",
    )
    .fetch_all(connection)
    .await
}

pub(super) async fn describe(
    connection: &mut PgConnection,
    account: AccountId,
) -> Result<Option<AccountSummary>, sqlx::Error> {
    sqlx::query_as(
        "select id, parent_id, name, coalesce(plan_of_parent(), plan) as plan, is_active, created_at
         from accounts where id = $1 and id <> 0",
    )
    .bind(account)
    .fetch_optional(connection)
    .await
}

/// The account's status. One that is not as it was authenticated gives no right.
pub(super) async fn status(
    executor: impl PgExecutor<'_>,
    account: AccountId,
    pepper: &Pepper,
) -> Result<Option<AccountStatus>, sqlx::Error> {
    let row = sqlx::query(
        "select parent_id, is_active, plan, subaccounts_enabled, allowed_origins, mac from account_status($1)",
    )
    .bind(account)
    .fetch_optional(executor)
    .await?;
    let Some(row) = row else { return Ok(None) };
    if !rights::is_authentic(pepper, &rights::ACCOUNTS, account, "", &row)? {
        return Ok(Some(AccountStatus::without_rights()));
    }
    AccountStatus::from_row(&row).map(Some)
}

/// Whether there is such an account to lock. Users and keys may still refer to it meanwhile.
pub(super) async fn lock(connection: &mut PgConnection, account: AccountId) -> Result<bool, sqlx::Error> {
    let row = sqlx::query("select 1 from accounts where id = $1 and id <> 0 for no key update")
        .bind(account)
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

/// Whether there is such an account to delete. Nobody can refer to it anew until the end of the transaction.
pub(super) async fn lock_to_delete(connection: &mut PgConnection, account: AccountId) -> Result<bool, sqlx::Error> {
    let row = sqlx::query("select 1 from accounts where id = $1 and id <> 0 for update")
        .bind(account)
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

/// Deletes the account, and with it all that refers to it.
pub(super) async fn delete(connection: &mut PgConnection, account: AccountId) -> Result<(), sqlx::Error> {
    sqlx::query("delete from accounts where id = $1 and id <> 0").bind(account).execute(connection).await?;
    Ok(())
}

pub(super) async fn insert_user(
    connection: &mut PgConnection,
    account: AccountId,
    id: Uuid,
    email: &str,
    password_hash: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query("insert into users (account_id, id, email, password_hash, created_at) values ($1, $2, $3, $4, $5)")
        .bind(account)
        .bind(id)
        .bind(email)
        .bind(password_hash)
        .bind(now)
        .execute(connection)
        .await?;
    Ok(())
}

/// Id and argon2 string of a user with a password, if there is such a user.
pub(super) async fn password_hash(
    connection: &mut PgConnection,
    account: AccountId,
    email: &str,
) -> Result<Option<(Uuid, String)>, sqlx::Error> {
    sqlx::query_as(
        "select id, password_hash from users where account_id = $1 and email = $2 and password_hash is not null",
    )
    .bind(account)
    .bind(email)
    .fetch_optional(connection)
    .await
}

/// Id and e-mail of the user with this e-mail, or of the oldest one.
pub(super) async fn find_user(
    connection: &mut PgConnection,
    account: AccountId,
    email: Option<&str>,
) -> Result<Option<(Uuid, String)>, sqlx::Error> {
    sqlx::query_as(
        "select id, email from users where account_id = $1 and ($2::text is null or email = $2)
         order by created_at, id limit 1",
    )
    .bind(account)
    .bind(email)
    .fetch_optional(connection)
    .await
}

/// Whether there is such an account.
pub(super) async fn set_allowed_origins(
    connection: &mut PgConnection,
    account: AccountId,
    origins: &[Origin],
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let updated = sqlx::query("update accounts set allowed_origins = $2, modified_on = $3 where id = $1 and id <> 0")
        .bind(account)
        .bind(origins.iter().map(Origin::as_str).collect::<Vec<_>>())
        .bind(now)
        .execute(connection)
        .await?;
    Ok(updated.rows_affected() > 0)
}

/// Reads the origins that some active account allows, of accounts whose rows are as they were authenticated.
pub(super) async fn allowed_origins(
    connection: &mut PgConnection,
    pepper: &Pepper,
) -> Result<HashSet<String>, sqlx::Error> {
    let rows = sqlx::query(
        "select id, parent_id, is_active, plan, subaccounts_enabled, allowed_origins, mac from accounts
         where is_active and allowed_origins <> '{}' and id <> 0",
    )
    .fetch_all(connection)
    .await?;
    let mut origins = HashSet::new();
    for row in &rows {
        if rights::is_authentic(pepper, &rights::ACCOUNTS, row.try_get("id")?, "", row)? {
            origins.extend(row.try_get::<Vec<String>, _>("allowed_origins")?);
        }
    }
    Ok(origins)
}

/// The query of `list_subaccounts` and `find_subaccount`, without its last condition.
macro_rules! select_subaccounts {
    ($condition:literal) => {
        concat!(
            "select a.id, a.name, a.external_customer_id, a.organization_contact_email, a.account_notes, p.plan,
                 a.is_active, a.created_at, a.modified_on
             from accounts a join accounts p on p.id = a.parent_id
             where a.parent_id = $1 and ",
            $condition
        )
    };
}

pub(super) async fn list_subaccounts(
    connection: &mut PgConnection,
    account: AccountId,
    include_inactive: bool,
) -> Result<Vec<SubAccount>, sqlx::Error> {
    sqlx::query_as(select_subaccounts!("(a.is_active or $2) order by a.id"))
        .bind(account)
        .bind(include_inactive)
        .fetch_all(connection)
        .await
}

pub(super) async fn find_subaccount(
    connection: &mut PgConnection,
    account: AccountId,
    id: AccountId,
) -> Result<Option<SubAccount>, sqlx::Error> {
    sqlx::query_as(select_subaccounts!("a.id = $2")).bind(account).bind(id).fetch_optional(connection).await
}

pub(super) async fn insert_subaccount(
    connection: &mut PgConnection,
    account: AccountId,
    new: &NewSubAccount,
    now: DateTime<Utc>,
) -> Result<AccountId, sqlx::Error> {
    sqlx::query_scalar(
        "insert into accounts (parent_id, name, external_customer_id, organization_contact_email, account_notes,
             created_at, modified_on)
         values ($1, $2, $3, $4, $5, $6, $6) returning id",
    )
    .bind(account)
    .bind(new.name.as_str())
    .bind(new.external_customer_id.as_str())
    .bind(new.organization_contact_email.as_ref().map(Email::as_str))
    .bind(new.account_notes.as_ref().map(Notes::as_str))
    .bind(now)
    .fetch_one(connection)
    .await
}

/// Whether there is such a sub-account.
pub(super) async fn update_subaccount(
    connection: &mut PgConnection,
    account: AccountId,
    id: AccountId,
    update: &SubAccountUpdate,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let updated = sqlx::query(
        "update accounts set
             name = coalesce($3, name),
             external_customer_id = coalesce($4, external_customer_id),
             organization_contact_email = case when $5 then $6 else organization_contact_email end,
             account_notes = case when $7 then $8 else account_notes end,
             is_active = coalesce($9, is_active),
             modified_on = $10
         where parent_id = $1 and id = $2",
    )
    .bind(account)
    .bind(id)
    .bind(update.name.as_ref().map(Name::as_str))
    .bind(update.external_customer_id.as_ref().map(Name::as_str))
    .bind(update.organization_contact_email.is_some())
    .bind(update.organization_contact_email.iter().flatten().next().map(Email::as_str))
    .bind(update.account_notes.is_some())
    .bind(update.account_notes.iter().flatten().next().map(Notes::as_str))
    .bind(update.is_active)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(updated.rows_affected() > 0)
}
