//! Moments in JSON, to the letter of RFC 3339 §5.6, as JSON Schema's `date-time` requires them. chrono reads more: a blank in
//! place of the `T`, `UTC` in place of the `Z`, a minus that is none of ASCII.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserializer;
use serde::de::{Error, Unexpected, Visitor};

/// Reads a moment or null, for `deserialize_with` (with `default`, so that it may be absent).
pub(in crate::http) fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    deserializer.deserialize_any(Moment)
}

struct Moment;

impl Visitor<'_> for Moment {
    type Value = Option<DateTime<Utc>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a moment by RFC 3339")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let is_to_the_letter = text.bytes().all(|byte| byte.is_ascii_graphic());
        let moment = DateTime::parse_from_rfc3339(text).ok().filter(|_| is_to_the_letter);
        moment.map(|moment| Some(moment.to_utc())).ok_or_else(|| E::invalid_value(Unexpected::Other("text"), &self))
    }
}
