//! Signs heads of chains, to be kept where nobody who can write the database can reach them. A writer of the database can cut
//! records off the end of a chain together with its head, or put an older copy in its place, and the rest is in order. Only a
//! checkpoint from before shows it.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::chain::{self, AuditKey, Parts};
use super::read_store::{self, Part};
use super::store::AccountHead;
use crate::types::AccountId;

/// Heads of one round trip.
const HEADS: i64 = 500;
/// First word of a checkpoint, and first part that its signature covers.
const TITLE: &str = "credenza-audit-checkpoint-1";

/// The end of a chain at a moment, signed with the audit key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// The account of the chain.
    pub account_id: AccountId,
    /// The number of its last record.
    pub sequence: i64,
    /// The MAC of its last record, in hexadecimal digits.
    pub mac: String,
    /// When it was read.
    pub taken_at: DateTime<Utc>,
    /// HMAC-SHA-256 over all of this, in hexadecimal digits.
    pub signature: String,
}

/// Reason why a text is no checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCheckpoint {
    /// Not of the form that `credenza audit checkpoint` prints.
    #[error("is not a checkpoint")]
    Form,
    /// Changed, or signed with another key.
    #[error("is not signed with this audit key")]
    Signature,
}

/// Reason why no checkpoint was taken.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The head does not fit the records before it: a checkpoint would confirm damage.
    #[error("the end of the chain of account {0} is damaged: run `credenza audit verify`")]
    Damaged(AccountId),
    /// The database cannot be read.
    #[error("the database refused")]
    Database(#[from] sqlx::Error),
}

impl Checkpoint {
    fn new(key: &AuditKey, head: &AccountHead, taken_at: DateTime<Utc>) -> Self {
        let mut checkpoint = Self {
            account_id: head.account_id,
            sequence: head.head.sequence,
            mac: hex(&head.head.mac),
            taken_at,
            signature: String::new(),
        };
        checkpoint.signature = hex(&key.mac(&checkpoint.parts()));
        checkpoint
    }

    fn parts(&self) -> Parts {
        let mut parts = Parts::of(TITLE);
        parts.add_number(Some(self.account_id.0));
        parts.add_number(Some(self.sequence));
        parts.add(Some(self.mac.as_bytes()));
        parts.add_number(Some(self.taken_at.timestamp_micros()));
        parts
    }

    /// Reads a line, in either of the two forms that are printed: words, or JSON.
    pub fn read(line: &str, key: &AuditKey) -> Result<Self, InvalidCheckpoint> {
        let checkpoint = if line.starts_with('{') {
            serde_json::from_str(line).map_err(|_| InvalidCheckpoint::Form)?
        } else {
            Self::read_words(line).ok_or(InvalidCheckpoint::Form)?
        };
        let signature = from_hex(&checkpoint.signature).ok_or(InvalidCheckpoint::Form)?;
        if !key.matches(&checkpoint.parts(), &signature) {
            return Err(InvalidCheckpoint::Signature);
        }
        Ok(checkpoint)
    }

    fn read_words(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix(TITLE)?.split_ascii_whitespace();
        let mut value = |name: &str| words.next()?.strip_prefix(name)?.strip_prefix('=');
        Some(Self {
            account_id: AccountId(value("account")?.parse().ok()?),
            sequence: value("sequence")?.parse().ok()?,
            mac: value("mac")?.to_owned(),
            taken_at: value("at")?.parse().ok()?,
            signature: value("signature")?.to_owned(),
        })
    }

    pub(super) fn mac(&self) -> Option<Vec<u8>> {
        from_hex(&self.mac)
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account_id, sequence, mac, taken_at, signature } = self;
        let at = taken_at.format("%Y-%m-%dT%H:%M:%S%.6fZ");
        write!(f, "{TITLE} account={account_id} sequence={sequence} mac={mac} at={at} signature={signature}")
    }
}

/// Takes a checkpoint of every chain, or of one account's, and passes each to `hand_on`. Verifies the end of each chain only;
/// `verify` walks all of it.
pub async fn take(
    connection: &mut PgConnection,
    key: &AuditKey,
    account: Option<AccountId>,
    now: DateTime<Utc>,
    mut hand_on: impl FnMut(&Checkpoint),
) -> Result<(), CheckpointError> {
    read_store::freeze_snapshot(connection).await?;
    let (first, last) = range(account);
    let mut part = Part { after: (first, 0), last, limit: HEADS };
    loop {
        let heads = read_store::heads(connection, part).await?;
        let Some(end) = heads.last() else { return Ok(()) };
        part.after = (end.account_id, 0);
        for head in heads {
            if head.head.sequence == 0 {
                continue;
            }
            if !is_in_order(connection, key, &head).await? {
                return Err(CheckpointError::Damaged(head.account_id));
            }
            hand_on(&Checkpoint::new(key, &head, now));
        }
    }
}

/// Returns whether a head names the last record of its chain, and that record is genuine.
async fn is_in_order(connection: &mut PgConnection, key: &AuditKey, end: &AccountHead) -> Result<bool, sqlx::Error> {
    let (account, last) = (end.account_id, end.head.sequence);
    let records = read_store::records_between(connection, account, last - 1, i64::MAX).await?;
    Ok(match records.as_slice() {
        [record] if last == 1 => record.mac == end.head.mac && chain::follows(key, account, &[], record),
        [previous, record] if record.sequence == last => {
            record.mac == end.head.mac && chain::follows(key, account, &previous.mac, record)
        }
        _ => false,
    })
}

/// Returns the range of accounts: after the first, up to the last.
pub(super) fn range(account: Option<AccountId>) -> (AccountId, AccountId) {
    match account {
        None => (AccountId(i64::MIN), AccountId(i64::MAX)),
        Some(account) => (AccountId(account.0.saturating_sub(1)), account),
    }
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}
