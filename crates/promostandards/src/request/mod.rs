//! A call as a tree of values, and its SOAP request.

mod body;
mod envelope;
mod moment;
mod parameters;
mod read;
mod value;

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

pub use read::{ReadRequest, RequestError, read_request};

pub(crate) use body::fields;
pub(crate) use envelope::Xml;
pub(crate) use parameters::from_call;

use crate::login::{Login, LoginFault};
use crate::routes::Variant;

/// The value of an element in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Text(String),
    /// `xsi:nil="true"`.
    Nil,
    Many(Vec<Node>),
    /// The fields of the type, in its order.
    Object(Vec<Option<Node>>),
}

/// The values of one call, without the login.
#[derive(Clone)]
pub struct Request {
    pub(crate) variant: Arc<Variant>,
    /// The fields of the request element, without its first three.
    pub(crate) fields: Vec<Option<Node>>,
    pub(crate) environment: Option<String>,
}

impl Request {
    /// The id of the route that the call came by.
    pub fn route(&self) -> &str {
        &self.variant.route
    }

    /// The standard's code of the service.
    pub fn service(&self) -> &str {
        &self.variant.operation.service
    }

    /// The version that is asked for, as in `wsVersion`: the version of the supplier's endpoint.
    pub fn ws_version(&self) -> &str {
        &self.variant.ws_version
    }

    /// The standard's name of the operation.
    pub fn operation(&self) -> &str {
        &self.variant.operation.name
    }

    /// The SOAP action, without quotation marks.
    pub fn soap_action(&self) -> &str {
        &self.variant.operation.soap_action
    }

    /// The route, the operation and its values in the schema's order: equal for equal calls in any spelling.
    pub fn canonical(&self) -> String {
        let operation = &self.variant.operation;
        let mut text =
            format!("{} {}/{}/{} ", self.variant.route, operation.service, self.variant.ws_version, operation.name);
        envelope::values(&mut text, &operation.request_type, &self.fields);
        text
    }

    /// The `priceType` of a price call.
    pub fn price_type(&self) -> Option<&str> {
        let position = self.variant.operation.request_type.position("priceType")?;
        match self.fields.get(position)? {
            Some(Node::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Reports whether the call asks for the prices of one customer.
    pub fn is_customer_price(&self) -> bool {
        self.price_type() == Some("Customer")
    }

    /// The `environment` of an order's body, as it was sent.
    pub fn body_environment(&self) -> Option<&str> {
        self.environment.as_deref()
    }

    /// Writes the SOAP request with the login into one buffer that is wiped when it is dropped.
    pub fn envelope(&self, login: Login<'_>) -> Result<Zeroizing<Vec<u8>>, LoginFault> {
        envelope::write(self, login)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Request").field("route", &self.variant.route).finish_non_exhaustive()
    }
}
