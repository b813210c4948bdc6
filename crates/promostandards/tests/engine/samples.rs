//! Messages made from the tables, there and back, against a second engine.

use std::sync::LazyLock;

use promostandards::read_request;
use promostandards::sample::{self, Called, Fill};
use proptest::prelude::*;

use super::oracle::Oracle;
use super::support::{LOGIN, STANDARD, asked_of, read, text};

static ORACLE: LazyLock<Oracle> = LazyLock::new(Oracle::new);

/// Reads an answer by both engines, on each route that has no digest.
fn compare(change: impl Fn(&str) -> String, fill: Fill) {
    for route in STANDARD.routes().iter().filter(|route| !is_digest(route.id())) {
        for version in route.versions() {
            let request = asked_of(route.id(), version);
            let table = if route.service() == "MED" { "1.1.0" } else { request.ws_version() };
            let called = Called { service: route.service(), version: table, operation: route.operation() };
            let xml = change(&sample::answer(&STANDARD, called, fill).unwrap());
            let answer = read(&request, &xml).unwrap_or_else(|error| panic!("{}: {error}\n{xml}", route.id()));
            assert_eq!(text(&answer), ORACLE.json(route.id(), version, &xml), "{}\n{xml}", route.id());
        }
    }
}

fn is_digest(id: &str) -> bool {
    ["getAllSellableProductIds", "getAllSellables", "getFilterValuesV121"].contains(&id)
}

#[test]
fn each_answer_in_full_becomes_the_json_of_the_rules() {
    compare(str::to_owned, Fill::Full);
}

#[test]
fn each_answer_with_what_is_demanded_becomes_the_json_of_the_rules() {
    compare(str::to_owned, Fill::Required);
}

#[test]
fn each_request_reads_back_as_what_was_sent() {
    for route in STANDARD.routes() {
        for version in route.versions() {
            let request = asked_of(route.id(), version);
            let xml = request.envelope(LOGIN).unwrap();
            assert_eq!(xml.len(), xml.capacity(), "the buffer has moved");
            let back = read_request(&STANDARD, request.soap_action(), &xml).unwrap();
            assert_eq!((back.service.as_str(), back.operation.as_str()), (request.service(), request.operation()));
            assert_eq!(back.ws_version, request.ws_version());
            assert_eq!((back.username.as_str(), back.password.as_str()), (LOGIN.username, LOGIN.password));
        }
    }
}

#[test]
fn there_are_samples_of_all_operations() {
    let all: Vec<Called<'_>> = sample::operations(&STANDARD).collect();
    assert_eq!(all.len(), 49);
    for called in all {
        for fill in [Fill::Full, Fill::Required, Fill::Seeded(7)] {
            let request = sample::request(&STANDARD, called, fill).unwrap();
            let back = read_request(&STANDARD, called.operation, request.as_bytes()).unwrap();
            assert_eq!((back.service.as_str(), back.operation.as_str()), (called.service, called.operation));
            assert!(sample::answer(&STANDARD, called, fill).unwrap().contains("Envelope"));
        }
    }
}

/// Turns the children of some elements around, so that the order is not the schema's.
fn shuffled(xml: &str, seed: u64) -> String {
    fn turn(node: &mut [Piece], state: &mut u64) {
        for piece in node.iter_mut() {
            if let Piece::Element(_, children, _) = piece {
                turn(children, state);
            }
        }
        for at in (1..node.len()).rev() {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let other = usize::try_from(*state >> 33).unwrap() % (at + 1);
            node.swap(at, other);
        }
    }
    let body = xml.find("<soap:Body>").unwrap() + "<soap:Body>".len();
    let end = xml.find("</soap:Body>").unwrap();
    let mut pieces = pieces(&mut &xml[body..end]);
    let mut state = seed;
    let Some(Piece::Element(_, children, _)) = pieces.first_mut() else { panic!() };
    turn(children, &mut state);
    let mut out = xml[..body].to_owned();
    for piece in &pieces {
        piece.write(&mut out);
    }
    out + &xml[end..]
}

enum Piece {
    Text(String),
    Element(String, Vec<Piece>, String),
}

impl Piece {
    fn write(&self, out: &mut String) {
        match self {
            Self::Text(text) => out.push_str(text),
            Self::Element(start, children, end) => {
                out.push_str(start);
                for child in children {
                    child.write(out);
                }
                out.push_str(end);
            }
        }
    }
}

fn pieces(rest: &mut &str) -> Vec<Piece> {
    let mut found = Vec::new();
    while !rest.is_empty() && !rest.starts_with("</") {
        if rest.starts_with('<') {
            let (start, after) = rest.split_at(rest.find('>').unwrap() + 1);
            *rest = after;
            if start.ends_with("/>") {
                found.push(Piece::Element(start.to_owned(), Vec::new(), String::new()));
                continue;
            }
            let children = pieces(rest);
            let (end, after) = rest.split_at(rest.find('>').unwrap() + 1);
            *rest = after;
            found.push(Piece::Element(start.to_owned(), children, end.to_owned()));
        } else {
            let (text, after) = rest.split_at(rest.find('<').unwrap_or(rest.len()));
            *rest = after;
            found.push(Piece::Text(text.to_owned()));
        }
    }
    found
}

#[test]
fn each_answer_in_another_order_becomes_the_same_keys() {
    for seed in 0..6 {
        compare(|xml| shuffled(xml, seed), Fill::Full);
        compare(|xml| shuffled(xml, seed), Fill::Seeded(seed));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn random_answers_become_the_json_of_the_rules(seed: u64) {
        compare(str::to_owned, Fill::Seeded(seed));
    }

    /// Values that no schema allows: numbers, booleans and dates of all kinds in every place.
    #[test]
    fn strange_values_become_the_json_of_the_rules(
        seed: u64,
        values in proptest::collection::vec("( |[+-]?[0-9]{0,4}(\\.[0-9]{0,3})?|true|FALSE|0|yes|20[0-9]{2}-01-01|[ a-z\"\\\\]{0,6}|ea|BX|error)", 1..12),
    ) {
        let next = std::cell::Cell::new(0);
        compare(|xml| {
            let mut out = String::new();
            for piece in xml.split_inclusive('>') {
                let (text, tag) = piece.split_at(piece.find('<').unwrap_or(0));
                if tag.starts_with("</") && !text.is_empty() {
                    out.push_str(&values[next.get() % values.len()]);
                    next.set(next.get() + 1);
                } else {
                    out.push_str(text);
                }
                out.push_str(tag);
            }
            out
        }, Fill::Seeded(seed));
    }
}
