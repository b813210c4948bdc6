//! Writes a request as XML. The login is escaped straight into the buffer: `quick-xml` would leave an escaped copy of it in memory.

use zeroize::Zeroizing;

use super::{Node, Request};
use crate::login::{Login, LoginFault, LoginField, carried};
use crate::model::{Complex, Content, Field};

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
    for text in
        ["<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soap:Envelope xmlns:soap=\"", SOAP, "\" xmlns:xsi=\"", INSTANCE]
    {
        sink.put(text);
    }
    for (prefix, namespace) in &operation.namespaces {
        for text in ["\" xmlns:", prefix, "=\"", namespace] {
            sink.put(text);
        }
    }
    sink.put("\"><soap:Body><");
    name(sink, &operation.request.prefix, &operation.request.local);
    sink.put(">");
    for (field, value) in complex.fields.iter().zip([&request.variant.ws_version, login.username, login.password]) {
        open(sink, field);
        escaped(sink, value);
        close(sink, field);
    }
    values(sink, complex, &request.fields);
    sink.put("</");
    name(sink, &operation.request.prefix, &operation.request.local);
    sink.put("></soap:Body></soap:Envelope>");
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
            name(sink, &field.name.prefix, &field.name.local);
            sink.put(" xsi:nil=\"true\"/>");
        }
        (Node::Text(text), _) => {
            open(sink, field);
            escaped(sink, text);
            close(sink, field);
        }
        (Node::Object(nodes), Content::Complex(complex)) => {
            open(sink, field);
            values(sink, complex, nodes);
            close(sink, field);
        }
        // An object is built for a type with fields, a list for a field: nothing else is there.
        (Node::Object(_), Content::Simple(_)) | (Node::Many(_), _) => {}
    }
}

fn open<S: Sink + ?Sized>(sink: &mut S, field: &Field) {
    sink.put("<");
    name(sink, &field.name.prefix, &field.name.local);
    sink.put(">");
}

fn close<S: Sink + ?Sized>(sink: &mut S, field: &Field) {
    sink.put("</");
    name(sink, &field.name.prefix, &field.name.local);
    sink.put(">");
}

fn name<S: Sink + ?Sized>(sink: &mut S, prefix: &str, local: &str) {
    sink.put(prefix);
    sink.put(":");
    sink.put(local);
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
