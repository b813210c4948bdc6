//! The body of an order: JSON by the names of the schema, with the client's digits.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Node, value};
use crate::fault::{Faults, Problem};
use crate::model::{Base, Complex, Content, Field, Simple};
use crate::routes::{BodyRule, Variant};

/// The key of a body that is wrapped, as the vendor's clients of 2024 send it.
const WRAPPER: &str = "po";

/// The key that is ours and not sent.
const ENVIRONMENT: &str = "environment";

/// The deepest nesting of a body; the schema needs half of it.
const DEEPEST: usize = 32;

/// The most items of one list.
const MOST_ITEMS: usize = 10_000;

/// A JSON object with its values unread. The raw text keeps the digits of numbers.
struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Object<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((key, value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    entries.push((key.0, value));
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads the body into the element at `to`. Returns it, and the environment that the body names.
pub(super) fn read(
    variant: &Variant,
    to: &[usize],
    body: Option<&[u8]>,
    faults: &mut Faults,
) -> (Option<Node>, Option<String>) {
    let Some(body) = body.filter(|body| !body.trim_ascii().is_empty()) else {
        faults.add(Problem::missing());
        return (None, None);
    };
    let field = to.first().and_then(|first| variant.operation.request_type.fields.get(*first));
    let Some(Field { name, content: Content::Complex(complex), .. }) = field else { return (None, None) };
    // The whole body is read once, so that its grammar and its nesting are known to be good.
    let raw = std::str::from_utf8(body).ok().and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
    let Some(raw) = raw else {
        faults.add(Problem::new("json_invalid", "JSON decode error"));
        return (None, None);
    };
    if nesting(raw.get()) > DEEPEST {
        faults.add(Problem::new("recursion_loop", format!("Input should be nested at most {DEEPEST} levels deep")));
        return (None, None);
    }
    let Some(mut object) = object(raw, faults) else { return (None, None) };
    let reader = Reader { rules: &variant.body };
    let mut environments = Vec::new();
    take_environment(&mut object, &mut environments, faults);
    let node = if let [(key, inner)] = &object.0[..]
        && key == WRAPPER
    {
        let inner = *inner;
        faults.within(WRAPPER, |faults| {
            let mut object = self::object(inner, faults)?;
            take_environment(&mut object, &mut environments, faults);
            Some(reader.fields(complex, object, &name.local, faults))
        })
    } else {
        Some(reader.fields(complex, object, &name.local, faults))
    };
    if environments.windows(2).any(|pair| pair[0] != pair[1]) {
        faults.within(ENVIRONMENT, |faults| faults.add(Problem::new("repeated", "Input should be given once")));
    }
    (node.map(Node::Object), environments.pop())
}

/// Reads a JSON object into the fields of a type.
pub(crate) fn fields(complex: &Complex, json: &str, faults: &mut Faults) -> Option<Vec<Option<Node>>> {
    let raw: &RawValue =
        faults.note(serde_json::from_str(json).map_err(|_| Problem::new("json_invalid", "JSON decode error")))?;
    let object = object(raw, faults)?;
    Some(Reader { rules: &[] }.fields(complex, object, "", faults))
}

/// Takes `environment` out of an object.
fn take_environment(object: &mut Object<'_>, found: &mut Vec<String>, faults: &mut Faults) {
    object.0.retain(|(key, raw)| {
        if key != ENVIRONMENT {
            return true;
        }
        match serde_json::from_str::<Option<String>>(raw.get()) {
            Ok(text) => found.extend(text.filter(|text| !text.is_empty())),
            Err(_) => faults.within(ENVIRONMENT, |faults| faults.add(not_text())),
        }
        false
    });
}

fn object<'a>(raw: &'a RawValue, faults: &mut Faults) -> Option<Object<'a>> {
    let problem = || Problem::new("model_attributes_type", "Input should be an object");
    faults.note(serde_json::from_str(raw.get()).map_err(|_| problem()))
}

fn not_text() -> Problem {
    Problem::new("string_type", "Input should be a valid string")
}

struct Reader<'a> {
    rules: &'a [BodyRule],
}

