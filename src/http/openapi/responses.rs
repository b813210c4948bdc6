//! Headers of every answer, and the refusals that many operations share.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::example;
use super::security::Protection;
use crate::http::dialect::ErrorForm;
use crate::http::listener::Listener;

/// A refusal that many operations share: its status, its name, when it comes.
const SHARED: [(StatusCode, &str, &str); 8] = [
    (StatusCode::BAD_REQUEST, "Invalid", "A field, a parameter or the JSON is wrong."),
    (StatusCode::UNAUTHORIZED, "Unauthenticated", "There is no valid key or token."),
    (StatusCode::FORBIDDEN, "Denied", "There is no valid key or token, or it lacks the right."),
    (StatusCode::PAYLOAD_TOO_LARGE, "TooLarge", "The body is larger than the operation takes."),
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, "NotJson", "The body is not declared as JSON, or it is compressed."),
    (
        StatusCode::TOO_MANY_REQUESTS,
        "TooMany",
        "The key asks too fast, too many requests of its account wait, or too many failed attempts came from this address.",
    ),
    (StatusCode::INTERNAL_SERVER_ERROR, "Failed", "Our fault; it was logged with its cause under the request's id."),
    (
        StatusCode::SERVICE_UNAVAILABLE,
        "Unavailable",
        "The database is away or slow, or too many requests are under way. Try again.",
    ),
];

/// Headers with the rest of a key's allowance. Every answer after the key was counted may carry them.
const RATE: [&str; 2] = ["X-RateLimit-Limit", "X-RateLimit-Remaining"];
/// Headers that are not in every answer that may have them.
const OPTIONAL: [&str; 4] = ["X-RateLimit-Limit", "X-RateLimit-Remaining", "Accept-Encoding", "Pragma"];

/// Headers of answers, as components.
pub(super) fn headers(listener: Listener) -> Value {
    let header = |about: &str, schema: Value| json!({ "description": about, "required": true, "schema": schema });
    let number = || json!({ "type": "integer", "minimum": 0 });
    let mut headers = json!({
        "X-Request-Id": header("The caller's id for the request, or a new one.", json!({ "type": "string" })),
        "Cache-Control": header("No answer may be stored.", json!({ "const": "no-store" })),
        "Retry-After": header("Seconds to wait.", json!({ "type": "integer" })),
        "X-RateLimit-Limit":
            header("Requests that the key may make at once. Not there where it has no limit, or is not known.", number()),
        "X-RateLimit-Remaining": header("How many of these are left now.", number()),
        "Accept-Encoding": header("There if the body was compressed.", json!({ "const": "identity" })),
    });
    if listener == Listener::Public {
        headers["WWW-Authenticate"] = header("How a client presents itself.", json!({ "type": "string" }));
        headers["Pragma"] =
            header("What `Cache-Control` says, for HTTP/1.0 (RFC 6749 §5.1).", json!({ "const": "no-cache" }));
    }
    for name in OPTIONAL {
        if let Some(header) = headers.get_mut(name) {
            header["required"] = json!(false);
        }
    }
    headers
}

/// The shared refusals of a form, as components.
pub(super) fn refusals(form: &ErrorForm) -> impl Iterator<Item = (String, Value)> {
    SHARED.into_iter().filter(|shared| form.has(shared.0)).map(|(status, name, about)| {
        let mut refusal = json!({ "description": about, "content": content(form, &(form.example)(status)) });
        add_headers(status.as_str(), &mut refusal);
        refer_to_headers(&RATE, &mut refusal);
        (format!("{}{name}", form.prefix), refusal)
    })
}

fn content(form: &ErrorForm, example: &Value) -> Value {
    let schema = json!({ "$ref": format!("#/components/schemas/{}", form.schema) });
    json!({ form.media_type: { "schema": schema, "example": example } })
}

impl ErrorForm {
    /// Whether its families refuse with this status; one that refuses nobody in particular with 401 has no such answer.
    fn has(&self, status: StatusCode) -> bool {
        status != StatusCode::UNAUTHORIZED || self.unauthenticated == StatusCode::UNAUTHORIZED
    }
}

/// Completes the answers of an operation: headers, the bodies of its refusals, examples, and the refusals that it shares.
pub(super) fn complete(operation: &mut Value, form: &ErrorForm, protection: Protection, document: &Value) {
    let mut answers = match operation["responses"].take() {
        Value::Object(answers) => answers,
        _ => Map::new(),
    };
    for (status, answer) in &mut answers {
        if answer.get("content").is_none() && status.starts_with(['4', '5']) {
            answer["content"] = content(form, &(form.described)(&answer["description"]));
        }
        if let Some(content) = answer.get_mut("content") {
            example::add(content, document);
        }
        add_headers(status, answer);
        if protection != Protection::Open {
            refer_to_headers(&RATE, answer);
        }
        if protection == Protection::Client {
            refer_to_headers(&["Pragma"], answer);
        }
    }
    let has_body = operation.get("requestBody").is_some();
    for (status, name, _) in SHARED.into_iter().filter(|shared| form.has(shared.0)) {
        let applies = match status {
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                matches!(protection, Protection::Private | Protection::PublicToo)
            }
            StatusCode::PAYLOAD_TOO_LARGE => has_body,
            // A client is told in the RFC's words.
            StatusCode::UNSUPPORTED_MEDIA_TYPE => has_body && protection != Protection::Client,
            StatusCode::TOO_MANY_REQUESTS => protection != Protection::Open,
            _ => true,
        };
        if applies && !answers.contains_key(status.as_str()) {
            let reference = json!({ "$ref": format!("#/components/responses/{}{name}", form.prefix) });
            answers.insert(status.as_str().to_owned(), reference);
        }
    }
    answers.sort_keys();
    operation["responses"] = Value::Object(answers);
}

fn add_headers(status: &str, answer: &mut Value) {
    let own = match status {
        "401" => Some("WWW-Authenticate"),
        "415" => Some("Accept-Encoding"),
        "429" | "503" => Some("Retry-After"),
        _ => None,
    };
    refer_to_headers(&["X-Request-Id", "Cache-Control"], answer);
    refer_to_headers(own.as_slice(), answer);
}

fn refer_to_headers(headers: &[&str], answer: &mut Value) {
    for header in headers {
        answer["headers"][*header] = json!({ "$ref": format!("#/components/headers/{header}") });
    }
}
