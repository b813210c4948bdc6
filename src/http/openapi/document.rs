//! The whole document: what the handlers say of themselves, and what is the same for many of them.

use serde_json::{Map, Value, json};
use utoipa::PartialSchema;
use utoipa::openapi::OpenApi;

use super::security::{self, Protection};
use super::{example, requests, responses, schemas};
use crate::http::dialect::ErrorForm;
use crate::http::family::Family;
use crate::http::listener::Listener;

/// The parts of the reference in their order: the paths that begin so, what they are called, what they are about.
const TAGS: [(&str, &str, &str); 10] = [
    ("/extra/v2/credentials", "Credentials", "Supplier credentials of the account: stored, listed, explained."),
    ("/extra/v2/subaccounts", "Sub-accounts", "For an account of the plan `enterprise` with sub-accounts enabled."),
    ("/extra/v2/api-keys", "API keys", "Keys of the account. A key is shown once, in the answer that made it."),
    ("/extra/v2/oauth-clients", "OAuth2 clients", "Clients of the account, for tokens in place of keys."),
    ("/extra/v2/audit-events", "Audit", "What was done with the account, for whom, and by whom."),
    ("/extra/v2/", "Directory", "What browsers may look at, with a public key."),
    ("/me/", "Caller", "Who is calling."),
    ("/internal/v1/", "Resolve", "For the programs that talk to suppliers. Passwords leave here."),
    ("/oauth/", "OAuth2", "Tokens for clients, by RFC 6749, 7009 and 7662. Refusals have the form of RFC 6749 §5.2."),
    ("/", "Service", "Health, discovery, and this reference."),
];

const DESCRIPTION: &str = "\
Credenza keeps supplier credentials and answers which pair a PromoStandards call must use.

Every path answers with and without one trailing slash. Bodies are JSON, except where it is said. An operation that asks \
for a key or a token refuses what it does not know: fields, query parameters, and a second value for either. All others \
take no notice of what they do not know.

{errors}

Every answer carries `X-Request-Id`: the caller's, if it sent one of 1 to 128 letters, digits or `-_.:/+=`, else a new one.";

/// Makes the document from what the router collected.
pub(super) fn complete(listener: Listener, operations: &OpenApi) -> Value {
    let forms = forms_of(operations);
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": match listener {
                Listener::Public => "Credenza",
                Listener::Internal => "Credenza, internal listener",
            },
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION.replace("{errors}", &forms.iter().map(|form| form.about).collect::<Vec<_>>().join("\n\n")),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": [],
        "paths": {},
        "components": operations.components,
    });
    let components = &mut document["components"];
    // No handler names these.
    let mut schemas: Vec<_> = forms.iter().flat_map(|form| (form.schemas)()).collect();
    if listener == Listener::Public {
        schemas.push(("AccountNumber".to_owned(), schemas::AccountNumber::schema()));
    }
    for (name, schema) in schemas {
        components["schemas"][name] = json!(schema);
    }
    refer_to_parts(&mut components["schemas"]);
    if components["schemas"].get("NewApiKey").is_some() {
        components["schemas"]["NewApiKey"]["not"] = public_with_scopes();
    }
    components["responses"] = forms.iter().flat_map(|form| responses::refusals(form)).collect::<Map<_, _>>().into();
    components["headers"] = responses::headers(listener);
    components["securitySchemes"] = security::schemes(listener);

    let mut paths = json!(operations.paths);
    for (path, item) in paths.as_object_mut().into_iter().flatten() {
        for (_, operation) in item.as_object_mut().into_iter().flatten() {
            complete_operation(listener, path, operation, &document);
        }
    }
    let mut tags = operations_of(&paths).map(|operation| operation["tags"][0].clone()).collect::<Vec<_>>();
    tags.dedup();
    let known = TAGS.iter().filter(|(_, name, _)| tags.contains(&json!(name)));
    document["tags"] = known.map(|(_, name, about)| json!({ "name": name, "description": about })).collect();
    document["paths"] = paths;
    join_lines(&mut document);
    document
}

