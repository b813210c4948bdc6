//! The JSON schema of an order's body.

use serde_json::{Map, Value, json};

use super::{BodyRule, Location, Variant};
use crate::model::{Complex, Content, Field};
use crate::shape::{or_type, simple_schema};

/// The schema of the body, for a route that has one.
pub(super) fn body_schema(variant: &Variant) -> Option<Value> {
    let parameter = variant.parameters.iter().find(|parameter| parameter.location == Location::Body)?;
    let field = &variant.operation.request_type.fields[*parameter.to.as_ref()?.first()?];
    let Content::Complex(complex) = &field.content else { return None };
    let mut schema = object(complex, &field.name.local, &variant.body);
    schema["properties"]["environment"] = json!({"type": ["string", "null"], "enum": ["PROD", "STAGING", null]});
    Some(schema)
}

fn object(complex: &Complex, path: &str, rules: &[BodyRule]) -> Value {
    let rule = rules.iter().filter(|rule| rule.at == path);
    let bare = rule.flat_map(|rule| rule.lists.keys()).collect::<Vec<_>>();
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in &complex.fields {
        let name = &field.name.local;
        let mut schema = of(field, &format!("{path}.{name}"), rules);
        if bare.contains(&name)
            && let Some(list) = schema["properties"].as_object().and_then(|inner| inner.values().next())
        {
            schema = list.clone();
        }
        if field.required {
            required.push(name.clone());
        } else {
            schema = or_type(schema, "null");
        }
        properties.insert(name.clone(), schema);
    }
    json!({"type": "object", "required": required, "properties": properties, "additionalProperties": false})
}

fn of(field: &Field, path: &str, rules: &[BodyRule]) -> Value {
    let item = match &field.content {
        Content::Simple(simple) => {
            let mut schema = simple_schema(simple);
            let (at, name) = path.rsplit_once('.').unwrap_or(("", path));
            let also = rules.iter().filter(|rule| rule.at == at).filter_map(|rule| rule.values.get(name)).flatten();
            if let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut) {
                values.extend(also.map(|value| Value::from(value.as_str())));
            }
            // Numbers and booleans may be written as text.
            if schema["type"] == "string" { schema } else { or_type(schema, "string") }
        }
        Content::Complex(complex) => object(complex, path, rules),
    };
    if field.many { json!({"type": "array", "items": item}) } else { item }
}
