//! The JSON schema of an answer.

use serde_json::{Map, Value, json};

use super::{Kind, Member, Number, Shape};
use crate::model::{Base, Simple};
use crate::routes::Digest;

/// The schema of an object of the answer.
pub(crate) fn schema(shape: &Shape) -> Value {
    let mut properties = Map::new();
    for member in &shape.fields {
        properties.insert(member.key.clone(), nullable(of(member)));
    }
    for name in &shape.nulls {
        properties.insert(name.clone(), json!({"type": "null"}));
    }
    let required: Vec<&String> = properties.keys().collect();
    json!({"type": "object", "required": required, "properties": properties})
}

/// The schema of an answer that is made from the supplier's.
pub(crate) fn digest_schema(shape: &Shape, digest: Digest) -> Value {
    let messages = json!({
        "type": ["object", "null"], "required": ["ServiceMessage"],
        "properties": {"ServiceMessage": {"type": ["array", "null"], "items": {
            "type": "object", "required": ["code", "description", "severity"],
            "properties": {
                "code": {"type": ["integer", "string", "null"]},
                "description": {"type": ["string", "null"]},
                "severity": {"type": ["string", "null"]},
            },
        }}},
    });
    let own = shape.fields.iter().find(|member| member.element == "ServiceMessageArray");
    let messages = own.map_or(messages, |member| nullable(of(member)));
    let strings = json!({"type": "array", "items": {"type": "string"}});
    let products = match digest {
        Digest::ProductIds => strings,
        Digest::ProductVariants => json!({"type": "array", "items": {
            "type": "object", "required": ["productId", "variants", "no_variants"],
            "properties": {"productId": {"type": "string"}, "variants": strings, "no_variants": {"type": "integer"}},
        }}),
        Digest::FilterValues => return filter_values(&messages),
    };
    json!({
        "type": "object", "required": ["count", "products", "ServiceMessageArray"],
        "properties": {"count": {"type": "integer"}, "products": products, "ServiceMessageArray": messages},
    })
}

fn filter_values(messages: &Value) -> Value {
    let wrapper = |list: &str| {
        json!({"type": ["object", "null"], "required": [list],
            "properties": {list: {"type": ["array", "null"], "items": {"type": "string"}}}})
    };
    json!({
        "type": "object", "required": ["FilterValues", "ServiceMessageArray"],
        "properties": {
            "FilterValues": {
                "type": ["object", "null"], "required": ["productId", "Filter"],
                "properties": {
                    "productId": {"type": ["string", "null"]},
                    "Filter": {
                        "type": ["object", "null"], "required": ["partIdArray", "LabelSizeArray", "PartColorArray"],
                        "properties": {
                            "partIdArray": {"type": "null"},
                            "LabelSizeArray": wrapper("labelSize"),
                            "PartColorArray": wrapper("partColor"),
                        },
                    },
                },
            },
            "ServiceMessageArray": messages,
        },
    })
}

fn of(member: &Member) -> Value {
    let item = match &member.kind {
        Kind::Value(simple, number) => value(simple, *number),
        Kind::Object(shape) => schema(shape),
        Kind::Bare(shape) => return shape.fields.first().map_or(Value::Null, of),
    };
    let item = match &member.item {
        Some(_) => json!({"type": "object", "required": [member.element], "properties": {&member.element: item}}),
        None => item,
    };
    if member.many { json!({"type": "array", "items": item}) } else { item }
}

/// The schema of a value in an answer. A value that does not parse is passed on as text, so numbers may be strings.
fn value(simple: &Simple, number: Number) -> Value {
    let kind = match (number, simple.base) {
        (Number::Any, _) => json!(["number", "string"]),
        (Number::Whole, _) | (_, Base::Int | Base::Integer) => json!(["integer", "number", "string"]),
        (_, Base::Double) => json!(["number", "string"]),
        (_, Base::Boolean) => json!(["boolean", "string"]),
        _ => json!("string"),
    };
    json!({"type": kind})
}

fn nullable(schema: Value) -> Value {
    or_type(schema, "null")
}

/// Lets a schema take another type too.
pub(crate) fn or_type(mut schema: Value, kind: &str) -> Value {
    if let Some(kinds) = schema.get_mut("type") {
        match kinds {
            Value::Array(kinds) => kinds.push(kind.into()),
            other => *other = json!([other, kind]),
        }
    }
    if let (Some(values), "null") = (schema.get_mut("enum").and_then(Value::as_array_mut), kind) {
        values.push(Value::Null);
    }
    schema
}

/// The texts that XML 1.0 can carry, section 2.2.
pub(crate) const CARRIED: &str = r"^[^\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]*$";

/// The same with a character that is not blank.
pub(crate) const CARRIED_NOT_BLANK: &str = r"^[^\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]*[^\s\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF][^\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]*$";

/// The schema of a value that a client sends.
pub(crate) fn simple_schema(simple: &Simple) -> Value {
    let mut schema = Map::new();
    let kind = match simple.base {
        Base::Int | Base::Integer => "integer",
        Base::Decimal | Base::Double => "number",
        Base::Boolean => "boolean",
        _ => "string",
    };
    schema.insert("type".into(), kind.into());
    match simple.base {
        Base::Date => {
            schema.insert("format".into(), "date".into());
        }
        Base::DateTime => {
            schema.insert("format".into(), "date-time".into());
        }
        _ => {}
    }
    if let Some(values) = simple.values.as_ref().filter(|values| !values.open && kind == "string") {
        schema.insert("enum".into(), json!(values.all));
    } else if kind == "string" && !schema.contains_key("format") {
        schema.insert("pattern".into(), CARRIED.into());
        if simple.min_length > 0 {
            schema.insert("minLength".into(), simple.min_length.into());
        }
        if let Some(most) = simple.max_length {
            schema.insert("maxLength".into(), most.into());
        }
    }
    if simple.base == Base::Int {
        schema.insert("minimum".into(), i32::MIN.into());
        schema.insert("maximum".into(), i32::MAX.into());
    }
    if simple.positive {
        schema.insert("exclusiveMinimum".into(), 0.into());
    }
    Value::Object(schema)
}