/// The forms of errors of the families that have operations here, each once.
fn forms_of(operations: &OpenApi) -> Vec<&'static ErrorForm> {
    let has_operations = |family: &Family| operations.paths.paths.keys().any(|path| Family::of(path) == *family);
    let mut forms: Vec<_> = Family::ALL.into_iter().filter(has_operations).map(Family::error_form).collect();
    forms.dedup_by_key(|form| form.prefix);
    forms
}

/// The operations of all paths.
pub(super) fn operations_of(paths: &Value) -> impl Iterator<Item = &Value> {
    let items = paths.as_object().into_iter().flatten();
    items.flat_map(|(_, item)| item.as_object().into_iter().flatten()).map(|(_, operation)| operation)
}

fn complete_operation(listener: Listener, path: &str, operation: &mut Value, document: &Value) {
    let whole = format!("{path}/");
    let tag = TAGS.iter().find(|(prefix, ..)| whole.starts_with(prefix)).map_or("", |(_, name, _)| name);
    let (family, protection) = (Family::of(path), Protection::of(operation));
    let own = operation["parameters"].take();
    let own = own.as_array().cloned().unwrap_or_default();
    let acting_for = ["Credentials", "Audit"].contains(&tag).then(acting_for);
    operation["tags"] = json!([tag]);
    operation["parameters"] = path_parameters(path).chain(own).chain(acting_for).collect();
    requests::complete(operation);
    operation["security"] = protection.requirements(operation, family, listener);
    if let Some(body) = operation.get_mut("requestBody") {
        example::add(&mut body["content"], document);
    }
    responses::complete(operation, family.error_form(), protection, document);
}

/// The parameters that a path names.
fn path_parameters(path: &str) -> impl Iterator<Item = Value> {
    let word = |word: &str| json!({ "$ref": format!("#/components/schemas/{word}") });
    let uuid = || json!({ "type": "string", "format": "uuid" });
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names.map(move |name| {
        let (schema, about) = match (name, path) {
            ("supplier_code", _) => (word("SupplierCode"), "Code of the supplier."),
            ("service", _) => (word("ServiceName"), "The service."),
            ("environment", _) => (word("EnvironmentCode"), "The environment."),
            ("id", path) if path.contains("subaccounts") => (word("AccountNumber"), "Id of the sub-account."),
            ("id", path) if path.contains("oauth-clients") => (uuid(), "Id of the client; not its `client_id`."),
            _ => (uuid(), "Id of the key."),
        };
        json!({ "name": name, "in": "path", "required": true, "description": about, "schema": schema })
    })
}

/// The header by which a parent acts for a sub-account.
fn acting_for() -> Value {
    json!({
        "name": "X-Account-Id", "in": "header", "required": false,
        "description": "Id of a sub-account of the caller's account, to act for it. The caller's own id is as good as none.",
        "schema": { "$ref": "#/components/schemas/AccountNumber" },
    })
}

/// What a key cannot be. A derived schema cannot say it.
fn public_with_scopes() -> Value {
    json!({
        "required": ["public", "scopes"],
        "properties": { "public": { "const": true }, "scopes": { "type": "array", "items": {}, "minItems": 1 } },
    })
}

/// A listing repeats the schema of its items; a reference says the same.
fn refer_to_parts(schemas: &mut Value) {
    let items = |name: &str| name.strip_prefix("Listing_").map(|item| format!("#/components/schemas/{item}"));
    for (name, schema) in schemas.as_object_mut().into_iter().flatten() {
        if let Some(item) = items(name) {
            schema["properties"]["results"]["items"] = json!({ "$ref": item });
        }
    }
}

/// Line ends inside a paragraph are those of our sources.
fn join_lines(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(text)) = members.get_mut("description") {
                *text =
                    text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
            }
            members.values_mut().for_each(join_lines);
        }
        Value::Array(items) => items.iter_mut().for_each(join_lines),
        _ => {}
    }
}
