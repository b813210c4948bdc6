//! What a request may carry beside its body: the conditions under which it is carried out, and the key under which it is
//! carried out once.

use serde_json::{Value, json};

use crate::http::dialect::{IN_PROGRESS, KEY_REUSED, PRECONDITION_FAILED};
use crate::http::extract::conditions::CONDITIONAL;
use crate::http::extract::idempotency::MAX_KEY;

/// Operations whose success shows the tag of the state, each with its status.
const TAGGED: [(&str, &str); 3] =
    [("get_credentials", "200"), ("upsert_credentials", "201"), ("upsert_service_credentials", "201")];

/// The operation that makes things, and whose success is not 201: they may all be there.
const MADE_BY_FILE: &str = "import_credentials";

/// `*`, or a list of tags.
const TAGS: &str = r#"^(\*|(W/)?"[!#-~]*"( ?, ?(W/)?"[!#-~]*")*)$"#;

/// An example of a tag.
const TAG: &str = "\"XxwG1Ki5Tg-S18Ox5qhdIA\"";

/// Adds the headers that an operation takes and the answers that they lead to.
pub(super) fn complete(operation: &mut Value) {
    let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    if CONDITIONAL.contains(&id.as_str()) {
        add_conditions(operation, id == "get_credentials");
    }
    if let Some((_, status)) = TAGGED.iter().find(|(tagged, _)| *tagged == id) {
        operation["responses"][*status]["headers"]["ETag"] = etag();
    }
    let success = if id == MADE_BY_FILE { "200" } else { "201" };
    // Whatever makes something.
    if operation["responses"].get(success).is_some() {
        add_key(operation, success);
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
        operation["responses"][status] = json!({ "description": sentence });
    }
    operation["responses"][success]["headers"]["Idempotent-Replayed"] = json!({
        "description": "There if the request was carried out before, and this is the answer of that time.",
        "required": false,
        "schema": { "const": "true" },
    });
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
