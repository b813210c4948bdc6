//! Reads one table of a service, and refuses what does not fit together.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Deserialize;

use super::simple::Values;
use super::{Complex, Content, Field, Name, Operation, Service, Simple, TableError};

/// The deepest nesting of types, so that a type that contains itself is an error and not an endless loop.
const DEEPEST: usize = 32;

/// The most fields of a type: an answer's parser notes the ones it has seen in the bits of one number.
const MOST_FIELDS: usize = 128;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    service: String,
    version: String,
    title: String,
    namespace: BTreeMap<String, String>,
    operation: Vec<OperationEntry>,
    #[serde(rename = "type")]
    types: BTreeMap<String, Vec<String>>,
    #[serde(rename = "enum")]
    values: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OperationEntry {
    name: String,
    soap_action: String,
    request: String,
    response: String,
    request_type: Option<String>,
    response_type: Option<String>,
}

/// Reads a service's table. `file` is its name, for errors.
pub(crate) fn read(file: &str, text: &str) -> Result<Service, TableError> {
    let table: File = toml::from_str(text).map_err(|error| syntax(file, text, &error))?;
    if file != format!("{}-{}.toml", table.service, table.version) {
        return Err(TableError::new(file, "service, version", "the file is not named after them"));
    }
    if !table.namespace.contains_key("m") {
        return Err(TableError::new(file, "[namespace]", "`m` is missing"));
    }
    let values = table.values.iter().map(|(name, all)| (name.as_str(), Arc::new(Values::new(name, all.clone()))));
    let mut types = Types { file, table: &table, values: values.collect(), made: HashMap::new() };
    let mut operations = BTreeMap::new();
    for entry in &table.operation {
        let operation = types.operation(entry)?;
        if operations.insert(entry.name.clone(), Arc::new(operation)).is_some() {
            return Err(TableError::new(file, &entry.name, "the operation is there twice"));
        }
    }
    if let Some(name) = table.types.keys().find(|name| !types.made.contains_key(name.as_str())) {
        return Err(TableError::new(file, format!("[type] {name}"), "no operation uses the type"));
    }
    Ok(Service { code: table.service.clone(), version: table.version.clone(), title: table.title.clone(), operations })
}

/// An error of the TOML itself, with its line.
pub(crate) fn syntax(file: &str, text: &str, error: &toml::de::Error) -> TableError {
    let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
    TableError::new(file, format!("line {line}"), error.message())
}

struct Types<'a> {
    file: &'a str,
    table: &'a File,
    values: HashMap<&'a str, Arc<Values>>,
    made: HashMap<&'a str, Arc<Complex>>,
}

impl<'a> Types<'a> {
    fn operation(&mut self, entry: &'a OperationEntry) -> Result<Operation, TableError> {
        let request = self.name(&entry.name, &entry.request)?;
        let response = self.name(&entry.name, &entry.response)?;
        let request_type = self.complex(entry.request_type.as_deref().unwrap_or_else(|| local(&entry.request)), 0)?;
        let response_type =
            self.complex(entry.response_type.as_deref().unwrap_or_else(|| local(&entry.response)), 0)?;
        let first: Vec<_> = request_type.fields.iter().take(3).map(|field| field.name.local.as_str()).collect();
        if first != ["wsVersion", "id", "password"] {
            return Err(TableError::new(self.file, &entry.name, "the request does not begin with the login"));
        }
        Ok(Operation {
            service: self.table.service.clone(),
            version: self.table.version.clone(),
            name: entry.name.clone(),
            soap_action: entry.soap_action.clone(),
            namespaces: self.table.namespace.clone().into_iter().collect(),
            request,
            request_type,
            response,
            response_type,
        })
    }

    fn name(&self, entry: &str, text: &str) -> Result<Name, TableError> {
        match text.split_once(':') {
            Some((prefix, local)) if self.table.namespace.contains_key(prefix) && !local.is_empty() => {
                Ok(Name { prefix: prefix.to_owned(), local: local.to_owned() })
            }
            _ => Err(TableError::new(self.file, entry, format!("`{text}` is no element of a known namespace"))),
        }
    }

    fn complex(&mut self, name: &'a str, depth: usize) -> Result<Arc<Complex>, TableError> {
        if let Some(made) = self.made.get(name) {
            return Ok(Arc::clone(made));
        }
        let entry = format!("[type] {name}");
        let problem = |problem: &str| TableError::new(self.file, &entry, problem);
        let (key, lines) = self.table.types.get_key_value(name).ok_or_else(|| problem("no such type"))?;
        if depth > DEEPEST {
            return Err(problem("the type contains itself"));
        }
        if lines.len() > MOST_FIELDS {
            return Err(problem("the type has too many fields"));
        }
        let mut fields: Vec<Field> = Vec::with_capacity(lines.len());
        for line in lines {
            let field = self.field(&entry, line, depth)?;
            if fields.iter().any(|other| other.name.local == field.name.local) {
                return Err(TableError::new(self.file, &entry, format!("`{line}` has the name of another field")));
            }
            fields.push(field);
        }
        let made = Arc::new(Complex { fields });
        self.made.insert(key, Arc::clone(&made));
        Ok(made)
    }

    fn field(&mut self, entry: &str, line: &'a str, depth: usize) -> Result<Field, TableError> {
        let problem = |problem: String| TableError::new(self.file, entry, format!("`{line}`: {problem}"));
        let (head, kind) = line.split_once(" : ").ok_or_else(|| problem("` : ` is missing".to_owned()))?;
        let (head, nillable) = head.strip_suffix('~').map_or((head, false), |head| (head, true));
        let (head, required, many) = match head.as_bytes().last() {
            Some(b'?') => (&head[..head.len() - 1], false, false),
            Some(b'+') => (&head[..head.len() - 1], true, true),
            Some(b'*') => (&head[..head.len() - 1], false, true),
            _ => (head, true, false),
        };
        let name = self.name(entry, head)?;
        let content = if self.table.types.contains_key(kind) {
            Content::Complex(self.complex(kind, depth + 1)?)
        } else {
            let simple = Simple::parse(kind, |name| self.values.get(name).cloned()).map_err(problem)?;
            Content::Simple(Arc::new(simple))
        };
        Ok(Field { name, required, many, nillable, content })
    }
}

fn local(qualified: &str) -> &str {
    qualified.split_once(':').map_or(qualified, |(_, local)| local)
}
