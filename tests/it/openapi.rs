//! The OpenAPI documents: committed, served, printed, and complete.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use credenza::http::{self, Listener, internal_router};
use credenza::principal::Scope;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::TestApp;
use crate::support::openapi::{document, operations};
use crate::support::program::{credenza, run};

const BOTH: [Listener; 2] = [Listener::Public, Listener::Internal];

#[allow(clippy::disallowed_methods, reason = "the tests' own settings")]
fn to_be_accepted() -> bool {
    std::env::var_os("UPDATE_SNAPSHOTS").is_some()
}

#[test]
fn the_committed_documents_are_those_of_the_code() {
    for (listener, file) in [(Listener::Public, "openapi.json"), (Listener::Internal, "openapi-internal.json")] {
        let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
        if to_be_accepted() {
            fs::write(&path, http::openapi(listener)).unwrap();
        }
        assert!(
            fs::read_to_string(path).unwrap_or_default() == http::openapi(listener),
            "{file} differs; if that is meant, accept it with UPDATE_SNAPSHOTS=1 cargo test --test it openapi"
        );
    }
}

#[tokio::test]
async fn each_listener_answers_its_own_document() {
    let app = TestApp::start().await;
    let internal = internal_router(Arc::clone(&app.app));
    for (router, listener) in [(&app.public, Listener::Public), (&internal, Listener::Internal)] {
        let request = Request::get("/openapi.json").body(Body::empty()).unwrap();
        let answer = app.send_to(router, request).await;
        answer.expect_text(200, http::openapi(listener));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        answer.expect_edge_headers();
    }
}

#[tokio::test]
async fn the_command_prints_either_document() {
    for (arguments, listener) in
        [(&["openapi"][..], Listener::Public), (&["openapi", "--internal"], Listener::Internal)]
    {
        let printed = run(credenza(arguments), "").await;
        assert_eq!(printed.done(), http::openapi(listener).trim_end());
    }
}

/// Every value of a document, with its place.
fn walk<'a>(value: &'a Value, place: &str, visit: &mut impl FnMut(&str, &'a Value)) {
    visit(place, value);
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| walk(member, &format!("{place}/{name}"), visit));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| walk(item, &format!("{place}/{index}"), visit));
        }
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_everything_is_referred_to() {
    for document in BOTH.map(document) {
        let mut used = BTreeSet::new();
        walk(&document, "", &mut |place, value| {
            if let Some(reference) = value["$ref"].as_str() {
                let target = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(target).is_some(), "{place} refers to {reference}");
                used.insert(target.to_owned());
            }
        });
        for kind in ["schemas", "responses", "headers"] {
            for name in document["components"][kind].as_object().unwrap().keys() {
                assert!(used.contains(&format!("/components/{kind}/{name}")), "nothing refers to {name}");
            }
        }
    }
}

#[test]
fn every_operation_is_documented_with_its_parameters_and_answers() {
    for document in BOTH.map(document) {
        let tags: Vec<_> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
        let mut ids = BTreeSet::new();
        for (path, method, operation) in operations(&document) {
            let place = format!("{method} {path}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{place}: its id is taken");
            assert!(!operation["summary"].as_str().unwrap().is_empty(), "{place}");
            assert!(tags.contains(&&operation["tags"][0]), "{place}");
            let named = path.matches('{').count();
            let described = operation["parameters"].as_array().unwrap().iter();
            assert_eq!(described.filter(|parameter| parameter["in"] == "path").count(), named, "{place}");
            if let Some(body) = operation.get("requestBody") {
                assert_examples(&place, &body["content"]);
            }
            for (status, answer) in operation["responses"].as_object().unwrap() {
                let reference = answer["$ref"].as_str().map(|reference| reference.strip_prefix('#').unwrap());
                let answer = reference.map_or(answer, |place| document.pointer(place).unwrap());
                for header in ["X-Request-Id", "Cache-Control"] {
                    assert!(answer["headers"].get(header).is_some(), "{place} {status}");
                }
                match answer.get("content") {
                    Some(content) => assert_examples(&place, content),
                    None => assert!(["200", "204", "304"].contains(&status.as_str()), "{place} {status} has no body"),
                }
            }
        }
    }
}

fn assert_examples(place: &str, content: &Value) {
    for (media, body) in content.as_object().unwrap() {
        assert!(!media.contains(';'), "{place}: {media} is a media type and more");
        assert!(body.get("example").is_some() || media.starts_with("text/"), "{place}: {media} has no example");
        assert!(body["schema"].is_object(), "{place}");
    }
}

