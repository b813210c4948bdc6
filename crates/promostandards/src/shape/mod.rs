//! The shape of an answer's JSON: the response type with the rules of a route applied to it.

mod build;
mod schema;

use std::sync::Arc;

use crate::model::Simple;

pub(crate) use build::build;
pub(crate) use schema::{CARRIED_NOT_BLANK, digest_schema, or_type, schema, simple_schema};

/// An object of the JSON, and the element that it is made from.
#[derive(Debug)]
pub(crate) struct Shape {
    pub fields: Vec<Member>,
    /// Keys that the vendor has and the schema has not; always null.
    pub nulls: Vec<String>,
    pub role: ObjectRole,
}

/// A key of an object, and the child element that it is made from.
#[derive(Debug)]
pub(crate) struct Member {
    /// The element's local name.
    pub element: String,
    pub key: String,
    /// The key as it stands in the JSON, with its colon.
    pub head: String,
    pub many: bool,
    pub kind: Kind,
    /// The JSON in place of null.
    pub default: Option<&'static str>,
    /// Each item becomes an object with this key (the rule `objects`).
    pub item: Option<String>,
    pub role: Role,
}

/// The source of a key's value.
#[derive(Debug)]
pub(crate) enum Kind {
    Value(Arc<Simple>, Number),
    Object(Arc<Shape>),
    /// The wrapper is left out: its list stands in its place (the rule `lists`).
    Bare(Arc<Shape>),
}

/// A way to a JSON number that the plain rule does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    Plain,
    /// A decimal becomes a number.
    Any,
    /// A decimal becomes a number, without its fraction if that is zero.
    Whole,
}

/// The meaning of an object to the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectRole {
    None,
    /// A message with a severity of its own.
    ServiceMessage,
    /// An error message: its severity is *error*.
    ErrorMessage,
    /// A product with a part, collected by a digest.
    Sellable,
}

/// The meaning of a key to the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    None,
    Code,
    Description,
    Severity,
    /// An error message that is only a text.
    ErrorText,
    /// A message that is only a text and no error.
    Note,
    ProductId,
    PartId,
}

impl Shape {
    /// Finds the member of an element, at best at once: `expected` is where it stands if the supplier keeps the schema's order.
    pub fn find(&self, local: &[u8], expected: usize) -> Option<usize> {
        match self.fields.get(expected) {
            Some(member) if member.element.as_bytes() == local => Some(expected),
            _ => self.fields.iter().position(|member| member.element.as_bytes() == local),
        }
    }
}

/// Writes text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
