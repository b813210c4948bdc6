//! The chain against an oracle written from `docs/AUDIT.md` only: the documented computation gives the MAC that
//! is stored, for each sequence of steps.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use crate::support::{Caller, TestApp};

/// `CREDENZA_AUDIT_KEY` of the tests' applications.
const KEY: &[u8] = b"@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_";

/// A column as it is authenticated by the document: 8 bytes of a number, 16 of an id, the bytes of a text.
fn bytes(event: &Value, column: &str) -> Option<Vec<u8>> {
    let value = &event[column];
    Some(match column {
        _ if value.is_null() => return None,
        "occurred_at" | "since" => {
            let moment: DateTime<Utc> = value.as_str().unwrap().parse().unwrap();
            moment.timestamp_micros().to_be_bytes().into()
        }
        "key_id" | "subject_id" => value.as_str().unwrap().parse::<Uuid>().unwrap().as_bytes().into(),
        _ => value.as_i64().map_or_else(|| value.as_str().unwrap().into(), |number| number.to_be_bytes().into()),
    })
}

/// The MACs of a chain, from its records in order.
pub fn oracle(events: &[Value]) -> Vec<String> {
    let mut previous = Vec::new();
    let mut macs = Vec::new();
    for event in events {
        let mut input = Vec::new();
        let mut part = |part: Option<&[u8]>| match part {
            None => input.push(0),
            Some(bytes) => {
                input.push(1);
                input.extend((bytes.len() as u64).to_be_bytes());
                input.extend(bytes);
            }
        };
        part(Some(b"credenza audit event 2"));
        part(Some(&previous));
        for column in [
            "account_id",
            "sequence",
            "occurred_at",
            "action",
            "acting_account_id",
            "user_email",
            "key_id",
            "supplier_code",
            "service",
            "environment",
            "subject_id",
            "request_id",
            "client_address",
            "outcome",
            "source",
            "asked_account_id",
            "since",
        ] {
            part(bytes(event, column).as_deref());
        }
        let mut mac = Hmac::<Sha256>::new_from_slice(KEY).unwrap();
        mac.update(&input);
        previous = mac.finalize().into_bytes().to_vec();
        macs.push(previous.iter().fold("\\x".to_owned(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        }));
    }
    macs
}

/// A step of somebody who uses the service.
#[derive(Clone, Debug)]
enum Step {
    Store(&'static str),
    StoreService(&'static str, &'static str),
    Delete(&'static str),
    Resolve(&'static str, &'static str, String),
    Key,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let supplier = prop::sample::select(vec!["HIT", "PCNA", "SanMar"]);
    let service = prop::sample::select(vec!["INV", "PO", "Product"]);
    let step = prop_oneof![
        supplier.clone().prop_map(Step::Store),
        (supplier.clone(), service.clone()).prop_map(|(supplier, service)| Step::StoreService(supplier, service)),
        supplier.clone().prop_map(Step::Delete),
        (supplier, service, "[a-z0-9]{1,40}").prop_map(|(supplier, service, id)| Step::Resolve(supplier, service, id)),
        Just(Step::Key),
    ];
    prop::collection::vec(step, 1..12)
}

impl Step {
    async fn take(&self, caller: &Caller<'_>) {
        match self {
            Step::Store(supplier) => {
                let base = json!({"supplier_code": supplier, "production_username": "u", "production_password": "p"});
                caller.post("/extra/v2/credentials", base).await
            }
            Step::StoreService(supplier, service) => {
                let own = json!({"service": service, "environment": "PROD", "username": "u", "password": "p"});
                caller.post(&format!("/extra/v2/credentials/{supplier}/services"), own).await
            }
            Step::Delete(supplier) => caller.delete(&format!("/extra/v2/credentials/{supplier}")).await,
            Step::Resolve(supplier, service, id) => {
                caller.with_header("x-request-id", id).from("192.0.2.1").resolve(supplier, service, "PROD").await
            }
            Step::Key => caller.post("/extra/v2/api-keys", json!({})).await,
        };
    }
}

#[test]
fn every_chain_equals_the_documents_computation() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(steps in steps())| {
        runtime.block_on(async {
            let app = TestApp::start().await;
            let caller = app.account_that_resolves("devs@platform.example").await;
            for step in &steps {
                step.take(&caller).await;
            }
            app.resolves_are_written().await;
            for account in [0, caller.account.0] {
                let events = app.rows(&format!("select * from audit_events where account_id = {account} order by sequence")).await;
                let stored: Vec<_> = events.iter().map(|event| event["mac"].as_str().unwrap()).collect();
                assert_eq!(stored, oracle(&events));
                let numbers: Vec<_> = events.iter().map(|event| event["sequence"].as_u64().unwrap()).collect();
                assert!(numbers.iter().copied().eq(1..=events.len() as u64), "{numbers:?}");
            }
        });
    });
}
