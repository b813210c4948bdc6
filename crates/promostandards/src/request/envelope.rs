//! Writes a request as XML. The login is escaped straight into the buffer: `quick-xml` would leave an escaped copy of it in memory.

use zeroize::Zeroizing;

use super::{Node, Request};
use crate::login::{Login, LoginFault, LoginField, carried};
use crate::model::{Complex, Content, Field, Name};

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// A place for XML: a buffer, or a counter of its bytes.
pub(super) trait Sink {
    fn put(&mut self, text: &str);
}

impl Sink for String {
    fn put(&mut self, text: &str) {
        self.push_str(text);
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, text: &str) {
        self.extend_from_slice(text.as_bytes());
    }
}

struct Counter(usize);

impl Sink for Counter {
    fn put(&mut self, text: &str) {
        self.0 += text.len();
    }
}

/// Writes the envelope. The size is counted first, so that the buffer never moves and leaves no copy of the login.
pub(super) fn write(request: &Request, login: Login<'_>) -> Result<Zeroizing<Vec<u8>>, LoginFault> {
    for (text, field) in [(login.username, LoginField::Username), (login.password, LoginField::Password)] {
        if !text.chars().all(carried) {
            return Err(LoginFault { field });
        }
    }
    let mut counter = Counter(0);
    envelope(&mut counter, request, login);
    let mut buffer = Zeroizing::new(Vec::with_capacity(counter.0));
    envelope(&mut *buffer, request, login);
    Ok(buffer)
}

fn envelope(sink: &mut impl Sink, request: &Request, login: Login<'_>) {
    let operation = &request.variant.operation;
    let complex = &operation.request_type;
    begin(sink, &operation.namespaces, &operation.request);
    for (field, value) in complex.fields.iter().zip([&request.variant.ws_version, login.username, login.password]) {
        open(sink, &field.name);
        escaped(sink, value);
        close(sink, &field.name);
    }
    values(sink, complex, &request.fields);
    end(sink, &operation.request);
}

fn begin(sink: &mut impl Sink, namespaces: &[(String, String)], root: &Name) {
    for text in [DECLARATION, "<soap:Envelope xmlns:soap=\"", SOAP, "\" xmlns:xsi=\"", INSTANCE] {
        sink.put(text);
    }
    for (prefix, namespace) in namespaces {
        for text in ["\" xmlns:", prefix, "=\"", namespace] {
            sink.put(text);
        }
    }
    sink.put("\"><soap:Body>");
    open(sink, root);
}

fn end(sink: &mut impl Sink, root: &Name) {
    close(sink, root);
    sink.put("</soap:Body></soap:Envelope>");
}

/// A message as text, for samples.
#[derive(Default)]
pub(crate) struct Xml(pub String);

impl Xml {
    /// Writes a message with a root element.
    pub fn message(&mut self, namespaces: &[(String, String)], root: &Name, complex: &Complex, nodes: &[Option<Node>]) {
        begin(&mut self.0, namespaces, root);
        values(&mut self.0, complex, nodes);
        end(&mut self.0, root);
    }

    /// Writes a fault.
    pub fn fault(&mut self, text: &str) {
        let root = Name { prefix: "soap".to_owned(), local: "Fault".to_owned() };
        begin(&mut self.0, &[], &root);
        self.0.put("<faultcode>soap:Server</faultcode><faultstring>");
        escaped(&mut self.0, text);
        self.0.put("</faultstring>");
        end(&mut self.0, &root);
    }
}

/// Writes the fields that have a value, in the schema's order.
pub(super) fn values<S: Sink + ?Sized>(sink: &mut S, complex: &Complex, nodes: &[Option<Node>]) {
    for (field, node) in complex.fields.iter().zip(nodes) {
        match node {
            Some(Node::Many(items)) => items.iter().for_each(|item| element(sink, field, item)),
            Some(node) => element(sink, field, node),
            None => {}
        }
    }
}

fn element<S: Sink + ?Sized>(sink: &mut S, field: &Field, node: &Node) {
    match (node, &field.content) {
        (Node::Nil, _) => {
            sink.put("<");
            put(sink, &field.name);
            sink.put(" xsi:nil=\"true\"/>");
        }
        (Node::Text(text), _) => {
            open(sink, &field.name);
            escaped(sink, text);
            close(sink, &field.name);
        }
        (Node::Object(nodes), Content::Complex(complex)) => {
            open(sink, &field.name);
            values(sink, complex, nodes);
            close(sink, &field.name);
        }
        // An object is built for a type with fields, a list for a field: nothing else is there.
        (Node::Object(_), Content::Simple(_)) | (Node::Many(_), _) => {}
    }
}

fn open<S: Sink + ?Sized>(sink: &mut S, name: &Name) {
    sink.put("<");
    put(sink, name);
    sink.put(">");
}

fn close<S: Sink + ?Sized>(sink: &mut S, name: &Name) {
    sink.put("</");
    put(sink, name);
    sink.put(">");
}

fn put<S: Sink + ?Sized>(sink: &mut S, name: &Name) {
    sink.put(&name.prefix);
    sink.put(":");
    sink.put(&name.local);
}

/// Writes text with the characters replaced that mean something in XML, or that a reader would change.
fn escaped<S: Sink + ?Sized>(sink: &mut S, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(['<', '>', '&', '\r']) {
        sink.put(&rest[..at]);
        sink.put(match rest.as_bytes()[at] {
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'&' => "&amp;",
            _ => "&#13;",
        });
        rest = &rest[at + 1..];
    }
    sink.put(rest);
}
