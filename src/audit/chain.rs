//! Chains records: each carries an HMAC-SHA-256 over itself and its predecessor's, under a key that is not in the database.
//! Without the key nobody can change, drop, reorder or invent a record without breaking the chain. `docs/AUDIT.md` has the
//! encoding, for verification with another program.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

use super::record::Record;
use crate::types::AccountId;

/// The key of the chains and of their checkpoints. Has no `Debug`.
#[derive(Clone)]
pub struct AuditKey(Hmac<Sha256>);

impl AuditKey {
    /// Takes the key, which the configuration has checked to be 32 bytes.
    pub fn new(key: &SecretSlice<u8>) -> Option<Self> {
        Hmac::new_from_slice(key.expose_secret()).ok().map(Self)
    }

    /// Returns whether the parts have this MAC, in constant time.
    pub(super) fn matches(&self, parts: &Parts, mac: &[u8]) -> bool {
        self.over(parts).verify_slice(mac).is_ok()
    }

    /// Computes the MAC of parts.
    pub(super) fn mac(&self, parts: &Parts) -> Vec<u8> {
        self.over(parts).finalize().into_bytes().to_vec()
    }

    /// Returns a MAC that is another for each key and reveals nothing about it.
    pub fn fingerprint(&self) -> Vec<u8> {
        self.mac(&Parts::of("fingerprint"))
    }

    fn over(&self, parts: &Parts) -> Hmac<Sha256> {
        // A copy of the state after the key, which costs less than beginning anew.
        self.0.clone().chain_update(&parts.0)
    }
}

/// Parts to authenticate, each with its length before it, so that no two lists of parts look alike. An absent part differs
/// from an empty one.
#[derive(Default)]
pub(super) struct Parts(Vec<u8>);

impl Parts {
    /// Begins with the purpose of the parts: the MAC of a record is never the MAC of something else.
    pub fn of(purpose: &str) -> Self {
        let mut parts = Self(Vec::with_capacity(512));
        parts.add(Some(purpose.as_bytes()));
        parts
    }

    pub fn add(&mut self, part: Option<&[u8]>) {
        match part {
            None => self.0.push(0),
            Some(bytes) => {
                self.0.push(1);
                self.0.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
                self.0.extend_from_slice(bytes);
            }
        }
    }

    pub fn add_number(&mut self, number: Option<i64>) {
        self.add(number.map(i64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
    }

    fn add_text(&mut self, text: Option<&impl AsRef<str>>) {
        self.add(text.map(|text| text.as_ref().as_bytes()));
    }
}

/// Lists the parts that the MAC of a record covers, after the MAC of its predecessor; none for a format that this version does
/// not know.
pub(super) fn parts<T: AsRef<str>>(account: AccountId, previous: &[u8], record: &Record<T>) -> Option<Parts> {
    let mut parts = Parts::of(match record.format {
        1 => "credenza audit event 1",
        2 => "credenza audit event 2",
        3 => "credenza audit event 3",
        _ => return None,
    });
    parts.add(Some(previous));
    parts.add_number(Some(account.0));
    parts.add_number(Some(record.sequence));
    parts.add_number(Some(record.occurred_at.timestamp_micros()));
    parts.add_text(Some(&record.action));
    parts.add_number(record.acting_account_id.map(|account| account.0));
    parts.add_text(record.user_email.as_ref());
    parts.add(record.key_id.as_ref().map(|id| id.as_bytes().as_slice()));
    parts.add_text(record.supplier_code.as_ref());
    parts.add_text(record.service.as_ref());
    parts.add_text(record.environment.as_ref());
    parts.add(record.subject_id.as_ref().map(|id| id.as_bytes().as_slice()));
    parts.add_text(record.request_id.as_ref());
    parts.add_text(record.client_address.as_ref());
    if record.format > 1 {
        parts.add_number(record.outcome.map(i64::from));
        parts.add_text(record.source.as_ref());
        parts.add_number(record.asked_account_id.map(|account| account.0));
        parts.add_number(record.since.map(|since| since.timestamp_micros()));
    }
    if record.format > 2 {
        parts.add_text(record.operation.as_ref());
        parts.add_number(record.took_ms);
    }
    record.fits_format().then_some(parts)
}

/// Computes the MAC of a record that follows `previous`. The MAC that it carries does not count.
pub(super) fn mac<T: AsRef<str>>(
    key: &AuditKey,
    account: AccountId,
    previous: &[u8],
    record: &Record<T>,
) -> Option<Vec<u8>> {
    parts(account, previous, record).map(|parts| key.mac(&parts))
}

/// Returns whether a record carries the MAC of a record that follows `previous`.
pub(super) fn follows<T: AsRef<str>>(key: &AuditKey, account: AccountId, previous: &[u8], record: &Record<T>) -> bool {
    parts(account, previous, record).is_some_and(|parts| key.matches(&parts, &record.mac))
}
