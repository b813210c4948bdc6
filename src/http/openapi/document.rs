//! The whole document: the annotations of the handlers, and the parts that many of them share.

use serde_json::{Map, Value, json};
use utoipa::PartialSchema;
use utoipa::openapi::OpenApi;

use super::operations::Tag;
use super::security::{self, Protection};
use super::{example, requests, responses, schemas};
use crate::http::dialect::ErrorForm;
use crate::http::family::Family;
use crate::http::listener::Listener;

const DESCRIPTION: &str = "\
Credenza keeps supplier credentials and answers which pair a PromoStandards call must use.

Every path answers with and without one trailing slash. Bodies are JSON, except where it is said. An operation that asks \
for a key or a token refuses what it does not know: fields, query parameters, and a second value for either. All others \
take no notice of what they do not know; nor do calls to suppliers of unknown query parameters.

{errors}

Every answer carries `X-Request-Id`: the caller's, if it sent one of 1 to 128 letters, digits or `-_.:/+=`, else a new one.";

/// Makes the document from what the router collected.
pub(super) fn complete(listener: Listener, operations: &OpenApi, tags: &[Tag]) -> Value {
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
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            complete_operation(listener, (path, method), operation, &document, tags);
        }
    }
    let used = operations_of(&paths).map(|operation| operation["tags"][0].clone()).collect::<Vec<_>>();
    let used = tags.iter().filter(|tag| used.contains(&json!(tag.name)));
    document["tags"] = used.map(|tag| json!({ "name": tag.name, "description": tag.about })).collect();
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

fn complete_operation(
    listener: Listener,
    (path, method): (&str, &str),
    operation: &mut Value,
    document: &Value,
    tags: &[Tag],
) {
    let only_reads = method == "get";
    let whole = format!("{path}/");
    let tag = tags.iter().find(|tag| whole.starts_with(tag.prefix)).map_or("", |tag| tag.name);
    let (family, protection) = (Family::of(path), Protection::of(operation));
    let own = operation["parameters"].take();
    let own = own.as_array().cloned().unwrap_or_default();
    operation["tags"] = json!([tag]);
    operation["parameters"] = path_parameters(path).chain(own).collect();
    requests::complete(operation, only_reads);
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

/// A schema of keys that cannot exist. A derived schema cannot express it.
fn public_with_scopes() -> Value {
    json!({
        "required": ["public", "scopes"],
        "properties": { "public": { "const": true }, "scopes": { "type": "array", "items": {}, "minItems": 1 } },
    })
}

/// Replaces the schema of the items in a listing by a reference.
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
