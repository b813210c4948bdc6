//! The parameters that every call has, and how a call is put together from them.

use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::header::CACHE_CONTROL;
use axum::http::request::Parts;
use promostandards::Request;
use url::form_urlencoded;

use super::At;
use crate::calls::Asked;
use crate::error::{Error, Missing};
use crate::http::dialect::calls::CallRefusal;
use crate::http::error::HttpError;
use crate::http::extract::fields::FieldErrors;
use crate::http::extract::path::Path;
use crate::principal::Actor;
use crate::resolver::Call;
use crate::types::{AccountId, Environment, HalfPair, Service, SupplierCode};

/// The path, the query and the wish for a fresh answer of a request.
pub(super) struct Said {
    path: Vec<(String, String)>,
    query: Vec<(String, String)>,
    fresh: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Said {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, HttpError> {
        let Path(path) = Path::from_request_parts(parts, state).await?;
        let caches = parts.headers.get_all(CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
        let fresh = caches.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case("no-cache"));
        Ok(Self { path, query: query(&parts.uri), fresh })
    }
}

fn query(uri: &Uri) -> Vec<(String, String)> {
    form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect()
}

impl Said {
    /// Puts the call together, or lists all that is wrong with it at once.
    pub(super) fn asked(
        self,
        at: At,
        actor: Actor,
        account: AccountId,
        login: HalfPair,
        body: Option<&[u8]>,
    ) -> Result<Asked, HttpError> {
        let (supplier, path): (Vec<_>, Vec<_>) = self.path.iter().partition(|(name, _)| name == "supplier_code");
        let path: Vec<_> = path.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let request = at.route.request(at.version, &path, &self.query, body);
        let request = request.map_err(CallRefusal::Parameters)?;
        let environment = environment(&request, &self.query, body.is_some())?;
        let code = supplier.first().map_or("", |(_, code)| code.as_str());
        let supplier = SupplierCode::parse(code).map_err(|_| Error::missing(Missing::Supplier))?;
        let service = Service::parse(at.route.service()).ok_or_else(|| Error::missing(Missing::Path))?;
        Ok(Asked {
            actor,
            call: Call { account, supplier, service, environment },
            version: at.route.endpoint_version(at.version).to_owned(),
            login,
            kept_for: at.route.kept_for(),
            fresh: self.fresh,
            is_order: at.route.is_order(),
            is_trial: false,
            request,
        })
    }
}

/// The environment: a parameter of the query, or a field of an order.
fn environment(request: &Request, query: &[(String, String)], is_order: bool) -> Result<Environment, HttpError> {
    let given = if is_order {
        request.body_environment()
    } else {
        query.iter().find(|(name, _)| name == "environment").map(|(_, value)| value.as_str())
    };
    let mut errors = FieldErrors::default();
    let environment = errors.required_environment("environment", Some(given.unwrap_or("PROD")));
    errors.complete(environment)
}
