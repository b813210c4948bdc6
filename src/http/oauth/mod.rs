//! `/oauth/…` and `/.well-known/…`: tokens for clients (RFC 6749 §4.4), their revocation (RFC 7009) and introspection
//! (RFC 7662), our metadata (RFC 8414) and keys (RFC 7517). Errors have the form of RFC 6749 §5.2.

mod presented;
mod wire;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::PRAGMA;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use utoipa_axum::routes;

use self::presented::{ClientCredentials, OAuthRequest};
use self::wire::{AboutToken, IntrospectionBody, KeySet, Metadata, TokenBody, TokenRequest};
use crate::admission::Holder;
use crate::app::App;
use crate::error::{Denied, Error};
use crate::http::dialect::oauth::{OAuthErrorBody, OAuthRefusal};
use crate::http::edge::admission;
use crate::http::error::HttpError;
use crate::http::openapi::operations::{Operations, Tag, below};
use crate::oauth::{Grant, IssueError, Origin, TokenToRevoke};
use crate::work::Work;

/// The parts of the document.
pub(super) const TAGS: &[Tag] = &[Tag {
    prefix: "/oauth/",
    name: "OAuth2",
    about: "Tokens for clients, by RFC 6749, 7009 and 7662. Refusals have the form of RFC 6749 §5.2.",
}];

/// Returns the client that a request presents. Refuses an address that had too many failures before anything is looked up
/// for it; a client that was found lately goes on working from there.
fn client(app: &App, request: &OAuthRequest) -> Result<ClientCredentials, HttpError> {
    let client = request.client();
    if request.client_address.as_ref().is_some_and(|address| app.failed_attempts.is_over(address)) {
        let is_known = match &client {
            Ok(client) => app.tokens.knows_client(&client.id),
            Err(_) => false,
        };
        if !is_known {
            return Err(Error::Denied(Denied::TooManyFailures).into());
        }
    }
    client
}

/// Counts a request of a client, before what costs most: signing, or a write. From memory, so that authenticating the client twice
/// costs little.
async fn count(app: &App, request: &OAuthRequest, id: &str, secret: &SecretString) -> Result<(), HttpError> {
    let client = app.tokens.authenticate_client(id, secret.expose_secret(), app.clock.now()).await;
    let client = client.map_err(|error| refusal(app, request, error))?;
    let Some(context) = &request.context else { return Ok(()) };
    let counted = admission::count(context, app, Holder::Key(client.id), false).await;
    Ok(counted?)
}

/// A client's request about a token of its own or of others.
struct AboutOneToken<'a> {
    client: ClientCredentials,
    token: &'a str,
}

impl<'a> AboutOneToken<'a> {
    /// Reads the client and the token, and counts the request.
    async fn read(app: &App, request: &'a OAuthRequest) -> Result<Self, HttpError> {
        let client = client(app, request)?;
        let token = request.parameter("token").ok_or(OAuthRefusal::InvalidRequest("token is required"))?;
        count(app, request, &client.id, &client.secret).await?;
        Ok(Self { client, token })
    }
}

/// The answer to a client's failure, which counts against its address like any other.
fn refusal(app: &App, request: &OAuthRequest, error: IssueError) -> HttpError {
    match error {
        IssueError::InvalidClient(reason) => {
            // The client is not told; the log is.
            tracing::info!(reason, "a client was refused");
            if request.client_address.as_ref().is_some_and(|address| app.failed_attempts.too_many(address)) {
                return Error::Denied(Denied::TooManyFailures).into();
            }
            OAuthRefusal::InvalidClient.into()
        }
        IssueError::InvalidScope(fault) => OAuthRefusal::InvalidScope(fault).into(),
        IssueError::Failed(error) => error.into(),
    }
}

/// Get an access token
///
/// By the grant `client_credentials` of RFC 6749 §4.4. The client presents itself by HTTP Basic or in the body, not in both.
#[utoipa::path(
    post,
    path = "",
    operation_id = "create_token",
    request_body(content((TokenRequest = "application/x-www-form-urlencoded"), (TokenRequest = "application/json"))),
    responses(
        (status = 200, description = "A token", body = TokenBody),
        (
            status = 400, description = "Refused as RFC 6749 §5.2 says", body = OAuthErrorBody,
            example = json!(OAuthErrorBody::of("invalid_scope", "The client does not have one of these scopes")),
        ),
        (status = 401, description = "No such client, or its secret is wrong", body = OAuthErrorBody),
    ),
    security(("client_basic" = []), ())
)]
pub async fn token(State(app): State<Arc<App>>, request: OAuthRequest) -> Result<Response, HttpError> {
    match request.parameter("grant_type") {
        Some("client_credentials") => {}
        Some(_) => return Err(OAuthRefusal::UnsupportedGrantType.into()),
        None => return Err(OAuthRefusal::InvalidRequest("grant_type is required").into()),
    }
    let ClientCredentials { id, secret } = client(&app, &request)?;
    count(&app, &request, &id, &secret).await?;
    let scope = request.parameter("scope");
    let grant = Grant { client_id: &id, client_secret: secret.expose_secret(), scope };
    let issued = app.tokens.issue(&grant, app.clock.now()).await;
    let issued = issued.map_err(|error| refusal(&app, &request, error))?;
    let body = Json(TokenBody {
        access_token: issued.access_token.expose_secret(),
        token_type: "Bearer",
        expires_in: issued.expires_in,
        scope: &issued.scope,
    });
    Ok(([(PRAGMA, HeaderValue::from_static("no-cache"))], body).into_response())
}

