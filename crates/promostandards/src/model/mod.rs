//! The service tables as types: services, operations, types, fields.

mod read;
mod simple;

pub(crate) use read::{read, syntax};
pub(crate) use simple::{Base, Simple};

use std::collections::BTreeMap;
use std::sync::Arc;

/// An inconsistency of the tables, with the file and the entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {entry}: {problem}")]
pub struct TableError {
    /// The file below `tables/`.
    pub file: String,
    /// The entry of the file, or its line.
    pub entry: String,
    /// The problem in words.
    pub problem: String,
}

impl TableError {
    pub(crate) fn new(file: &str, entry: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { file: file.to_owned(), entry: entry.into(), problem: problem.into() }
    }
}

/// A version of a service: its namespaces and operations.
#[derive(Debug)]
pub(crate) struct Service {
    pub code: String,
    pub version: String,
    pub title: String,
    pub operations: BTreeMap<String, Arc<Operation>>,
}

/// An operation: its two root elements with all that is in them.
#[derive(Debug)]
pub(crate) struct Operation {
    pub service: String,
    pub version: String,
    pub name: String,
    pub soap_action: String,
    pub namespaces: Vec<(String, String)>,
    /// The request element, with its prefix.
    pub request: Name,
    pub request_type: Arc<Complex>,
    pub response: Name,
    pub response_type: Arc<Complex>,
}

/// An element's prefix and local name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    pub prefix: String,
    pub local: String,
}

/// A type with child elements, in the schema's order.
#[derive(Debug)]
pub(crate) struct Complex {
    pub fields: Vec<Field>,
}

impl Complex {
    /// Finds a field by its local name.
    pub fn position(&self, local: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name.local == local)
    }
}

/// A child element: name, occurrence, type.
#[derive(Debug)]
pub(crate) struct Field {
    pub name: Name,
    /// At least one is demanded by the schema.
    pub required: bool,
    pub many: bool,
    pub nillable: bool,
    pub content: Content,
}

/// The content of an element: a value, or child elements.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Simple(Arc<Simple>),
    Complex(Arc<Complex>),
}