impl Reader<'_> {
    /// Reads the fields of an object. Keys that the schema has not are faults.
    fn fields(&self, complex: &Complex, object: Object<'_>, path: &str, faults: &mut Faults) -> Vec<Option<Node>> {
        let mut given: Vec<Option<&RawValue>> = vec![None; complex.fields.len()];
        for (key, raw) in object.0 {
            match complex.position(&key) {
                Some(position) if given[position].is_none() => given[position] = Some(raw),
                Some(_) => {
                    faults.within(key, |faults| faults.add(Problem::new("repeated", "Input should be given once")));
                }
                None => {
                    faults.within(key, |faults| {
                        faults.add(Problem::new("extra_forbidden", "Extra inputs are not permitted"));
                    });
                }
            }
        }
        let mut nodes = Vec::with_capacity(complex.fields.len());
        for (field, raw) in complex.fields.iter().zip(given) {
            nodes.push(faults.within(field.name.local.as_str(), |faults| self.field(field, raw, path, faults)));
        }
        nodes
    }

    fn field(&self, field: &Field, raw: Option<&RawValue>, path: &str, faults: &mut Faults) -> Option<Node> {
        let raw = raw.filter(|raw| raw.get() != "null");
        let absent = raw.is_none_or(|raw| !field.required && says_nothing(raw));
        let Some(raw) = raw.filter(|_| !absent) else {
            if field.required && field.nillable {
                return Some(Node::Nil);
            }
            if field.required {
                faults.add(Problem::missing());
            }
            return None;
        };
        let below = format!("{path}.{}", field.name.local);
        let rule = self.rules.iter().find(|rule| rule.at == path);
        if let (Some(_), Content::Complex(wrapper)) =
            (rule.and_then(|rule| rule.lists.get(&field.name.local)), &field.content)
            && raw.get().starts_with('[')
        {
            let [only] = &wrapper.fields[..] else { return None };
            return self.list(only, raw, &below, &[], faults).map(|list| Node::Object(vec![Some(list)]));
        }
        let also = rule.and_then(|rule| rule.values.get(&field.name.local)).map(Vec::as_slice).unwrap_or_default();
        if field.many {
            return self.list(field, raw, &below, also, faults);
        }
        self.item(field, raw, &below, also, faults)
    }

    fn list(&self, field: &Field, raw: &RawValue, path: &str, also: &[String], faults: &mut Faults) -> Option<Node> {
        let problem = |_| Problem::new("list_type", "Input should be a valid list");
        let items: Vec<&RawValue> = faults.note(serde_json::from_str(raw.get()).map_err(problem))?;
        if items.is_empty() && field.required {
            faults.add(Problem::new("too_short", "List should have at least 1 item"));
        }
        if items.len() > MOST_ITEMS {
            faults.add(Problem::new("too_long", format!("List should have at most {MOST_ITEMS} items")));
            return None;
        }
        let mut nodes = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            nodes.extend(faults.within(index.to_string(), |faults| self.item(field, item, path, also, faults)));
        }
        (!nodes.is_empty()).then_some(Node::Many(nodes))
    }

    fn item(&self, field: &Field, raw: &RawValue, path: &str, also: &[String], faults: &mut Faults) -> Option<Node> {
        match &field.content {
            Content::Simple(simple) => faults.note(text(simple, raw, also)).map(Node::Text),
            Content::Complex(complex) => {
                let object = object(raw, faults)?;
                Some(Node::Object(self.fields(complex, object, path, faults)))
            }
        }
    }
}

/// Reports whether a value leaves an optional element out: null, an empty text or list, an object of nothing else. The nesting is bounded.
fn says_nothing(raw: &RawValue) -> bool {
    match raw.get().as_bytes().first() {
        Some(b'n') => true,
        Some(b'"') => raw.get() == "\"\"",
        Some(b'[') => raw.get()[1..raw.get().len() - 1].trim_ascii().is_empty(),
        Some(b'{') => {
            let object: Result<Object<'_>, _> = serde_json::from_str(raw.get());
            object.is_ok_and(|object| object.0.iter().all(|(_, inner)| says_nothing(inner)))
        }
        _ => false,
    }
}

/// The deepest nesting of a JSON text.
fn nesting(json: &str) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth -= 1,
            _ => {}
        }
    }
    deepest
}

/// Reads a JSON value as the text of an element.
fn text(simple: &Simple, raw: &RawValue, also: &[String]) -> Result<String, Problem> {
    let token = raw.get();
    match token.as_bytes().first() {
        Some(b'"') => {
            let text: String = serde_json::from_str(token).map_err(|_| not_text())?;
            value::sent(simple, &text, also)
        }
        Some(b't' | b'f') if simple.base == Base::Boolean => Ok(token.to_owned()),
        Some(b'-' | b'0'..=b'9') if simple.base == Base::Boolean => value::boolean(token).map(str::to_owned),
        // A number where text belongs is sent with its digits; a date is never a number.
        Some(b'-' | b'0'..=b'9') => value::sent(simple, token, also),
        _ => Err(match simple.base {
            Base::Int | Base::Integer => Problem::new("int_type", "Input should be a valid integer"),
            Base::Decimal | Base::Double => Problem::new("decimal_type", "Input should be a valid decimal"),
            Base::Boolean => Problem::new("bool_type", "Input should be a valid boolean"),
            _ => not_text(),
        }),
    }
}
