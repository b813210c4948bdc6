//! The table `data_keys`.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Generate, Key};
use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgExecutor};
use zeroize::Zeroizing;

use super::data_key::DataKey;
use super::keyring::Keyring;
use super::{OpenError, SealError};
use crate::types::AccountId;

/// A wrapped data key of an account.
#[derive(sqlx::FromRow)]
pub(super) struct Row {
    pub(super) generation: i32,
    pub(super) kek_id: String,
    wrapped: Vec<u8>,
}

impl Row {
    /// A fresh data key, wrapped.
    pub(super) fn wrap(keyring: &Keyring, account: AccountId, generation: u32) -> Result<Self, SealError> {
        let data_key = Zeroizing::new(<[u8; 32]>::from(Key::<Aes256Gcm>::try_generate().map_err(|_| SealError)?));
        let (kek_id, wrapped) = keyring.wrap(account, generation, &data_key)?;
        Ok(Self { generation: generation.cast_signed(), kek_id, wrapped })
    }

    /// The data key, ready to use.
    pub(super) fn unwrap(&self, keyring: &Keyring, account: AccountId) -> Result<DataKey, OpenError> {
        let generation = self.generation.cast_unsigned();
        Ok(DataKey::new(generation, &keyring.unwrap(account, generation, &self.kek_id, &self.wrapped)?))
    }
}

/// A data key with its owner.
#[derive(sqlx::FromRow)]
pub(super) struct OwnedRow {
    #[sqlx(rename = "account_id")]
    pub account: AccountId,
    #[sqlx(flatten)]
    pub key: Row,
}

/// Data keys of every account, from behind the one that is named.
pub(super) async fn page(
    connection: &mut PgConnection,
    account: AccountId,
    generation: i32,
    limit: i64,
) -> Result<Vec<OwnedRow>, sqlx::Error> {
    sqlx::query_as(
        "select account_id, generation, kek_id, wrapped from data_keys where (account_id, generation) > ($1, $2)
         order by account_id, generation limit $3",
    )
    .bind(account)
    .bind(generation)
    .bind(limit)
    .fetch_all(connection)
    .await
}

/// The account's newest data key.
pub(super) async fn newest(connection: &mut PgConnection, account: AccountId) -> Result<Option<Row>, sqlx::Error> {
    sqlx::query_as(
        "select generation, kek_id, wrapped from data_keys where account_id = $1 order by generation desc limit 1",
    )
    .bind(account)
    .fetch_optional(connection)
    .await
}

/// The account's data key of one generation.
pub(super) async fn of_generation(
    executor: impl PgExecutor<'_>,
    account: AccountId,
    generation: u32,
) -> Result<Option<Row>, sqlx::Error> {
    sqlx::query_as("select generation, kek_id, wrapped from data_key($1, $2)")
        .bind(account)
        .bind(generation.cast_signed())
        .fetch_optional(executor)
        .await
}

/// Stores a data key, unless the account has one of this generation by now.
pub(super) async fn insert(
    connection: &mut PgConnection,
    account: AccountId,
    row: &Row,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into data_keys (account_id, generation, kek_id, wrapped, created_at) values ($1, $2, $3, $4, $5)
         on conflict on constraint data_keys_pkey do nothing",
    )
    .bind(account)
    .bind(row.generation)
    .bind(&row.kek_id)
    .bind(&row.wrapped)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}