/// Revoke an access token
///
/// RFC 7009: the answer is the same for a token that is none.
#[utoipa::path(
    post,
    path = "",
    operation_id = "revoke_token",
    request_body(content((AboutToken = "application/x-www-form-urlencoded"), (AboutToken = "application/json"))),
    responses(
        (status = 200, description = "It works no more"),
        (
            status = 400, description = "Refused as RFC 6749 §5.2 says", body = OAuthErrorBody,
            example = json!(OAuthErrorBody::of("invalid_request", "token is required")),
        ),
        (status = 401, description = "No such client, or its secret is wrong", body = OAuthErrorBody),
    ),
    security(("client_basic" = []), ())
)]
pub async fn revoke(State(app): State<Arc<App>>, request: OAuthRequest) -> Result<StatusCode, HttpError> {
    let AboutOneToken { client: ClientCredentials { id, secret }, token } = AboutOneToken::read(&app, &request).await?;
    let origin = Origin { request_id: request.request_id.clone(), client_address: request.client_address.clone() };
    let client = (id.as_str(), secret.expose_secret());
    let found = TokenToRevoke::find(&app.tokens, client, token, origin, app.clock.now()).await;
    let found = found.map_err(|error| refusal(&app, &request, error))?;
    if let Some(token) = found {
        revoke_found(&app, &token).await?;
    }
    Ok(StatusCode::OK)
}

async fn revoke_found(app: &App, token: &TokenToRevoke) -> Result<(), Error> {
    let mut work = Work::begin(app, &token.actor, token.account).await?;
    crate::oauth::revoke(&mut work, token).await?;
    work.commit(None).await
}

/// Introspect an access token
///
/// RFC 7662. A token that does not work, or is another account's, is answered with `active: false` only.
#[utoipa::path(
    post,
    path = "",
    operation_id = "introspect_token",
    request_body(content((AboutToken = "application/x-www-form-urlencoded"), (AboutToken = "application/json"))),
    responses(
        (status = 200, description = "What is known of it", body = IntrospectionBody),
        (
            status = 400, description = "Refused as RFC 6749 §5.2 says", body = OAuthErrorBody,
            example = json!(OAuthErrorBody::of("invalid_request", "token is required")),
        ),
        (status = 401, description = "No such client, or its secret is wrong", body = OAuthErrorBody),
    ),
    security(("client_basic" = []), ())
)]
pub async fn introspect(
    State(app): State<Arc<App>>,
    request: OAuthRequest,
) -> Result<Json<IntrospectionBody>, HttpError> {
    let AboutOneToken { client: ClientCredentials { id, secret }, token } = AboutOneToken::read(&app, &request).await?;
    let told = app.tokens.introspect(&id, secret.expose_secret(), token, app.clock.now()).await;
    told.map(|told| Json(told.into())).map_err(|error| refusal(&app, &request, error))
}

/// Get the keys that tokens are signed with
///
/// A JSON Web Key Set (RFC 7517).
#[utoipa::path(
    get,
    path = "",
    operation_id = "get_jwks",
    responses((status = 200, description = "The keys", body = KeySet)),
)]
pub async fn jwks(State(app): State<Arc<App>>) -> Result<Json<Value>, HttpError> {
    Ok(Json(app.tokens.jwks(app.clock.now()).await?))
}

/// Get the metadata of the authorization server
///
/// RFC 8414.
#[utoipa::path(
    get,
    path = "",
    operation_id = "get_oauth_metadata",
    responses((status = 200, description = "The metadata", body = Metadata)),
)]
pub async fn metadata(State(app): State<Arc<App>>) -> Json<Metadata> {
    Json(Metadata::of(app.tokens.issuer()))
}

/// The operations of the family.
pub(super) fn operations() -> Operations {
    let oauth = below(
        "/oauth",
        [("/token", routes!(token)), ("/revoke", routes!(revoke)), ("/introspect", routes!(introspect))],
    );
    let well_known =
        below("/.well-known", [("/jwks.json", routes!(jwks)), ("/oauth-authorization-server", routes!(metadata))]);
    oauth.merge(well_known)
}