/// A reader takes an example for an answer.
#[test]
fn the_examples_are_answers_that_could_be_given() {
    for document in BOTH.map(document) {
        for (path, method, operation) in operations(&document) {
            for (status, answer) in operation["responses"].as_object().unwrap() {
                let place = format!("{method} {path} {status}");
                let example = answer.pointer("/content/application~1json/example").unwrap_or(&Value::Null);
                walk(example, &place, &mut |place, value| assert!(value != "text" && value != "", "{place}: {value}"));
                if example.get("error").is_some() {
                    assert_eq!(example["error"] == "invalid_client", status == "401", "{place}: {example}");
                }
            }
        }
    }
    let example = |listener: Listener, path: &str, method: &str| {
        let path = path.replace('/', "~1");
        let place = format!("/paths/{path}/{method}/responses/200/content/application~1json/example");
        document(listener).pointer(&place).unwrap().clone()
    };
    assert_eq!(example(Listener::Internal, "/internal/v1/resolve/batch", "post")[0]["status"], 200);
    let page = example(Listener::Public, "/extra/v2/audit-events", "get");
    assert_eq!(page["next"], page["results"][0]["sequence"]);
    let key = &example(Listener::Public, "/.well-known/jwks.json", "get")["keys"][0];
    let members = format!(r#"{{"e":{},"kty":{},"n":{}}}"#, key["e"], key["kty"], key["n"]);
    assert_eq!(key["kid"], BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(members)), "RFC 7638 §3");
}

#[test]
fn a_listener_names_no_address_that_it_does_not_serve() {
    for document in BOTH.map(document) {
        walk(&document["components"]["securitySchemes"], "", &mut |place, value| {
            if let Some(url) = value["tokenUrl"].as_str() {
                assert!(document["paths"].get(url).is_some(), "{place}: {url}");
            }
        });
    }
}

/// The alternatives are ways to present one and the same right.
#[test]
fn every_way_to_present_oneself_is_defined_and_needs_the_same_scopes() {
    for document in BOTH.map(document) {
        let schemes = document["components"]["securitySchemes"].as_object().unwrap();
        let scopes = Scope::ALL.map(Scope::as_str);
        for (path, _, operation) in operations(&document) {
            for requirement in operation["security"].as_array().unwrap() {
                for (scheme, needed) in requirement.as_object().unwrap() {
                    assert!(schemes.contains_key(scheme), "{path}: {scheme}");
                    for scope in needed.as_array().unwrap() {
                        assert!(scopes.contains(&scope.as_str().unwrap()), "{path}: {scope}");
                    }
                    assert_eq!(
                        needed,
                        operation["security"][0].as_object().unwrap().values().next().unwrap(),
                        "{path}: {scheme}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn the_examples_of_requests_are_accepted_as_they_stand() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let document = document(Listener::Public);
    let example = |path: &str, method: &str| {
        let place =
            format!("/paths/{}/{method}/requestBody/content/application~1json/example", path.replace('/', "~1"));
        document.pointer(&place).unwrap().clone()
    };
    let base = "/extra/v2/credentials";
    caller.post(base, example(base, "post")).await.expect(201);
    let services = format!("{base}/{{supplier_code}}/services");
    caller.post(&format!("{base}/HIT/services"), example(&services, "post")).await.expect(201);
    let subaccounts = "/extra/v2/subaccounts";
    let made = caller.post(subaccounts, example(subaccounts, "post")).await.expect(201);
    let path = format!("{subaccounts}/{}", made["id"]);
    caller.patch(&path, example(&format!("{subaccounts}/{{id}}"), "patch")).await.expect(200);
    for path in ["/extra/v2/api-keys", "/extra/v2/oauth-clients"] {
        let made = caller.post(path, example(path, "post")).await.expect(201);
        let rotate = format!("{path}/{}/rotate", made["id"].as_str().unwrap());
        caller.post(&rotate, example(&format!("{path}/{{id}}/rotate"), "post")).await.expect(201);
    }
}

/// JSON Schema's integers are numbers without a fraction, however they are written.
#[tokio::test]
async fn a_whole_number_may_be_written_with_a_fraction_of_zero() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let clients = "/extra/v2/oauth-clients";
    for (ttl, status) in
        [(json!(600), 201), (json!(600.0), 201), (json!(6e2), 201), (json!(600.5), 400), (json!(6e300), 400)]
    {
        caller.post(clients, json!({"name": "n", "access_token_ttl": ttl})).await.expect(status);
    }
    for (ttl, status) in [(json!(null), 201), (json!("600"), 400), (json!(-1), 400), (json!(u64::MAX), 400)] {
        caller.post(clients, json!({"name": "n", "access_token_ttl": ttl})).await.expect(status);
    }
    let resolver = caller.with_scopes(&[credenza::principal::Scope::CredentialsResolve]).await;
    let call = json!({"account_id": format!("{}.0", caller.account).parse::<f64>().unwrap(), "supplier_code": "Nobody", "service": "INV", "environment": "PROD"});
    resolver.post("/internal/v1/resolve", call).await.expect_error(404, "Supplier not found");
}

#[tokio::test]
async fn a_rotation_takes_null_for_nothing() {
    let app = TestApp::start().await;
    let caller = app.account("devs@platform.example").await;
    let made = caller.post("/extra/v2/api-keys", json!({})).await.expect(201);
    let rotate = format!("/extra/v2/api-keys/{}/rotate", made["id"].as_str().unwrap());
    caller.post(&rotate, Value::Null).await.expect(201);
}
