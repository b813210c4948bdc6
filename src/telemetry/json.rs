//! Log lines as JSON: an object a line, with the event's fields after its time, level and target. Every request is a line,
//! so it is written in one go, and only text that needs escaping goes through a serializer.

use std::fmt::{self, Debug, Write};
use std::time::SystemTime;

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The form of a line. An event is complete in itself; spans are for traces.
pub(super) struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    #[allow(clippy::disallowed_methods, reason = "when a line was written is nothing that a test moves")]
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        write!(line, r#"{{"timestamp":"{}""#, humantime::format_rfc3339_micros(SystemTime::now()))?;
        member(&mut line, "level", |text| text.write_str(event.metadata().level().as_str()))?;
        let mut fields = Fields { line: &mut line, result: Ok(()) };
        event.record(&mut fields);
        fields.result?;
        member(&mut line, "target", |text| text.write_str(event.metadata().target()))?;
        line.write_str("}\n")
    }
}

/// Writes fields as members of the object, until one cannot be written.
struct Fields<'a, W> {
    line: &'a mut W,
    result: fmt::Result,
}

impl<W: Write> Fields<'_, W> {
    /// A member whose value reads in JSON as it does in Rust.
    fn plain(&mut self, field: &Field, value: impl fmt::Display) {
        self.result = self.result.and_then(|()| write!(self.line, r#","{}":{value}"#, field.name()));
    }
}

impl<W: Write> Visit for Fields<'_, W> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.result = self.result.and_then(|()| member(self.line, field.name(), |text| text.write_str(value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, value);
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.plain(field, value);
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.plain(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no number that is none.
        self.plain(field, Value::from(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.result = self.result.and_then(|()| member(self.line, field.name(), |text| write!(text, "{value:?}")));
    }
}

/// A member that is a text. Piece by piece: a format string costs more than what it writes.
fn member<W: Write>(line: &mut W, name: &str, write: impl FnOnce(&mut Escaped<'_, W>) -> fmt::Result) -> fmt::Result {
    line.write_str(",\"")?;
    line.write_str(name)?;
    line.write_str("\":\"")?;
    write(&mut Escaped(line))?;
    line.write_char('"')
}

/// Text written through this is within the quotes of a JSON string. No character depends on its neighbours, so pieces
/// can be escaped one by one.
struct Escaped<'a, W>(&'a mut W);

impl<W: Write> Write for Escaped<'_, W> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let is_plain = |byte: &u8| *byte >= b' ' && !matches!(byte, b'"' | b'\\');
        if piece.as_bytes().iter().all(is_plain) {
            return self.0.write_str(piece);
        }
        let quoted = Value::from(piece).to_string();
        self.0.write_str(&quoted[1..quoted.len() - 1])
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;
    use serde_json::json;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The line of an event.
    fn line_of(event: impl FnOnce()) -> serde_json::Map<String, Value> {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer().event_format(Json).with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), event);
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(text.ends_with("}\n") && text.lines().count() == 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_line_has_time_level_and_target_and_each_field_in_its_kind() {
        let error = io::Error::other("a \"cause\"");
        let line = line_of(|| {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(text = "a", number = -1_i64, large = u64::MAX, yes = true, half = 0.5, error, %error, "said {}", 1);
        });
        let names: Vec<_> = line.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            ["timestamp", "level", "message", "text", "number", "large", "yes", "half", "error", "target"]
        );
        assert!(chrono::DateTime::parse_from_rfc3339(line["timestamp"].as_str().unwrap()).is_ok());
        assert_eq!((&line["level"], &line["message"]), (&json!("WARN"), &json!("said 1")));
        assert_eq!((&line["number"], &line["large"]), (&json!(-1), &json!(u64::MAX)));
        assert_eq!((&line["yes"], &line["half"], &line["error"]), (&json!(true), &json!(0.5), &json!("a \"cause\"")));
        assert_eq!(line["target"], json!(module_path!()));
        assert_eq!(line_of(|| tracing::info!(odd = f64::NAN))["odd"], Value::Null);
    }

    proptest! {
        #[test]
        fn any_text_comes_back_as_it_was(text in ".*", control in "[\\x00-\\x1f\"\\\\]{0,3}") {
            let text = text + &control;
            let line = line_of(|| tracing::info!(text, debug = ?text, "{text}"));
            prop_assert_eq!(&line["text"], &json!(text));
            prop_assert_eq!(&line["debug"], &json!(format!("{text:?}")));
            prop_assert_eq!(&line["message"], &json!(text));
        }
    }
}
