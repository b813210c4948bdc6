//! A second engine, written to be read: a tree of the whole document, the tables as TOML values, the rules one after the other.
//!
//! It writes JSON as text, so that digits and the order of keys are compared too.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::Event;
use toml::{Table, Value};

#[derive(Debug, Default)]
pub struct Element {
    name: String,
    nil: bool,
    text: String,
    children: Vec<Element>,
}

/// Reads a whole document.
fn tree(xml: &str) -> Element {
    let mut reader = Reader::from_str(xml);
    let mut stack = vec![Element::default()];
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => stack.push(element(&start)),
            Event::Empty(start) => {
                let made = element(&start);
                stack.last_mut().unwrap().children.push(made);
            }
            Event::End(_) => {
                let done = stack.pop().unwrap();
                stack.last_mut().unwrap().children.push(done);
            }
            Event::Text(text) => stack.last_mut().unwrap().text.push_str(&text),
            Event::CData(text) => stack.last_mut().unwrap().text.push_str(&text),
            Event::GeneralRef(reference) => {
                let text = format!("&{};", &*reference);
                stack.last_mut().unwrap().text.push_str(&quick_xml::escape::unescape(&text).unwrap());
            }
            Event::Eof => return stack.pop().unwrap().children.pop().unwrap(),
            _ => {}
        }
    }
}

fn element(start: &quick_xml::events::BytesStart<'_>) -> Element {
    let raw = start.attributes_raw();
    Element {
        name: start.local_name().as_ref().to_owned(),
        nil: raw.contains("nil=\"true\"") || raw.contains("nil=\"1\""),
        ..Element::default()
    }
}

type Entries = Vec<(String, Json)>;

/// A JSON value that keeps the digits of its numbers.
#[derive(Debug, Clone, PartialEq)]
enum Json {
    Null,
    Raw(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    fn write(&self) -> String {
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        match self {
            Json::Null => "null".to_owned(),
            Json::Raw(raw) => raw.clone(),
            Json::Text(text) => quoted(text),
            Json::List(items) => format!("[{}]", items.iter().map(Json::write).collect::<Vec<_>>().join(",")),
            Json::Object(entries) => {
                let entries = entries.iter().map(|(key, value)| format!("{}:{}", quoted(key), value.write()));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
            }
        }
    }
}

pub struct Oracle {
    tables: BTreeMap<String, Table>,
    routes: Vec<Table>,
}

impl Oracle {
    pub fn new() -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tables");
        let mut tables = BTreeMap::new();
        let mut routes = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let table: Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
            match name.as_str() {
                "rest" => {
                    let list = table["route"].as_array().unwrap();
                    routes = list.iter().map(|route| route.as_table().unwrap().clone()).collect();
                }
                "codes" => {}
                _ => {
                    tables.insert(name, table);
                }
            }
        }
        Self { tables, routes }
    }

    /// The JSON of an answer that came by a route.
    pub fn json(&self, id: &str, version: &str, xml: &str) -> String {
        let route = self.routes.iter().find(|route| route["id"].as_str() == Some(id)).unwrap();
        let operation = route["operation"].as_str().unwrap().replace("{api_version}", version);
        let mut parts = operation.split('/');
        let table = &self.tables[&format!("{}-{}", parts.next().unwrap(), parts.next().unwrap())];
        let name = parts.next().unwrap();
        let operations = table["operation"].as_array().unwrap();
        let operation = operations.iter().find(|operation| operation["name"].as_str() == Some(name)).unwrap();
        let local = operation["response"].as_str().unwrap().split(':').nth(1).unwrap();
        let kind = operation.get("response_type").map_or(local, |kind| kind.as_str().unwrap());
        let document = tree(xml);
        let body = document.children.iter().find(|child| child.name == "Body").unwrap();
        let root = body.children.iter().find(|child| child.name == local).unwrap();
        let mut json = object(table, kind, root);
        if json == Json::Null {
            json = object(table, kind, &Element::default_with_fields());
        }
        severities(&mut json);
        for rule in route.get("json").and_then(Value::as_array).into_iter().flatten() {
            let rule = rule.as_table().unwrap();
            let steps: Vec<&str> = rule["at"].as_str().unwrap().split('.').filter(|step| !step.is_empty()).collect();
            at(&mut json, &steps, &|entries| apply(rule, entries));
        }
        json.write()
    }
}

impl Element {
    /// An element that makes an object of nulls instead of null.
    fn default_with_fields() -> Self {
        Self { name: "?".to_owned(), ..Self::default() }
    }
}

fn object(table: &Table, kind: &str, element: &Element) -> Json {
    let mut entries = Vec::new();
    for line in table["type"][kind].as_array().unwrap() {
        let (head, of) = line.as_str().unwrap().split_once(" : ").unwrap();
        let name: String =
            head.split(':').nth(1).unwrap().chars().filter(|c| c.is_alphanumeric() || *c == '_').collect();
        let many = head.contains(['+', '*']);
        let mut values: Vec<Json> = Vec::new();
        for child in element.children.iter().filter(|child| child.name == name && !child.nil) {
            let json =
                if table["type"].get(of).is_some() { object(table, of, child) } else { value(table, of, &child.text) };
            if json != Json::Null {
                values.push(json);
            }
        }
        let json = match (many, values.is_empty()) {
            (_, true) => Json::Null,
            (true, false) => Json::List(values),
            (false, false) => values.remove(0),
        };
        entries.push((name, json));
    }
    let nothing = entries.iter().all(|(_, value)| *value == Json::Null) && element.name != "?";
    if nothing { Json::Null } else { Json::Object(entries) }
}

