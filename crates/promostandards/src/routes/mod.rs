//! The REST side: which call becomes which operation.

mod body_schema;
mod file;
mod read;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

pub(crate) use file::{BodyRule, Digest, Rule};
pub(crate) use read::read;

use crate::codes::Codes;
use crate::fault::Fault;
use crate::model::{Operation, Simple};
use crate::request::{self, Request};
use crate::shape::{self, Shape};

/// The methods of the REST calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// A read.
    #[default]
    Get,
    /// An order.
    Post,
}

/// The places of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Location {
    /// A segment of the path.
    Path,
    /// The query.
    Query,
    /// The whole body.
    Body,
}

/// A path of a route, and the version that a request by it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutePath {
    /// `/v2.0.0/suppliers/{supplier_code}/inventory/{product_id}`.
    pub template: String,
    /// `2.0.0`.
    pub version: String,
    /// The path is another spelling of one with the full version: `/v2/…` for `/v2.0.0/…`.
    pub alias: bool,
}

/// A REST route.
pub struct Route {
    pub(crate) id: String,
    pub(crate) summary: String,
    pub(crate) method: Method,
    pub(crate) paths: Vec<RoutePath>,
    pub(crate) kept_for: Option<Duration>,
    pub(crate) variants: Vec<Arc<Variant>>,
}

/// A route in one version.
pub(crate) struct Variant {
    pub route: String,
    pub version: String,
    pub ws_version: String,
    pub operation: Arc<Operation>,
    pub parameters: Vec<Parameter>,
    pub constants: Vec<(Vec<usize>, String)>,
    pub body: Vec<BodyRule>,
    pub digest: Option<Digest>,
    pub shape: Arc<Shape>,
    pub codes: Arc<Codes>,
}

/// A parameter of a route in one version.
pub struct Parameter {
    pub(crate) name: String,
    pub(crate) location: Location,
    pub(crate) required: bool,
    pub(crate) many: bool,
    pub(crate) default: Option<String>,
    pub(crate) map: Vec<(String, String)>,
    pub(crate) values: Vec<String>,
    /// The places of the element in the request type, from the root down; none for a parameter that is taken and ignored.
    pub(crate) to: Option<Vec<usize>>,
    pub(crate) simple: Option<Arc<Simple>>,
}

/// The kinds of a parameter's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// A boolean.
    Boolean,
    /// A date.
    Date,
    /// A point in time.
    DateTime,
    /// A JSON object.
    Object,
}

impl Parameter {
    /// The name in the path or the query; empty for the body.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The place of the parameter.
    pub fn location(&self) -> Location {
        self.location
    }

    /// Reports whether a call without it is refused.
    pub fn required(&self) -> bool {
        self.required
    }

    /// Reports whether it may be repeated.
    pub fn many(&self) -> bool {
        self.many
    }

    /// The value in place of a missing one.
    pub fn default(&self) -> Option<&str> {
        self.default.as_deref()
    }

    /// The kind of its value.
    pub fn kind(&self) -> ParameterKind {
        use crate::model::Base;
        match (&self.simple, self.location) {
            (_, Location::Body) => ParameterKind::Object,
            (Some(simple), _) if self.map.is_empty() => match simple.base {
                Base::Int | Base::Integer => ParameterKind::Integer,
                Base::Decimal | Base::Double => ParameterKind::Number,
                Base::Boolean => ParameterKind::Boolean,
                Base::Date => ParameterKind::Date,
                Base::DateTime => ParameterKind::DateTime,
                Base::String | Base::Token | Base::AnyUri => ParameterKind::Text,
            },
            _ => ParameterKind::Text,
        }
    }

    /// The allowed values; none if there is no list, or one that suppliers have outgrown.
    pub fn allowed(&self) -> Vec<&str> {
        if !self.map.is_empty() {
            return self.map.iter().map(|(value, _)| value.as_str()).collect();
        }
        if !self.values.is_empty() {
            return self.values.iter().map(String::as_str).collect();
        }
        let values = self.simple.as_ref().and_then(|simple| simple.values.as_ref()).filter(|values| !values.open);
        values.map(|values| values.all.iter().map(String::as_str).collect()).unwrap_or_default()
    }

