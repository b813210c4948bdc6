//! The parameters of a call as values of the request.

use std::sync::Arc;

use super::{Node, Request, body, value};
use crate::fault::{Fault, Faults, Problem};
use crate::model::{Complex, Content};
use crate::routes::{Location, Parameter, Variant};

/// Builds the request of a call.
pub(crate) fn from_call(
    variant: &Arc<Variant>,
    path: &[(&str, &str)],
    query: &[(String, String)],
    body: Option<&[u8]>,
) -> Result<Request, Vec<Fault>> {
    let complex = &variant.operation.request_type;
    let mut request =
        Request { variant: Arc::clone(variant), fields: vec![None; complex.fields.len()], environment: None };
    let mut faults = Faults::default();
    for (to, constant) in &variant.constants {
        set(&mut request.fields, complex, to, Node::Text(constant.clone()));
    }
    for (position, parameter) in variant.parameters.iter().enumerate() {
        let Some(to) = &parameter.to else { continue };
        if parameter.location == Location::Body {
            let (node, environment) = faults.within("body", |faults| body::read(variant, to, body, faults));
            request.environment = environment;
            if let Some(node) = node {
                set(&mut request.fields, complex, to, node);
            }
            continue;
        }
        let given = given(parameter, path, query);
        // A later parameter for the same element wins, if it is given (`real_product_id`).
        let later = &variant.parameters[position + 1..];
        if later.iter().any(|other| other.to == parameter.to && !self::given(other, path, query).is_empty()) {
            continue;
        }
        let place = if parameter.location == Location::Path { "path" } else { "query" };
        let node = faults
            .within(place, |faults| faults.within(parameter.name.as_str(), |faults| node(parameter, &given, faults)));
        if let Some(node) = node {
            set(&mut request.fields, complex, to, node);
        }
    }
    nils(&mut request.fields, complex);
    faults.or(request)
}

/// The values of a parameter; one that is empty counts as absent.
fn given<'a>(parameter: &Parameter, path: &[(&'a str, &'a str)], query: &'a [(String, String)]) -> Vec<&'a str> {
    let name = parameter.name.as_str();
    let values: Vec<&'a str> = match parameter.location {
        Location::Path => path.iter().filter(|(key, _)| *key == name).map(|(_, value)| *value).collect(),
        Location::Query => query.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect(),
        Location::Body => Vec::new(),
    };
    values.into_iter().filter(|value| !value.trim().is_empty()).collect()
}

fn node(parameter: &Parameter, given: &[&str], faults: &mut Faults) -> Option<Node> {
    if parameter.many {
        let mut nodes = Vec::with_capacity(given.len());
        for (index, text) in given.iter().enumerate() {
            let sent = faults.within(index.to_string(), |faults| faults.note(sent(parameter, text)));
            nodes.extend(sent.map(Node::Text));
        }
        return (!nodes.is_empty()).then_some(Node::Many(nodes));
    }
    match (given, &parameter.default) {
        ([text], _) => faults.note(sent(parameter, text)).map(Node::Text),
        ([], Some(default)) => Some(Node::Text(default.clone())),
        ([], None) => {
            if parameter.required {
                faults.add(Problem::missing());
            }
            None
        }
        (_, _) => {
            faults.add(Problem::new("repeated", "Input should be given once"));
            None
        }
    }
}

/// The value as it is sent.
fn sent(parameter: &Parameter, text: &str) -> Result<String, Problem> {
    let trimmed = text.trim();
    if !parameter.map.is_empty() {
        let found = parameter.map.iter().find(|(name, _)| name.eq_ignore_ascii_case(trimmed));
        return found
            .map(|(_, value)| value.clone())
            .ok_or_else(|| value::one_of(parameter.map.iter().map(|(name, _)| name)));
    }
    if !parameter.values.is_empty() {
        let found = parameter.values.iter().find(|value| value.eq_ignore_ascii_case(trimmed));
        return found.cloned().ok_or_else(|| value::one_of(&parameter.values));
    }
    match &parameter.simple {
        Some(simple) => value::sent(simple, text, &[]),
        None => Ok(text.to_owned()),
    }
}

/// Puts a value at its place, and makes the objects on the way.
fn set(fields: &mut [Option<Node>], complex: &Complex, to: &[usize], node: Node) {
    let [first, rest @ ..] = to else { return };
    let (Some(slot), Some(field)) = (fields.get_mut(*first), complex.fields.get(*first)) else { return };
    match (&field.content, rest) {
        (_, []) => *slot = Some(node),
        (Content::Complex(inner), rest) => {
            if slot.is_none() {
                *slot = Some(Node::Object(vec![None; inner.fields.len()]));
            }
            if let Some(Node::Object(fields)) = slot {
                set(fields, inner, rest, node);
            }
        }
        (Content::Simple(_), _) => {}
    }
}

/// Fills what the schema demands and lets be nil.
fn nils(fields: &mut [Option<Node>], complex: &Complex) {
    for (slot, field) in fields.iter_mut().zip(&complex.fields) {
        if slot.is_none() && field.required && field.nillable {
            *slot = Some(Node::Nil);
        }
    }
}
