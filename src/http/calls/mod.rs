//! `/v2.0.0/suppliers/…` and its sisters: calls to suppliers, as the tables of the standard describe them. No code is here for
//! any one route.

mod described;
mod order;
mod parameters;
mod read;
mod supplier_login;

use axum::Extension;
use axum::routing::{get, post};
use promostandards::{Method, Route};

use self::described::described;
use crate::calls::standard::standard;
use crate::http::openapi::operations::{Operations, Tag, below, with_body_limit};

/// Most bytes of an order.
const MOST_ORDER_BYTES: usize = 1 << 20;

/// The parts of the document.
pub(super) const TAGS: &[Tag] = &[Tag {
    prefix: "/v",
    name: "Calls to suppliers",
    about: "PromoStandards in JSON. The service calls the supplier with the login that its resolver picks; a login of the \
            request's own may stand in `Authorization: Basic`, with the key in `X-API-Key`. An answer of 200 is what the \
            supplier said, its errors included.",
}];

/// The version `2` of a path is short for `2.0.0`.
pub(super) const SHORT_PREFIX: &str = "/v2/";
/// The long form of [`SHORT_PREFIX`].
pub(super) const WHOLE_PREFIX: &str = "/v2.0.0/";

/// A route at one version of its path.
#[derive(Clone, Copy)]
pub(super) struct At {
    /// The route.
    pub route: &'static Route,
    /// The version in the path.
    pub version: &'static str,
}

/// The operations of the family. The layer is for those that browsers may use as well.
pub(super) fn operations(browsers: impl FnOnce(Operations) -> Operations) -> Operations {
    let (mut servers, mut for_browsers) = (Operations::new(), Operations::new());
    // The service does not start with tables that cannot be used.
    for route in standard().map(promostandards::Standard::routes).unwrap_or_default() {
        let is_open = matches!(route.service(), "Product" | "MED");
        for path in route.paths().iter().filter(|path| !path.alias) {
            let at = At { route, version: &path.version };
            let methods = match route.method() {
                Method::Get if is_open => get(read::for_browsers),
                Method::Get => get(read::for_servers),
                Method::Post => post(order::send),
            };
            let operation = (Vec::new(), described(at, is_open), methods.layer(Extension(at)));
            let operation = with_body_limit(operation, MOST_ORDER_BYTES);
            let all = if is_open { &mut for_browsers } else { &mut servers };
            *all = std::mem::take(all).merge(below("", [(path.template.as_str(), operation)]));
        }
    }
    servers.merge(browsers(for_browsers))
}