    /// The JSON schema of one value.
    pub fn schema(&self) -> Value {
        let mut schema = match &self.simple {
            Some(simple) if self.map.is_empty() && self.values.is_empty() => shape::simple_schema(simple),
            _ if self.location == Location::Body => serde_json::json!({"type": "object"}),
            _ => serde_json::json!({"type": "string"}),
        };
        // A parameter that is blank counts as absent.
        if self.required && schema.get("pattern").is_some() {
            schema["pattern"] = shape::CARRIED_NOT_BLANK.into();
        }
        let allowed = self.allowed();
        if let (Some(object), false) =
            (schema.as_object_mut(), allowed.is_empty() || self.kind() != ParameterKind::Text)
        {
            object.insert("enum".to_owned(), allowed.into());
        }
        if let (Some(object), Some(default)) = (schema.as_object_mut(), &self.default) {
            let default = if self.kind() == ParameterKind::Boolean {
                Value::from(default == "true")
            } else {
                Value::from(default.as_str())
            };
            object.insert("default".to_owned(), default);
        }
        schema
    }
}

impl Route {
    /// The vendor's operation id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// A title in a few words.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The paths, each with its version.
    pub fn paths(&self) -> &[RoutePath] {
        &self.paths
    }

    /// The versions, in the order of the paths.
    pub fn versions(&self) -> impl Iterator<Item = &str> {
        self.variants.iter().map(|variant| variant.version.as_str())
    }

    /// The standard's code of the service, like `ODRSTAT`.
    pub fn service(&self) -> &str {
        &self.first().operation.service
    }

    /// The standard's name of the operation, like `getInventoryLevels`.
    pub fn operation(&self) -> &str {
        &self.first().operation.name
    }

    /// Reports whether a call makes an order, which must never be sent twice.
    pub fn is_order(&self) -> bool {
        self.method == Method::Post
    }

    /// The time for which the vendor keeps an answer; none for one that is never kept.
    pub fn kept_for(&self) -> Option<Duration> {
        self.kept_for
    }

    /// The version under which a supplier's endpoint is looked up.
    pub fn endpoint_version<'a>(&'a self, version: &'a str) -> &'a str {
        self.variant(version).map_or(version, |variant| &variant.ws_version)
    }

    /// The parameters of a version; none for a version that the route does not have.
    pub fn parameters(&self, version: &str) -> &[Parameter] {
        self.variant(version).map(|variant| variant.parameters.as_slice()).unwrap_or_default()
    }

    /// The JSON schema of the answer.
    pub fn response_schema(&self, version: &str) -> Value {
        match self.variant(version) {
            Some(variant) => match variant.digest {
                Some(digest) => shape::digest_schema(&variant.shape, digest),
                None => shape::schema(&variant.shape),
            },
            None => Value::Null,
        }
    }

    /// The JSON schema of the body, for an order.
    pub fn body_schema(&self) -> Option<Value> {
        body_schema::body_schema(self.first())
    }

    /// Turns a call into a request. `path` and `query` are decoded; unknown query parameters are ignored. All faults come at once.
    pub fn request(
        &self,
        version: &str,
        path: &[(&str, &str)],
        query: &[(String, String)],
        body: Option<&[u8]>,
    ) -> Result<Request, Vec<Fault>> {
        match self.variant(version) {
            Some(variant) => request::from_call(variant, path, query, body),
            None => Err(vec![Fault {
                location: vec!["path".to_owned(), "api_version".to_owned()],
                message: "The route has no such version".to_owned(),
                kind: "enum",
            }]),
        }
    }

    pub(crate) fn variant(&self, version: &str) -> Option<&Arc<Variant>> {
        self.variants.iter().find(|variant| variant.version == version)
    }

    fn first(&self) -> &Variant {
        // `read` makes no route without a version.
        &self.variants[0]
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Route").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Debug for Parameter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Parameter").field("name", &self.name).finish_non_exhaustive()
    }
}
