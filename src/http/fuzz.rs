//! Properties of the parsers of queries, JSON bodies and `X-Forwarded-For`.

#![allow(clippy::missing_panics_doc, reason = "a panic is what a fuzzer looks for")]

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue};
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded;

use crate::http::edge::client_address::client_address;
use crate::http::extract::body::{self, Object};
use crate::http::extract::number::whole;
use crate::http::extract::query;
use crate::http::fields::{Fault, FieldError};
use crate::types::{ClientAddress, parse_range};

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    service: Option<String>,
    environment: Option<String>,
    limit: Option<u32>,
}

/// Only the operation's own parameters are taken, each once, as they were written; a refusal repeats no value.
pub fn query(input: &[u8]) {
    let pairs: Vec<_> = form_urlencoded::parse(input).into_owned().collect();
    let names: HashSet<_> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    match query::parse::<Parameters>(input) {
        Ok(read) => {
            assert_eq!(names.len(), pairs.len(), "none came twice");
            let values: HashMap<_, _> = pairs.iter().cloned().collect();
            let value = |name| values.get(name).map(String::as_str);
            assert_eq!(
                (read.service.as_deref(), read.environment.as_deref()),
                (value("service"), value("environment"))
            );
            assert_eq!(read.limit, value("limit").map(|limit| limit.parse().unwrap_or(u32::MAX)));
            assert!(names.iter().all(|name| ["service", "environment", "limit"].contains(name)));
        }
        Err(error) => {
            let field = refusal(error);
            assert!(field.field == "query" || names.contains(field.field.as_str()), "{field:?}");
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    supplier_code: Option<String>,
    password: Option<SecretString>,
    #[serde(default, deserialize_with = "whole")]
    number: Option<i64>,
    nested: Option<Object<Nested>>,
    list: Option<Vec<Object<Nested>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nested {
    username: Option<String>,
}

/// Reads the same as a reader of any JSON; a refusal names members of objects and repeats no value.
pub fn json_body(input: &[u8]) {
    let json = serde_json::from_slice::<Value>(input);
    match body::parse::<Object<Body>>(input) {
        Ok(Object(body)) => {
            let Ok(json) = json else { panic!("only JSON is read") };
            assert!(json.is_object());
            let text = |name: &str| json[name].as_str();
            assert_eq!(body.supplier_code.as_deref(), text("supplier_code"));
            assert_eq!(body.password.as_ref().map(ExposeSecret::expose_secret), text("password"));
            #[allow(clippy::cast_precision_loss, clippy::float_cmp, reason = "what `whole` promises of such numbers")]
            let same =
                |number: i64| json["number"].as_i64() == Some(number) || json["number"].as_f64() == Some(number as f64);
            assert!(body.number.map_or(json["number"].is_null(), same));
            let nested = |place: &Value, Object(nested): &Object<Nested>| {
                assert!(place.is_object() && nested.username.as_deref() == place["username"].as_str());
            };
            body.nested.iter().for_each(|one| nested(&json["nested"], one));
            body.list.iter().flatten().enumerate().for_each(|(index, one)| nested(&json["list"][index], one));
        }
        Err(error) => {
            let field = refusal(error);
            let mut known: HashSet<String> =
                ["body", "supplier_code", "password", "number", "nested", "list", "username"].map(str::to_owned).into();
            let Ok(json) = json else { return };
            names(&json, &mut known);
            let parts = field.field.split(['.', '[', ']']).filter(|part| part.parse::<usize>().is_err());
            // A name may itself have points in it.
            let told = known.contains(&field.field)
                || parts.filter(|part| !part.is_empty()).all(|part| known.iter().any(|name| name.contains(part)));
            assert!(told, "{field:?}");
        }
    }
}

/// The names of every member of every object.
fn names(json: &Value, found: &mut HashSet<String>) {
    match json {
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            found.insert(name.clone());
            names(member, found);
        }),
        Value::Array(items) => items.iter().for_each(|item| names(item, found)),
        _ => {}
    }
}

/// The field of a refusal, whose fault is one of a parser's, and so has no text of the caller's.
fn refusal(field: FieldError) -> FieldError {
    let is_of_a_parser = matches!(
        field.fault,
        Fault::UnknownParameter
            | Fault::UnreadableParameter
            | Fault::UnreadableQuery
            | Fault::GivenTwice
            | Fault::Json(_)
            | Fault::JsonAt(..)
            | Fault::MalformedJson(_)
    );
    assert!(is_of_a_parser, "{field:?}");
    assert!(field.field.len() <= 64 && !field.field.contains(char::is_control), "{field:?}");
    field
}

/// Nobody but a trusted proxy is believed, an entry that cannot be read is nobody, and a client's own entries never change the
/// address that the proxies give it. The first byte chooses the peer, the rest is headers, one a line.
pub fn forwarded_for(input: &[u8]) {
    let (choice, headers) = input.split_first().unwrap_or((&0, &[]));
    let peers: [IpAddr; 4] = [
        [10, 0, 0, 1].into(),
        [192, 0, 2, 1].into(),
        [0xfd00, 0, 0, 0, 0, 0, 0, 1].into(),
        [0, 0, 0, 0, 0, 0xffff, 0x0a00, 1].into(),
    ];
    let peer = peers[usize::from(*choice) % peers.len()];
    let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"].iter().filter_map(|range| parse_range(range).ok()).collect();
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(&address));
    let values: Vec<_> =
        headers.split(|byte| *byte == b'\n').filter_map(|value| HeaderValue::from_bytes(value).ok()).collect();
    let client = |values: &[HeaderValue]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x-forwarded-for", value.clone());
        }
        client_address(peer, &headers, &trusted)
    };

    let found = client(&values);
    let everywhere = ["0.0.0.0/0", "::/0"].map(|range| parse_range(range).unwrap_or_default());
    match &found {
        ClientAddress::Known(address) => assert_eq!(*address, address.to_canonical()),
        ClientAddress::Unreadable(text) => {
            assert!(text.len() <= 80 && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text:?}");
            assert!(!found.is_in(&everywhere));
        }
    }
    if !is_trusted(peer.to_canonical()) {
        assert_eq!(found, peer.into());
        return;
    }
    // One after another, and none passed over: the client is the last one that is no proxy, or the first of all.
    let entries: Vec<_> = values.iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).collect();
    let read = |entry: &&[u8]| client(&HeaderValue::from_bytes(entry).into_iter().collect::<Vec<_>>());
    let expected = entries.iter().rev().map(read).find(|address| !address.is_in(&trusted));
    assert_eq!(found, expected.or_else(|| entries.first().map(read)).unwrap_or_else(|| peer.into()));
    // Several headers are one list.
    let lines: Vec<_> = values.iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b","[..]))
        && !values.is_empty()
    {
        assert_eq!(client(&[joined]), found);
    }
    if !found.is_in(&trusted) {
        let more = [&[HeaderValue::from_static("198.51.100.66, 10.0.0.9")], values.as_slice()].concat();
        assert_eq!(client(&more), found);
    }
}
