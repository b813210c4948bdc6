//! Messages made from the tables, for tests and simulated suppliers.

use crate::fault::{Fault, Faults, Problem};
use crate::model::{Base, Complex, Content, Field, Name, Operation, Simple};
use crate::request::{Node, Xml};
use crate::standard::Standard;

/// The extent of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// Every field, two items in each list.
    Full,
    /// Only the fields that the schema demands, one item in each list.
    Required,
    /// A choice by a seed.
    Seeded(u64),
}

/// An operation of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Called<'a> {
    /// The standard's code of the service.
    pub service: &'a str,
    /// The version.
    pub version: &'a str,
    /// The operation's name.
    pub operation: &'a str,
}

/// All operations of the tables.
pub fn operations(standard: &Standard) -> impl Iterator<Item = Called<'_>> {
    standard.services.iter().flat_map(|service| {
        service.operations.values().map(|operation| Called {
            service: &service.code,
            version: &service.version,
            operation: &operation.name,
        })
    })
}

/// A valid request for an operation; none if there is no such operation.
pub fn request(standard: &Standard, called: Called<'_>, fill: Fill) -> Option<String> {
    let operation = find(standard, called)?;
    let mut nodes = Maker::new(fill).object(&operation.request_type);
    let login = [operation.version.as_str(), "sample-user", "sample-password"];
    for (slot, value) in nodes.iter_mut().zip(login) {
        *slot = Some(Node::Text(value.to_owned()));
    }
    Some(envelope(operation, &operation.request, &operation.request_type, &nodes))
}

/// A valid answer of an operation; none if there is no such operation.
pub fn answer(standard: &Standard, called: Called<'_>, fill: Fill) -> Option<String> {
    let operation = find(standard, called)?;
    let nodes = Maker::new(fill).object(&operation.response_type);
    Some(envelope(operation, &operation.response, &operation.response_type, &nodes))
}

/// The answer of an operation with the content of a JSON object, by the names of the schema.
pub fn compose(standard: &Standard, called: Called<'_>, json: &str) -> Result<String, Vec<Fault>> {
    let mut faults = Faults::default();
    let Some(operation) = find(standard, called) else {
        faults.add(Problem::new("operation", "No such operation"));
        return faults.or(String::new());
    };
    let nodes = crate::request::fields(&operation.response_type, json, &mut faults).unwrap_or_default();
    let text = envelope(operation, &operation.response, &operation.response_type, &nodes);
    faults.or(text)
}

/// The answer of an operation with one message and nothing else, in the form of its service.
pub fn message(standard: &Standard, called: Called<'_>, code: u16, text: &str) -> Option<String> {
    let operation = find(standard, called)?;
    let complex = &operation.response_type;
    let value = |text: &str| Some(Node::Text(text.to_owned()));
    let mut nodes = vec![None; complex.fields.len()];
    let position = complex.fields.iter().position(|field| {
        field.name.local == "ServiceMessageArray" || field.name.local.eq_ignore_ascii_case("errorMessage")
    })?;
    let of = |message: &Complex| {
        let fields = message.fields.iter().map(|field| match field.name.local.as_str() {
            "code" => value(&code.to_string()),
            "description" => value(text),
            "severity" => value("Error"),
            _ => None,
        });
        Node::Object(fields.collect())
    };
    nodes[position] = match &complex.fields[position].content {
        Content::Simple(_) => value(&format!("{code}: {text}")),
        Content::Complex(inner) => match inner.fields.first() {
            Some(Field { many: true, content: Content::Complex(message), .. }) => {
                Some(Node::Object(vec![Some(Node::Many(vec![of(message)]))]))
            }
            _ => Some(of(inner)),
        },
    };
    Some(envelope(operation, &operation.response, complex, &nodes))
}

/// A SOAP 1.1 fault.
pub fn fault(text: &str) -> String {
    let mut xml = Xml::default();
    xml.fault(text);
    xml.0
}

fn find<'a>(standard: &'a Standard, called: Called<'_>) -> Option<&'a Operation> {
    let of = |service: &&crate::model::Service| service.code == called.service && service.version == called.version;
    standard.services.iter().find(of)?.operations.get(called.operation).map(AsRef::as_ref)
}

fn envelope(operation: &Operation, root: &Name, complex: &Complex, nodes: &[Option<Node>]) -> String {
    let mut xml = Xml::default();
    xml.message(&operation.namespaces, root, complex, nodes);
    xml.0
}

