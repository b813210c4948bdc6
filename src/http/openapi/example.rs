//! Examples: the one of the schema itself, or one put together from the parts of the schema.

use serde_json::{Map, Value, json};

/// The schema that a reference points at, or the schema itself.
pub(super) fn resolved<'a>(schema: &'a Value, document: &'a Value) -> &'a Value {
    let target = schema["$ref"].as_str().and_then(|reference| document.pointer(reference.strip_prefix('#')?));
    target.unwrap_or(schema)
}

/// An example of a schema.
pub(super) fn of(schema: &Value, document: &Value) -> Value {
    let schema = resolved(schema, document);
    if let Some(said) = schema.get("example").or(schema.pointer("/examples/0")).or(schema.pointer("/enum/0")) {
        return said.clone();
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let members = parts.iter().filter_map(|part| of(part, document).as_object().cloned());
        return Value::Object(members.flatten().collect());
    }
    let choices = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
    if let Some(choice) = choices.and_then(|choices| choices.iter().find(|choice| choice["type"] != "null")) {
        return of(choice, document);
    }
    match kind(schema) {
        "object" => {
            let members = schema["properties"].as_object().into_iter().flatten();
            let required = |name: &str| schema["required"].as_array().is_some_and(|names| names.contains(&json!(name)));
            let members = members.filter(|(name, _)| required(name));
            Value::Object(members.map(|(name, member)| (name.clone(), of(member, document))).collect::<Map<_, _>>())
        }
        "array" => json!([of(&schema["items"], document)]),
        "integer" => schema.get("default").or(schema.get("minimum")).cloned().unwrap_or(json!(1)),
        "boolean" => json!(false),
        _ => match schema["format"].as_str() {
            Some("uuid") => json!("019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b"),
            Some("date-time") => json!("2030-01-02T03:04:05Z"),
            _ => json!("text"),
        },
    }
}

/// The type of a schema, without null.
pub(super) fn kind(schema: &Value) -> &str {
    let kinds = schema["type"].as_array();
    let first = kinds.and_then(|kinds| kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"));
    first.or(schema["type"].as_str()).unwrap_or_default()
}

/// Gives every body of a request or an answer an example, unless it has one or is a page.
pub(super) fn add(content: &mut Value, document: &Value) {
    for (media, body) in content.as_object_mut().into_iter().flatten() {
        if body.get("example").is_none() && !media.starts_with("text/") {
            body["example"] = of(&body["schema"], document);
        }
    }
}
