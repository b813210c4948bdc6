//! Headers of requests: conditions, and the key under which a request is carried out once.

use axum::http::HeaderName;
use axum::http::header::IF_MATCH;
use serde_json::{Value, json};

use crate::http::dialect::{IN_PROGRESS, KEY_REUSED, PRECONDITION_FAILED};
use crate::http::extract::caller::X_ACCOUNT_ID;
use crate::http::extract::idempotency::{IDEMPOTENCY_KEY, MAX_KEY};

/// `*`, or a list of tags.
const TAGS: &str = r#"^(\*|(W/)?"[!#-~]*"( ?, ?(W/)?"[!#-~]*")*)$"#;

/// An example of a tag.
const TAG: &str = "\"XxwG1Ki5Tg-S18Ox5qhdIA\"";

/// Completes the headers that an operation's extractors name, and adds the answers that they lead to.
pub(super) fn complete(operation: &mut Value, only_reads: bool) {
    let named = take_named(operation);
    let takes = |header: &HeaderName| named.iter().any(|name| name.eq_ignore_ascii_case(header.as_str()));
    if takes(&X_ACCOUNT_ID) {
        add_acting_for(operation);
    }
    if takes(&IF_MATCH) {
        add_conditions(operation, only_reads);
        let success = if only_reads { "200" } else { "201" };
        if let Some(success) = operation["responses"].get_mut(success) {
            success["headers"]["ETag"] = etag();
        }
    }
    if takes(&IDEMPOTENCY_KEY) {
        let success = if operation["responses"].get("201").is_some() { "201" } else { "200" };
        add_key(operation, success);
    }
}

/// Takes the headers off that extractors name, and returns their names.
fn take_named(operation: &mut Value) -> Vec<String> {
    let Some(parameters) = operation["parameters"].as_array_mut() else { return vec![] };
    let is_header = |parameter: &Value| parameter["in"] == "header" && parameter["schema"].is_null();
    let names = parameters.extract_if(.., |parameter| is_header(parameter));
    names.filter_map(|parameter| parameter["name"].as_str().map(str::to_owned)).collect()
}

/// Adds the header by which a parent acts for a sub-account.
fn add_acting_for(operation: &mut Value) {
    let about = "Id of a sub-account of the caller's account, to act for it. The caller's own id is as good as none.";
    let schema = json!({ "$ref": "#/components/schemas/AccountNumber" });
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        parameters.push(header("X-Account-Id", about, &schema));
    }
}

fn add_conditions(operation: &mut Value, only_reads: bool) {
    let (match_about, none_about) = if only_reads {
        ("Answers only in one of these states, else 412.", "Answers only if the state is none of these, else 304.")
    } else {
        (
            "Does it only if the credentials for the supplier are in one of these states, by the `ETag` of an earlier \
             answer; `*` stands for any. Else nothing is done, and the answer is 412.",
            "Does it only if the credentials for the supplier are in none of these states; `*`: only if it makes \
             something new. Else nothing is done, and the answer is 412.",
        )
    };
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        let schema = json!({ "type": "string", "pattern": TAGS, "example": TAG });
        parameters.push(header("If-Match", match_about, &schema));
        parameters.push(header("If-None-Match", none_about, &schema));
    }
    operation["responses"]["412"] = json!({ "description": PRECONDITION_FAILED });
    if only_reads {
        operation["responses"]["304"] =
            json!({ "description": "The state is one of those in `If-None-Match`", "headers": { "ETag": etag() } });
    }
}

fn add_key(operation: &mut Value, success: &str) {
    if !operation["parameters"].is_array() {
        operation["parameters"] = json!([]);
    }
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        let about = "Chosen by you, for one request of your account. For 24 hours the same request with the same key is not \
                     carried out again, and gets the answer of the first time, without its secret.";
        let schema = json!({
            "type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[!-~]([ -~]*[!-~])?$",
            "example": "0d9a6c52-7f0e-4a3b-8f61-52d1c1b7e9a4",
        });
        parameters.push(header("Idempotency-Key", about, &schema));
    }
    for (status, sentence) in [("409", IN_PROGRESS), ("422", KEY_REUSED)] {
        // An order has more to say about both.
        if operation["responses"].get(status).is_none() {
            operation["responses"][status] = json!({ "description": sentence });
        }
    }
    let replayed = json!({
        "description": "There if the request was carried out before, and this is the answer of that time.",
        "required": false,
        "schema": { "const": "true" },
    });
    let mut replaying = vec![success];
    if operation["responses"]["409"].get("headers").is_some() {
        replaying.push("409");
    }
    for status in replaying {
        operation["responses"][status]["headers"]["Idempotent-Replayed"] = replayed.clone();
    }
}

fn header(name: &str, about: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "header", "required": false, "description": about, "schema": schema })
}

fn etag() -> Value {
    json!({
        "description": "Names the state of all credentials for the supplier: base, services, passwords. For `If-Match`.",
        "required": true,
        "schema": { "type": "string", "example": TAG },
    })
}
