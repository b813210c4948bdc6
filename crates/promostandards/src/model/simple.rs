//! Simple types: a built-in type of XML Schema with its facets.

use std::sync::Arc;

/// The built-in types that the services use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// Text as it is.
    String,
    /// Text whose blanks collapse.
    Token,
    /// A URI, read as a token.
    AnyUri,
    /// A whole number of 32 bits.
    Int,
    /// A whole number of any size.
    Integer,
    Decimal,
    Double,
    Boolean,
    Date,
    DateTime,
}

/// The lists of enumerations that go out of date: country, currency, and the sizes of labels. The supplier judges them.
const OPEN: [&str; 4] = ["country", "countryOfOrigin", "currency", "labelSize"];

/// A simple type with its facets.
#[derive(Debug, Clone)]
pub(crate) struct Simple {
    pub base: Base,
    pub min_length: usize,
    pub max_length: Option<usize>,
    pub fraction_digits: Option<usize>,
    pub total_digits: Option<usize>,
    /// The value must be greater than zero.
    pub positive: bool,
    /// The allowed values in the schema's order.
    pub values: Option<Arc<Values>>,
}

/// The values of an enumeration.
#[derive(Debug)]
pub(crate) struct Values {
    pub all: Vec<String>,
    /// Sorted by the lower-case form, for [`Values::matching`].
    sorted: Vec<String>,
    /// The list of the schema is out of date: other values are sent too, in upper case.
    pub open: bool,
}

impl Values {
    pub fn new(name: &str, all: Vec<String>) -> Self {
        let mut sorted = all.clone();
        sorted.sort_by_key(|value| value.to_ascii_lowercase());
        sorted.dedup();
        Self { all, sorted, open: OPEN.contains(&name) }
    }

    /// Finds the value of the schema that differs from `text` at most in its capitals.
    pub fn matching(&self, text: &str) -> Option<&str> {
        let wanted = text.bytes().map(|byte| byte.to_ascii_lowercase());
        let at = self
            .sorted
            .binary_search_by(|value| value.bytes().map(|byte| byte.to_ascii_lowercase()).cmp(wanted.clone()))
            .ok()?;
        Some(&self.sorted[at])
    }
}

impl Simple {
    /// Reads `token(1..64)`, `int<queryType>`, `decimal(.4 >0)`. `values` gives the enumeration of a name.
    pub fn parse(text: &str, values: impl Fn(&str) -> Option<Arc<Values>>) -> Result<Self, String> {
        let end = text.find(['(', '<']).unwrap_or(text.len());
        let base = match &text[..end] {
            "string" => Base::String,
            "token" => Base::Token,
            "anyURI" => Base::AnyUri,
            "int" => Base::Int,
            "integer" => Base::Integer,
            "decimal" => Base::Decimal,
            "double" => Base::Double,
            "boolean" => Base::Boolean,
            "date" => Base::Date,
            "dateTime" => Base::DateTime,
            other => return Err(format!("unknown type `{other}`")),
        };
        let mut simple = Self {
            base,
            min_length: 0,
            max_length: None,
            fraction_digits: None,
            total_digits: None,
            positive: false,
            values: None,
        };
        let mut rest = &text[end..];
        if let Some(inner) = rest.strip_prefix('(') {
            let (facets, after) = inner.split_once(')').ok_or("a parenthesis is not closed")?;
            simple.facets(facets)?;
            rest = after;
        }
        if let Some(inner) = rest.strip_prefix('<') {
            let (name, after) = inner.split_once('>').ok_or("an angle bracket is not closed")?;
            simple.values = Some(values(name).ok_or_else(|| format!("no enumeration `{name}`"))?);
            rest = after;
        }
        if rest.is_empty() { Ok(simple) } else { Err(format!("`{rest}` is left over")) }
    }

    fn facets(&mut self, facets: &str) -> Result<(), String> {
        let number = |text: &str| text.parse::<usize>().map_err(|_| format!("`{text}` is no number"));
        if let Some(digits) = facets.strip_prefix("digits ") {
            self.total_digits = Some(number(digits)?);
        } else if matches!(self.base, Base::Decimal) {
            for facet in facets.split(' ') {
                if let Some(digits) = facet.strip_prefix('.') {
                    self.fraction_digits = Some(number(digits)?);
                } else if facet == ">0" {
                    self.positive = true;
                } else {
                    return Err(format!("unknown facet `{facet}`"));
                }
            }
        } else if let Some((low, high)) = facets.split_once("..") {
            self.min_length = if low.is_empty() { 0 } else { number(low)? };
            self.max_length = if high.is_empty() { None } else { Some(number(high)?) };
        } else {
            self.min_length = number(facets)?;
            self.max_length = Some(self.min_length);
        }
        Ok(())
    }
}
