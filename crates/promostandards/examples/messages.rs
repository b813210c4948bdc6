//! Writes messages of all operations into a folder, one file each, for a validator: `messages FOLDER`.
//!
//! Samples of requests and answers by the tables, and the requests that the routes make.

use std::error::Error;
use std::fs;
use std::path::Path;

use promostandards::sample::{self, Fill};
use promostandards::{Login, ParameterKind, Route, Standard};

/// The samples of an operation, without the full and the smallest one.
const SEEDS: u64 = 3;

/// An order with every field of the schema is made from its own sample.
const ORDER: &str = include_str!("order.json");

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: messages FOLDER")?;
    let folder = Path::new(&folder);
    let standard = Standard::embedded()?;
    for called in sample::operations(&standard) {
        let folder = folder.join(format!("{}-{}", called.service, called.version));
        fs::create_dir_all(&folder)?;
        let fills = [Fill::Full, Fill::Required].into_iter().chain((1..=SEEDS).map(Fill::Seeded));
        for (number, fill) in fills.enumerate() {
            let messages = [
                ("request", sample::request(&standard, called, fill)),
                ("answer", sample::answer(&standard, called, fill)),
            ];
            for (kind, message) in messages {
                let message = message.ok_or("an operation without a sample")?;
                fs::write(folder.join(format!("{}.{kind}.{number}.xml", called.operation)), message)?;
            }
        }
    }
    for route in standard.routes() {
        for version in route.versions() {
            // Media Content 1.0.0 has no schema but that of 1.1.0.
            let table = if route.service() == "MED" { "1.1.0" } else { route.endpoint_version(version) };
            let folder = folder.join(format!("{}-{table}", route.service()));
            for all in [false, true] {
                let request = request(route, version, all)?;
                let message = request.envelope(Login { username: "a<b>&c", password: "p\"w'd]]>" })?;
                fs::write(folder.join(format!("{}.{version}.route.{}.xml", route.id(), u8::from(all))), &*message)?;
            }
        }
    }
    Ok(())
}

/// A call with the parameters that are demanded, or with all.
fn request(route: &Route, version: &str, all: bool) -> Result<promostandards::Request, String> {
    let mut query = Vec::new();
    for parameter in route.parameters(version) {
        if parameter.location() != promostandards::Location::Query || !(all || parameter.required()) {
            continue;
        }
        let value = match (parameter.allowed().first(), parameter.kind(), parameter.name()) {
            (Some(allowed), _, _) => *allowed,
            (None, ParameterKind::Integer, _) => "7",
            (None, ParameterKind::Boolean, _) => "1",
            (None, ParameterKind::Date | ParameterKind::DateTime, _) => "2024-02-29T10:00:00 02:00",
            (None, _, "currency" | "localization_country" | "localization_language") => {
                if parameter.name() == "currency" { "usd" } else { "CA" }
            }
            (None, _, "size") => "xl",
            _ => "a & <b>",
        };
        query.push((parameter.name().to_owned(), value.to_owned()));
        if parameter.many() {
            query.push((parameter.name().to_owned(), value.to_owned()));
        }
    }
    let path = [("product_id", "A/B & C"), ("issue_id", "1")];
    route
        .request(version, &path, &query, Some(ORDER.as_bytes()))
        .map_err(|faults| format!("{}: {faults:?}", route.id()))
}
