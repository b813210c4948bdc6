//! Properties that hold for any message of the change feed.

#![allow(clippy::missing_panics_doc, reason = "a panic is what a fuzzer looks for")]

use super::message::{Message, owners};
use super::owner::Owner;

/// Every message of an instance is parsed as it was written. Doubt concerns everything: no line of a message is passed over, and
/// none that is not understood to its end concerns less.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let message = Message::parse(&text);
    match &message {
        Message::Changed(Owner::Everything) => {}
        Message::Changed(owner) => {
            // The database puts codes and names at the end, as they are.
            let end = match owner {
                Owner::Bundle(_, code) | Owner::Supplier(code) => code.as_str(),
                Owner::Client(name) => name,
                _ => "",
            };
            assert!(text.ends_with(end));
        }
        own => assert_eq!(Message::parse(&own.to_string()), *own),
    }
    let lines = text.split('\n').filter(|line| !line.is_empty());
    assert_eq!(owners(&text), lines.map(Owner::from_message).collect::<Vec<_>>());
}
