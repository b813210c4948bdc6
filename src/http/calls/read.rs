//! The routes that only read.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::header::{AGE, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};

use super::At;
use super::parameters::Said;
use super::supplier_login::SupplierLogin;
use crate::app::App;
use crate::calls::Answered;
use crate::http::dialect::calls::CallRefusal;
use crate::http::edge::context::RequestContext;
use crate::http::error::HttpError;
use crate::http::extract::caller::{BrowseSuppliers, CallSuppliers, Caller};

/// The level of the login that a call used.
pub(in crate::http) static X_CREDENTIAL_SOURCE: HeaderName = HeaderName::from_static("x-credential-source");

/// A call by a server.
pub(super) async fn for_servers(
    caller: Caller<CallSuppliers>,
    State(app): State<Arc<App>>,
    Extension(at): Extension<At>,
    Extension(context): Extension<Arc<RequestContext>>,
    SupplierLogin(login): SupplierLogin,
    said: Said,
) -> Result<Response, HttpError> {
    read(&app, &caller, at, &context, login, said).await
}

/// A call by a server, or by a browser with a public key.
pub(super) async fn for_browsers(
    caller: Caller<BrowseSuppliers>,
    State(app): State<Arc<App>>,
    Extension(at): Extension<At>,
    Extension(context): Extension<Arc<RequestContext>>,
    SupplierLogin(login): SupplierLogin,
    said: Said,
) -> Result<Response, HttpError> {
    read(&app, &caller, at, &context, login, said).await
}

async fn read<R>(
    app: &App,
    caller: &Caller<R>,
    at: At,
    context: &RequestContext,
    login: crate::types::HalfPair,
    said: Said,
) -> Result<Response, HttpError> {
    let asked = said.asked(at, caller.actor.clone(), caller.account(), login, None)?;
    // A supplier may take a minute. Its own places limit its calls; the account's turns are for its other requests.
    context.admitted.release();
    let answered = app.calls.make(&asked).await.map_err(CallRefusal::from)?;
    Ok(answer(answered))
}

/// Writes an answer.
pub(super) fn answer(answered: Answered) -> Response {
    let Answered { source, json, age } = answered;
    let mut response = ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], json).into_response();
    response.headers_mut().insert(X_CREDENTIAL_SOURCE.clone(), HeaderValue::from_static(source.as_str()));
    if let Some(age) = age {
        response.headers_mut().insert(AGE, age.as_secs().into());
    }
    response
}
