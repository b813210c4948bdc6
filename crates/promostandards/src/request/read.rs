//! Reads a request, as a supplier does.

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event;
use zeroize::Zeroizing;

use crate::model::Operation;
use crate::standard::Standard;

/// A request as a supplier reads it.
pub struct ReadRequest {
    /// The standard's code of the service.
    pub service: String,
    /// The version of the table.
    pub version: String,
    /// The operation.
    pub operation: String,
    /// The `wsVersion`.
    pub ws_version: String,
    /// The element `id`.
    pub username: String,
    /// The element `password`.
    pub password: Zeroizing<String>,
    /// The other values, each with its path below the request element: `Filter.partIdArray.partId`.
    pub values: Vec<(String, String)>,
}

impl ReadRequest {
    /// The first value at a path.
    pub fn value(&self, path: &str) -> Option<&str> {
        self.all(path).next()
    }

    /// All values at a path.
    pub fn all(&self, path: &str) -> impl Iterator<Item = &str> {
        self.values.iter().filter(move |(at, _)| at == path).map(|(_, value)| value.as_str())
    }
}

impl std::fmt::Debug for ReadRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ReadRequest").field("operation", &self.operation).finish_non_exhaustive()
    }
}

/// Something that is no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It is no well-formed XML.
    #[error("the request is no well-formed XML")]
    Malformed,
    /// Its element is no request of the tables.
    #[error("the request is of no known operation")]
    Unknown,
}

/// Reads a request. `soap_action` decides between operations that share an element.
pub fn read_request(standard: &Standard, soap_action: &str, xml: &[u8]) -> Result<ReadRequest, RequestError> {
    let text = std::str::from_utf8(xml).map_err(|_| RequestError::Malformed)?;
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    // The envelope, its body, the request element, then what is below it.
    let mut path: Vec<String> = Vec::new();
    let mut found: Option<ReadRequest> = None;
    let mut value = Zeroizing::new(String::new());
    loop {
        match reader.read_event().map_err(|_| RequestError::Malformed)? {
            Event::Start(start) => {
                path.push(start.local_name().as_ref().to_owned());
                if path.len() == 3 && path[1] == "Body" {
                    let operation = operation(standard, soap_action, &path[2], text).ok_or(RequestError::Unknown)?;
                    found = Some(of(operation));
                }
                value.clear();
            }
            Event::Text(piece) => value.push_str(&piece.xml10_content()),
            Event::CData(piece) => value.push_str(&piece.xml10_content()),
            Event::GeneralRef(reference) => match reference.resolve_char_ref() {
                Ok(Some(character)) => value.push(character),
                Ok(None) => value.push_str(resolve_xml_entity(&reference).ok_or(RequestError::Malformed)?),
                Err(_) => return Err(RequestError::Malformed),
            },
            Event::End(_) => {
                if let Some(request) = found.as_mut().filter(|_| path.len() > 3 && path[1] == "Body") {
                    take(request, &path[3..].join("."), &value);
                }
                path.pop();
                value.clear();
            }
            Event::Eof if path.is_empty() => return found.ok_or(RequestError::Unknown),
            Event::DocType(_) | Event::Eof => return Err(RequestError::Malformed),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::Empty(_) => {}
        }
    }
}

fn of(operation: &Operation) -> ReadRequest {
    ReadRequest {
        service: operation.service.clone(),
        version: operation.version.clone(),
        operation: operation.name.clone(),
        ws_version: String::new(),
        username: String::new(),
        password: Zeroizing::new(String::new()),
        values: Vec::new(),
    }
}

fn take(request: &mut ReadRequest, path: &str, value: &str) {
    match path {
        "wsVersion" => value.clone_into(&mut request.ws_version),
        "id" => value.clone_into(&mut request.username),
        "password" => request.password = Zeroizing::new(value.to_owned()),
        _ if value.trim().is_empty() => {}
        _ => request.values.push((path.to_owned(), value.to_owned())),
    }
}

/// Finds the operation of a request element. Its namespace must stand in the message.
fn operation<'a>(standard: &'a Standard, soap_action: &str, local: &str, text: &str) -> Option<&'a Operation> {
    let action = soap_action.trim_matches('"');
    let all = || standard.services.iter().flat_map(|service| service.operations.values()).map(AsRef::as_ref);
    let fits = |operation: &&Operation| {
        let namespace = operation.namespaces.iter().find(|(prefix, _)| *prefix == operation.request.prefix);
        operation.request.local == local
            && namespace.is_some_and(|(_, namespace)| {
                text.contains(&format!("\"{namespace}\"")) || text.contains(&format!("'{namespace}'"))
            })
    };
    all().filter(fits).find(|operation| operation.soap_action == action).or_else(|| all().find(fits))
}