/// Makes values by a seed.
struct Maker {
    fill: Fill,
    state: u64,
}

impl Maker {
    fn new(fill: Fill) -> Self {
        let state = if let Fill::Seeded(seed) = fill { seed } else { 0 };
        Self { fill, state }
    }

    /// The next number of a simple generator (`SplitMix64`).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).unwrap_or(1);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    fn object(&mut self, complex: &Complex) -> Vec<Option<Node>> {
        complex.fields.iter().map(|field| self.field(field)).collect()
    }

    fn field(&mut self, field: &Field) -> Option<Node> {
        let made = match self.fill {
            Fill::Full => true,
            Fill::Required => field.required,
            Fill::Seeded(_) => field.required || self.below(3) > 0,
        };
        if !made {
            return None;
        }
        if field.nillable && matches!(self.fill, Fill::Seeded(_)) && self.below(2) == 0 {
            return Some(Node::Nil);
        }
        if !field.many {
            return Some(self.item(field));
        }
        let count = match self.fill {
            Fill::Full => 2,
            Fill::Required => 1,
            // The schemas bound one list, at two.
            Fill::Seeded(_) => 1 + self.below(2),
        };
        Some(Node::Many((0..count).map(|_| self.item(field)).collect()))
    }

    fn item(&mut self, field: &Field) -> Node {
        match &field.content {
            Content::Simple(simple) => Node::Text(self.value(simple)),
            Content::Complex(complex) => Node::Object(self.object(complex)),
        }
    }

    fn value(&mut self, simple: &Simple) -> String {
        if let Some(values) = &simple.values {
            let all: Vec<&str> = values.all.iter().map(String::as_str).collect();
            return self.pick(&all).to_owned();
        }
        match simple.base {
            Base::String | Base::Token => self.text(simple),
            Base::AnyUri => format!("https://example.com/{}?a=1&b={}", self.below(1_000), self.below(10)),
            Base::Int if simple.total_digits.is_some() => self.below(1_000).to_string(),
            Base::Int => (i64::try_from(self.below(1 << 31)).unwrap_or(0) - 1_000).to_string(),
            Base::Integer => format!("{}{}", self.below(1 << 30), self.below(1 << 30)),
            Base::Decimal => self.decimal(simple),
            Base::Double => format!("{}.5E{}", self.below(1_000), self.below(5)),
            Base::Boolean => self.pick(&["true", "false", "1", "0"]).to_owned(),
            Base::Date => format!("20{:02}-{:02}-{:02}", self.below(100), 1 + self.below(12), 1 + self.below(28)),
            Base::DateTime => {
                let day = format!("20{:02}-{:02}-{:02}", self.below(100), 1 + self.below(12), 1 + self.below(28));
                let zone = self.pick(&["", "Z", "+02:00", "-05:30"]);
                let fraction = self.pick(&["", ".5", ".1200"]);
                format!("{day}T{:02}:{:02}:{:02}{fraction}{zone}", self.below(24), self.below(60), self.below(60))
            }
        }
    }

    fn decimal(&mut self, simple: &Simple) -> String {
        let sign = if simple.positive || self.below(8) > 0 { "" } else { "-" };
        let digits = simple.fraction_digits.unwrap_or(8).min(1 + self.below(8));
        let fraction: String =
            (0..digits).map(|_| char::from(b'0' + u8::try_from(self.below(10)).unwrap_or(0))).collect();
        match self.below(3) {
            0 => format!("{sign}{}", 1 + self.below(100_000)),
            _ => format!("{sign}{}.{fraction}", 1 + self.below(100_000)),
        }
    }

    /// A text within its length, with the characters that XML and JSON escape.
    fn text(&mut self, simple: &Simple) -> String {
        const WORDS: [&str; 12] =
            ["Blue", "A&B", "<tag>", "12\" x 8'", "naïve", "日本", "back\\slash", "€5", "😀", "a-b_c", "]]>", "100%"];
        let most = simple.max_length.unwrap_or(64).min(64);
        let mut text = String::new();
        loop {
            let word = self.pick(&WORDS);
            let length = text.chars().count();
            let more = word.chars().count() + usize::from(length > 0);
            if length + more > most {
                break;
            }
            if length > 0 {
                text.push(' ');
            }
            text.push_str(word);
            if self.below(3) == 0 {
                break;
            }
        }
        while text.chars().count() < simple.min_length.max(1).min(most) {
            text.push('x');
        }
        text
    }
}
