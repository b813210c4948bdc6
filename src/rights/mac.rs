//! The MAC over everything that a row's rights follow from.

use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::api_key::Pepper;
use crate::types::AccountId;

/// The purpose of the key, which is derived from the pepper only for this.
const PURPOSE: &str = "credenza rights 1";

/// A MAC in the making. Each part has its length before it, so that no two rows look alike.
pub(crate) struct RightsMac(Hmac<Sha256>);

impl RightsMac {
    /// Begins with the row itself: a MAC serves in no other row.
    pub fn of_row(pepper: &Pepper, table: &str, account: AccountId, key: &str) -> Self {
        let mut mac = Self(pepper.macs_for(PURPOSE));
        mac.bytes(table.as_bytes());
        mac.bytes(&account.0.to_be_bytes());
        mac.bytes(key.as_bytes());
        mac
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    pub fn texts(&mut self, texts: &[String]) {
        self.bytes(&(texts.len() as u64).to_be_bytes());
        for text in texts {
            self.bytes(text.as_bytes());
        }
    }

    pub fn number(&mut self, number: Option<i64>) {
        match number {
            None => self.bytes(&[]),
            Some(number) => self.bytes(&number.to_be_bytes()),
        }
    }

    pub fn optional_text(&mut self, text: Option<&str>) {
        self.flag(text.is_some());
        self.bytes(text.unwrap_or_default().as_bytes());
    }

    pub fn flag(&mut self, flag: bool) {
        self.bytes(&[u8::from(flag)]);
    }

    /// To the microsecond, as Postgres stores it.
    pub fn moment(&mut self, moment: Option<DateTime<Utc>>) {
        self.number(moment.map(|moment| moment.timestamp_micros()));
    }

    /// The MAC, to be stored.
    pub fn finish(self) -> Vec<u8> {
        self.0.finalize().into_bytes().to_vec()
    }

    /// Compares with a stored one, in constant time. A row without a MAC has no rights.
    pub fn is(self, stored: Option<&[u8]>) -> bool {
        stored.is_some_and(|stored| self.0.verify_slice(stored).is_ok())
    }
}
