//! The routes in the OpenAPI document, from the tables of the standard.

use promostandards::{Location, Method, Parameter};
use serde_json::{Value, json};
use utoipa::openapi::Paths;
use utoipa::openapi::path::{HttpMethod, Operation, PathItem};

use super::At;
use crate::types::Environment;

/// Describes a route. Its path is added by `below`.
pub(super) fn described(at: At, is_open: bool) -> Paths {
    let method = match at.route.method() {
        Method::Get => HttpMethod::Get,
        Method::Post => HttpMethod::Post,
    };
    // A description that cannot be read back would be a mistake of ours; `openapi.json` shows it.
    let operation = serde_json::from_value::<Operation>(operation(at, is_open)).unwrap_or_default();
    let mut paths = Paths::new();
    paths.paths.insert(String::new(), PathItem::new(method, operation));
    paths
}

fn operation(at: At, is_open: bool) -> Value {
    let At { route, version } = at;
    let scope = if route.is_order() { "orders:send" } else { "suppliers:call" };
    let mut security = vec![json!({ "oauth2": [scope] })];
    if is_open {
        security.insert(0, json!({ "public_api_key": [] }));
    }
    let mut parameters: Vec<_> = route
        .parameters(version)
        .iter()
        .filter(|parameter| parameter.location() == Location::Query)
        .map(described_parameter)
        .collect();
    if !route.is_order() {
        parameters.push(json!({
            "name": "environment", "in": "query", "required": false,
            "description": "Which of the supplier's two systems.",
            "schema": { "type": "string", "enum": Environment::ALL.map(Environment::as_str), "default": "PROD" },
        }));
    }
    parameters.push(json!({ "name": "X-Account-Id", "in": "header", "required": false }));
    if route.is_order() {
        parameters.push(json!({ "name": "Idempotency-Key", "in": "header", "required": false }));
    }
    let mut operation = json!({
        "operationId": operation_id(at),
        "summary": route.summary(),
        "parameters": parameters,
        "responses": responses(at),
        "security": security,
    });
    if let Some(body) = route.body_schema() {
        operation["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": body } },
        });
    }
    operation
}

/// The vendor's id; with the version where one id has several.
fn operation_id(At { route, version }: At) -> String {
    let versions = route.paths().iter().filter(|path| !path.alias).count();
    if versions > 1 { format!("{}V{}", route.id(), version.replace('.', "")) } else { route.id().to_owned() }
}

fn described_parameter(parameter: &Parameter) -> Value {
    let schema = parameter.schema();
    let schema = if parameter.many() { json!({ "type": "array", "items": schema }) } else { schema };
    json!({ "name": parameter.name(), "in": "query", "required": parameter.required(), "schema": schema })
}

fn responses(At { route, version }: At) -> Value {
    let source = json!({
        "X-Credential-Source": {
            "description": "The level of the login that was used.",
            "schema": { "type": "string", "enum": ["request", "service", "account", "default"] },
        },
    });
    let said = |description: &str| json!({ "description": description, "headers": source });
    let mut answered = source.clone();
    if route.kept_for().is_some() {
        answered["Age"] =
            json!({ "description": "Seconds since a kept answer was made.", "schema": { "type": "integer" } });
    }
    let schema = route.response_schema(version);
    let example = example(&schema);
    let mut responses = json!({
        "200": {
            "description": "The supplier's answer, errors included",
            "headers": answered,
            "content": { "application/json": { "schema": schema, "example": example } },
        },
        "403": said("There is no valid key or token, it lacks the right, or no level of the hierarchy has a login that works"),
        "404": said("Supplier not found"),
        "422": {
            "description": "Parameters are wrong, or the Idempotency-Key was used for another request",
            "content": { "application/json": {
                "schema": {
                    "type": "object", "required": ["detail"],
                    "properties": { "detail": { "oneOf": [
                        { "type": "array", "items": {
                            "type": "object", "required": ["loc", "msg", "type"],
                            "properties": {
                                "loc": { "type": "array", "items": { "type": "string" } },
                                "msg": { "type": "string" },
                                "type": { "type": "string" },
                            },
                        } },
                        { "type": "string" },
                    ] } },
                },
                "example": { "detail": [{ "loc": ["query", "since"], "msg": "Field required", "type": "missing" }] },
            } },
        },
        "502": said("The supplier answered with something that is no answer, or could not be reached"),
        "503": said("The supplier has too much to do just now, please try again"),
        "504": said("The supplier did not answer in time"),
    });
    if route.is_order() {
        responses["409"] = said("The order was sent, and no answer of the supplier is on record; or it is under way");
    }
    responses
}

/// An answer of a supplier that has nothing.
fn example(schema: &Value) -> Value {
    const TEXT: &str = "No result found";
    let message = |more: Value| {
        let mut message = json!({ "code": 160, "description": TEXT });
        if let (Some(message), Some(more)) = (message.as_object_mut(), more.as_object()) {
            message.extend(more.clone());
        }
        message
    };
    let members = schema["properties"].as_object().into_iter().flatten();
    let of = |(name, member): (&String, &Value)| {
        let value = match name.as_str() {
            "ServiceMessageArray" => json!({ "ServiceMessage": [message(json!({ "severity": "Information" }))] }),
            "ErrorMessage" | "errorMessage" if member.get("properties").is_some() => message(json!({})),
            "ErrorMessage" | "errorMessage" => json!(format!("160: {TEXT}")),
            "count" => json!(0),
            "products" => json!([]),
            "productID" => json!("5790"),
            _ => Value::Null,
        };
        (name.clone(), value)
    };
    Value::Object(members.map(of).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::standard::standard;

    #[test]
    fn every_description_is_one_of_an_operation() {
        for route in standard().unwrap().routes() {
            for version in route.versions() {
                let described = operation(At { route, version }, false);
                let read = serde_json::from_value::<Operation>(described);
                assert!(read.is_ok(), "{}: {:?}", route.id(), read.err());
            }
        }
    }
}
