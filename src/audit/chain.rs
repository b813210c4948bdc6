//! The chain: each event carries an HMAC-SHA-256 over itself and its predecessor's, under a key that is not in the
//! database. Whoever can write the table but does not hold the key cannot change, drop, reorder or invent a record
//! without breaking it.

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;

use super::event::Event;
use super::store::{Head, Record};
use crate::principal::Actor;
use crate::types::AccountId;

/// The key of the chains. Prints nothing.
pub struct AuditKey(SecretSlice<u8>);

impl AuditKey {
    /// Takes the key as the configuration has checked it: 32 bytes.
    pub fn new(key: SecretSlice<u8>) -> Self {
        Self(key)
    }
}

/// The records of new events behind the head of a chain.
pub(super) fn extend(
    key: &AuditKey,
    mut head: Head,
    account: AccountId,
    actor: &Actor,
    now: DateTime<Utc>,
    events: &[Event],
) -> Vec<Record> {
    let principal = actor.principal.as_ref();
    let mut records = Vec::with_capacity(events.len());
    for event in events {
        let mut record = Record {
            sequence: head.sequence + 1,
            occurred_at: now,
            action: event.action.as_str().to_owned(),
            acting_account_id: principal.map(|principal| principal.acting_account),
            user_email: principal.map(|principal| principal.user_email.clone()),
            key_id: principal.and_then(|principal| principal.key_id),
            supplier_code: event.supplier.as_ref().map(ToString::to_string),
            service: event.service.map(|service| service.as_str().to_owned()),
            environment: event.environment.map(|environment| environment.as_str().to_owned()),
            subject_id: event.subject,
            request_id: actor.request_id.clone(),
            client_address: actor.client_address.map(|address| address.to_string()),
            mac: Vec::new(),
        };
        record.mac = mac(key, account, &head.mac, &record);
        head = Head { sequence: record.sequence, mac: record.mac.clone() };
        records.push(record);
    }
    records
}

/// The MAC of a record behind its predecessor. Every part has its length before it, and an absent one differs from an
/// empty one, so that no two records are authenticated alike.
pub(super) fn mac(key: &AuditKey, account: AccountId, previous: &[u8], record: &Record) -> Vec<u8> {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.0.expose_secret()) else { return Vec::new() };
    let mut part = |bytes: Option<&[u8]>| match bytes {
        None => mac.update(&[0]),
        Some(bytes) => {
            mac.update(&[1]);
            mac.update(&(bytes.len() as u64).to_be_bytes());
            mac.update(bytes);
        }
    };
    let text = |text: &Option<String>| text.as_ref().map(|text| text.clone().into_bytes());
    part(Some(b"credenza audit event 1"));
    part(Some(previous));
    part(Some(&account.0.to_be_bytes()));
    part(Some(&record.sequence.to_be_bytes()));
    part(Some(&record.occurred_at.timestamp_micros().to_be_bytes()));
    part(Some(record.action.as_bytes()));
    part(record.acting_account_id.map(|account| account.0.to_be_bytes()).as_ref().map(<[u8; 8]>::as_slice));
    part(text(&record.user_email).as_deref());
    part(record.key_id.as_ref().map(|id| id.as_bytes().as_slice()));
    part(text(&record.supplier_code).as_deref());
    part(text(&record.service).as_deref());
    part(text(&record.environment).as_deref());
    part(record.subject_id.as_ref().map(|id| id.as_bytes().as_slice()));
    part(text(&record.request_id).as_deref());
    part(text(&record.client_address).as_deref());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::super::event::Action;
    use super::*;

    #[test]
    fn records_are_numbered_and_chained_and_depend_on_every_part() {
        let key = AuditKey::new(vec![1; 32].into());
        let events = [Event::new(Action::AccountCreated), Event::new(Action::UserCreated)];
        let genesis = || Head { sequence: 0, mac: Vec::new() };
        let now = DateTime::UNIX_EPOCH;
        let records = extend(&key, genesis(), AccountId(1), &Actor::operator(), now, &events);
        assert_eq!(records.iter().map(|record| record.sequence).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(records[1].mac, mac(&key, AccountId(1), &records[0].mac, &records[1]));

        let macs_with = |key: &AuditKey, account, now| {
            let records = extend(key, genesis(), account, &Actor::operator(), now, &events);
            records[1].mac.clone()
        };
        let other_key = AuditKey::new(vec![2; 32].into());
        assert_ne!(records[1].mac, macs_with(&other_key, AccountId(1), now));
        assert_ne!(records[1].mac, macs_with(&key, AccountId(2), now));
        assert_ne!(records[1].mac, macs_with(&key, AccountId(1), now + chrono::TimeDelta::microseconds(1)));
    }
}