fn value(table: &Table, of: &str, text: &str) -> Json {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Json::Null;
    }
    let base: String = of.chars().take_while(char::is_ascii_alphabetic).collect();
    if let Some(name) = of.split_once('<').map(|(_, rest)| rest.trim_end_matches('>')) {
        let values = table["enum"][name].as_array().unwrap();
        let found = values
            .iter()
            .map(|value| value.as_str().unwrap())
            .find(|value| value.to_lowercase() == trimmed.to_lowercase());
        if let (Some(found), false) = (found, base.starts_with("int")) {
            return Json::Text(found.to_owned());
        }
    }
    match base.as_str() {
        "string" => Json::Text(text.to_owned()),
        "token" => Json::Text(trimmed.split_ascii_whitespace().collect::<Vec<_>>().join(" ")),
        "boolean" => match trimmed.to_lowercase().as_str() {
            "true" | "1" => Json::Raw("true".to_owned()),
            "false" | "0" => Json::Raw("false".to_owned()),
            _ => Json::Text(trimmed.to_owned()),
        },
        "int" | "integer" => {
            let digits = trimmed.trim_start_matches(['+', '-']);
            if digits.is_empty()
                || trimmed.len() - digits.len() > 1
                || !digits.chars().all(|digit| digit.is_ascii_digit())
            {
                return Json::Text(trimmed.to_owned());
            }
            number(trimmed)
        }
        "double" => {
            let (digits, exponent) =
                trimmed.split_once(['e', 'E']).map_or((trimmed, None), |(one, two)| (one, Some(two)));
            let exponent_fits = exponent.is_none_or(|text| {
                let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
                !digits.is_empty() && digits.chars().all(|digit| digit.is_ascii_digit())
            });
            match number(digits) {
                Json::Raw(raw) if is_decimal(digits) && exponent_fits => {
                    Json::Raw(raw + &exponent.map(|text| format!("e{text}")).unwrap_or_default())
                }
                _ => Json::Text(trimmed.to_owned()),
            }
        }
        _ => Json::Text(trimmed.to_owned()),
    }
}

/// A number as JSON writes it: no plus, no zeros in front.
fn number(text: &str) -> Json {
    let negative = text.starts_with('-');
    let digits = text.trim_start_matches(['+', '-']);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = whole.trim_start_matches('0');
    let mut raw = String::new();
    if negative {
        raw.push('-');
    }
    raw.push_str(if whole.is_empty() { "0" } else { whole });
    if !fraction.is_empty() {
        raw.push('.');
        raw.push_str(fraction);
    }
    Json::Raw(raw)
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    !digits.is_empty()
        && digits != "."
        && digits.matches('.').count() <= 1
        && digits.chars().all(|character| character.is_ascii_digit() || character == '.')
}

/// A message without a severity is an error; a severity begins with a capital.
fn severities(json: &mut Json) {
    at(json, &["ServiceMessageArray", "ServiceMessage"], &|entries| {
        for (key, value) in entries {
            match value {
                Json::Null if key == "severity" => *value = Json::Text("Error".to_owned()),
                Json::Text(text) if key == "severity" => {
                    let text = text.trim();
                    *value = Json::Text(text[..1].to_uppercase() + &text[1..]);
                }
                _ => {}
            }
        }
    });
}

/// Calls `change` for each object at a path.
fn at(json: &mut Json, steps: &[&str], change: &dyn Fn(&mut Entries)) {
    match (json, steps) {
        (Json::List(items), _) => items.iter_mut().for_each(|item| at(item, steps, change)),
        (Json::Object(entries), []) => change(entries),
        (Json::Object(entries), [step, rest @ ..]) => {
            for (_, value) in entries.iter_mut().filter(|(key, _)| key == step) {
                at(value, rest, change);
            }
        }
        _ => {}
    }
}

fn apply(rule: &Table, entries: &mut Entries) {
    let names = |key: &str| -> Vec<String> {
        let list = rule.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        list.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let pairs = |key: &str| rule.get(key).and_then(Value::as_table).cloned().unwrap_or_default();
    let (numbers, integers) = (names("numbers"), names("integers"));
    for (key, value) in entries.iter_mut() {
        if let (Json::Text(text), true) = (&*value, numbers.contains(key) || integers.contains(key))
            && is_decimal(text)
        {
            let Json::Raw(raw) = number(text) else { panic!() };
            let whole = raw.split('.').next().unwrap().to_owned();
            let zero = raw.split('.').nth(1).is_none_or(|fraction| fraction.chars().all(|digit| digit == '0'));
            *value = Json::Raw(if integers.contains(key) && zero { whole } else { raw });
        }
        if let (Json::Null, Some(default)) = (&*value, pairs("defaults").get(key)) {
            *value = Json::Raw(default.as_bool().unwrap().to_string());
        }
        if let Some(list) = pairs("lists").get(key)
            && let Json::Object(inner) = value
        {
            *value = inner.iter().find(|(name, _)| name == list.as_str().unwrap()).unwrap().1.clone();
        }
    }
    for (old, new) in pairs("objects") {
        let entry = entries.iter_mut().find(|(key, _)| *key == old).unwrap();
        new.as_str().unwrap().clone_into(&mut entry.0);
        if let Json::List(items) = &mut entry.1 {
            for item in items {
                *item = Json::Object(vec![(old.clone(), item.clone())]);
            }
        }
    }
    for (old, new) in pairs("rename") {
        let entry = entries.iter_mut().find(|(key, _)| *key == old).unwrap();
        new.as_str().unwrap().clone_into(&mut entry.0);
    }
    entries.extend(names("nulls").into_iter().map(|name| (name, Json::Null)));
}
