//! The JSON schemas of answers, against answers.

use promostandards::sample::{self, Called, Fill};
use serde_json::Value;

use super::support::{STANDARD, asked_of, json, read, route};

/// The first place where a value does not have the form of a schema.
fn misfit(schema: &Value, value: &Value, place: &str) -> Option<String> {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let kinds = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
    if !kinds.iter().any(|one| one == kind || (kind == "integer" && one == "number")) {
        return Some(format!("{place} is {kind}, not {kinds:?}"));
    }
    match value {
        Value::Array(items) => items.iter().find_map(|item| misfit(&schema["items"], item, &format!("{place}[]"))),
        Value::Object(entries) => {
            let required = schema["required"].as_array().unwrap().iter().map(|key| key.as_str().unwrap());
            let missing = required.into_iter().find(|key| !entries.contains_key(*key));
            let unknown = entries.keys().find(|key| schema["properties"].get(key.as_str()).is_none());
            missing.or(unknown.map(String::as_str)).map(|key| format!("{place}.{key}")).or_else(|| {
                entries
                    .iter()
                    .find_map(|(key, value)| misfit(&schema["properties"][key], value, &format!("{place}.{key}")))
            })
        }
        _ => None,
    }
}

#[test]
fn each_answer_has_the_form_of_its_schema() {
    for route in STANDARD.routes() {
        for version in route.versions() {
            let request = asked_of(route.id(), version);
            let table = if route.service() == "MED" { "1.1.0" } else { request.ws_version() };
            let called = Called { service: route.service(), version: table, operation: route.operation() };
            let samples = [Fill::Full, Fill::Required, Fill::Seeded(1), Fill::Seeded(2)]
                .map(|fill| sample::answer(&STANDARD, called, fill));
            for xml in samples.into_iter().chain([sample::message(&STANDARD, called, 105, "no")]) {
                let answer = read(&request, &xml.unwrap()).unwrap();
                assert_eq!(misfit(&route.response_schema(version), &json(&answer), route.id()), None);
            }
        }
    }
}

#[test]
fn an_answer_that_does_not_parse_has_the_form_of_its_schema_too() {
    let xml = super::support::inventory(
        "<partId>1</partId><mainPart>Y</mainPart><replenishmentLeadTime>soon</replenishmentLeadTime>",
    );
    let answer = read(&asked_of("getInventoryByProductV200", "2.0.0"), &xml).unwrap();
    let schema = route("getInventoryByProductV200").response_schema("2.0.0");
    assert_eq!(misfit(&schema, &json(&answer), ""), None);
    assert!(misfit(&schema, &serde_json::json!({"Inventory": 1, "ServiceMessageArray": null}), "").is_some());
}
