//! What a request may carry beside its body: the conditions under which it is carried out.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::http::error::plain;

/// Operations that take conditions (`http/conditions.rs`).
const CONDITIONAL: [&str; 5] = [
    "get_credentials",
    "upsert_credentials",
    "delete_credentials",
    "upsert_service_credentials",
    "delete_service_credentials",
];

/// Operations whose success shows the tag of the state, each with its status.
const TAGGED: [(&str, &str); 3] =
    [("get_credentials", "200"), ("upsert_credentials", "201"), ("upsert_service_credentials", "201")];

/// `*`, or a list of tags.
const TAGS: &str = r#"^(\*|(W/)?"[!#-~]*"( ?, ?(W/)?"[!#-~]*")*)$"#;

/// An example of a tag.
const TAG: &str = "\"5f1c06d4a8b94e0f92d7c3b1e6a85d20\"";

/// Adds the headers that an operation takes and the answers that they lead to.
pub(super) fn complete(operation: &mut Value) {
    let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    if CONDITIONAL.contains(&id.as_str()) {
        add_conditions(operation, id == "get_credentials");
    }
    if let Some((_, status)) = TAGGED.iter().find(|(tagged, _)| *tagged == id) {
        operation["responses"][*status]["headers"]["ETag"] = etag();
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
        parameters.push(header("If-Match", match_about));
        parameters.push(header("If-None-Match", none_about));
    }
    operation["responses"]["412"] = json!({ "description": plain(StatusCode::PRECONDITION_FAILED).1.detail });
    if only_reads {
        operation["responses"]["304"] =
            json!({ "description": "The state is one of those in `If-None-Match`", "headers": { "ETag": etag() } });
    }
}

fn header(name: &str, about: &str) -> Value {
    json!({
        "name": name, "in": "header", "required": false, "description": about,
        "schema": { "type": "string", "pattern": TAGS, "example": TAG },
    })
}

fn etag() -> Value {
    json!({
        "description": "Names the state of all credentials for the supplier: base, services, passwords. For `If-Match`.",
        "required": true,
        "schema": { "type": "string", "example": TAG },
    })
}
