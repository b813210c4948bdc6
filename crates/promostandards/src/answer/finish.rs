//! Puts an answer together when its response element has ended.

use super::Answer;
use super::writer::Writer;
use crate::codes::Verdict;
use crate::request::Request;
use crate::routes::Digest;
use crate::shape::{Kind, ObjectRole, Role, Shape};

/// Up to this size the JSON gives back the room that it did not need.
const SMALL: usize = 1 << 20;

/// Ends the root and makes the answer.
pub(super) fn finish(request: &Request, mut writer: Writer<'_>) -> Answer {
    let variant = &request.variant;
    let products = writer.products.as_ref().is_some_and(|products| products.count() > 0);
    let data = products || has_data(request, &variant.shape, &writer);
    let verdict = match (writer.messages.refused, writer.messages.accepted || data) {
        (Some(code), _) => Verdict::Refused { code },
        (None, true) => Verdict::Accepted,
        (None, false) => Verdict::Silent,
    };
    let complete_without_error = verdict == Verdict::Accepted && !writer.messages.error;
    let filters = (variant.digest == Some(Digest::FilterValues)).then(|| filter_values(&writer));
    let messages = std::mem::take(&mut writer.messages.kept);
    let mut json = match variant.digest {
        None => {
            writer.end_root();
            writer.out
        }
        Some(Digest::FilterValues) => filters.unwrap_or_default(),
        Some(Digest::ProductIds | Digest::ProductVariants) => {
            let messages = service_messages(&writer);
            let size = writer.products.as_ref().map_or(0, super::digest::Products::size);
            let mut out = Vec::with_capacity(size + messages.len() + 64);
            if let Some(products) = writer.products.take() {
                out.extend_from_slice(format!("{{\"count\":{},\"products\":", products.count()).as_bytes());
                products.write(&mut out);
            }
            out.extend_from_slice(b",\"ServiceMessageArray\":");
            out.extend_from_slice(&messages);
            out.push(b'}');
            out
        }
    };
    // An answer may be kept for days; a large one would have to be copied.
    if json.len() < SMALL {
        json.shrink_to_fit();
    }
    Answer { json, messages, verdict, complete_without_error }
}

/// Reports whether the answer has something that is no message and no echo of the request.
fn has_data(request: &Request, shape: &Shape, writer: &Writer<'_>) -> bool {
    let echoed = &request.variant.operation.request_type;
    shape.fields.iter().enumerate().any(|(position, member)| {
        let message = member.role == Role::ErrorText
            || match &member.kind {
                Kind::Object(shape) | Kind::Bare(shape) => {
                    shape.role != ObjectRole::None
                        || member.element == "ServiceMessageArray"
                        || shape.fields.iter().any(|member| member.role == Role::Note)
                }
                Kind::Value(..) => false,
            };
        writer.has(position)
            && !message
            && echoed.position(&member.element).is_none_or(|_| member.element.ends_with("Array"))
    })
}

/// The messages as an array of the newer services, from any form of this one.
fn service_messages(writer: &Writer<'_>) -> Vec<u8> {
    if let Some(array) = writer.root_value("ServiceMessageArray") {
        return array.to_vec();
    }
    // An error message ends with its brace, and has a code and a description.
    let Some(fields) = writer.root_value("ErrorMessage").and_then(|error| error.strip_suffix(b"}")) else {
        return b"null".to_vec();
    };
    [b"{\"ServiceMessage\":[", fields, b",\"severity\":\"Error\"}]}"].concat()
}

/// The filter values of Inventory 1.2.1 in the shape of 2.0.0.
fn filter_values(writer: &Writer<'_>) -> Vec<u8> {
    let value = |element| writer.root_value(element).unwrap_or(b"null");
    let (sizes, colors) = (value("FilterSizeArray"), value("FilterColorArray"));
    let filter = if sizes == b"null" && colors == b"null" {
        b"null".to_vec()
    } else {
        [b"{\"partIdArray\":null,\"LabelSizeArray\":", sizes, b",\"PartColorArray\":", colors, b"}"].concat()
    };
    let error = writer.root_value("errorMessage");
    let values = if filter == b"null" && (error.is_some() || value("productID") == b"null") {
        b"null".to_vec()
    } else {
        [b"{\"productId\":", value("productID"), b",\"Filter\":", &filter, b"}"].concat()
    };
    let messages = match error {
        Some(text) => {
            let code = writer.messages.kept.first().and_then(|message| message.code);
            let code = code.map_or_else(|| "null".to_owned(), |code| code.to_string());
            let start = format!("{{\"ServiceMessage\":[{{\"code\":{code},\"description\":");
            [start.as_bytes(), text, b",\"severity\":\"Error\"}]}"].concat()
        }
        None => b"null".to_vec(),
    };
    [b"{\"FilterValues\":", &values[..], b",\"ServiceMessageArray\":", &messages, b"}"].concat()
}
