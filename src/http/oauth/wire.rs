//! Bodies of `/oauth/…` and `/.well-known/…`, with the names of the RFCs.

use std::collections::HashMap;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::openapi::schemas;
use crate::oauth::Introspection;
use crate::principal::Scope;
use crate::types::AccountId;

/// A request for a token (RFC 6749 §4.4.2). Parameters that are not known are ignored, and one without a value is as if
/// it were not there.
#[derive(ToSchema)]
#[schema(example = json!({ "grant_type": "client_credentials", "scope": "credentials:read" }))]
#[allow(dead_code, reason = "read by `presented.rs`; this is its description")]
pub struct TokenRequest {
    #[schema(value_type = schemas::GrantType)]
    grant_type: String,
    /// Scopes, separated by blanks; all that the client has if it is left out.
    #[schema(value_type = Option<schemas::ScopeList>)]
    scope: Option<String>,
    /// If the client does not present itself by HTTP Basic.
    client_id: Option<String>,
    /// If the client does not present itself by HTTP Basic.
    client_secret: Option<String>,
    #[serde(flatten)]
    others: HashMap<String, Option<String>>,
}

/// A question about a token, by the client that presents itself.
#[derive(ToSchema)]
#[schema(example = json!({ "token": "eyJhbGciOiJSUzI1NiJ9.e30.c2ln" }))]
#[allow(dead_code, reason = "read by `presented.rs`; this is its description")]
pub struct AboutToken {
    #[schema(min_length = 1)]
    token: String,
    /// Not needed, and not looked at.
    token_type_hint: Option<String>,
    /// If the client does not present itself by HTTP Basic.
    client_id: Option<String>,
    /// If the client does not present itself by HTTP Basic.
    client_secret: Option<String>,
    #[serde(flatten)]
    others: HashMap<String, Option<String>>,
}

/// A token.
#[derive(Serialize, ToSchema)]
#[schema(as = Token, example = json!({
    "access_token": "eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
    "token_type": "Bearer",
    "expires_in": 7200,
    "scope": "credentials:read",
}))]
pub struct TokenBody<'a> {
    pub access_token: &'a str,
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: i32,
    /// Its scopes, separated by blanks.
    pub scope: &'a str,
}

/// The state of a token (RFC 7662 §2.2).
#[derive(Serialize, ToSchema)]
#[schema(as = Introspection, example = json!({ "active": false }))]
pub struct IntrospectionBody {
    /// Whether it works. If not, there are no other members.
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    iat: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    aud: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    jti: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schemas::AccountNumber, required = false)]
    account_id: Option<AccountId>,
}

impl From<Introspection> for IntrospectionBody {
    fn from(told: Introspection) -> Self {
        Self {
            active: told.active,
            scope: told.scope,
            client_id: told.client_id,
            token_type: told.token_type,
            exp: told.exp,
            iat: told.iat,
            sub: told.sub,
            aud: told.aud,
            iss: told.iss,
            jti: told.jti,
            account_id: told.account_id,
        }
    }
}

/// A JSON Web Key Set (RFC 7517 §5).
#[derive(ToSchema)]
#[allow(dead_code, reason = "made by `oauth`; this is its description")]
pub struct KeySet {
    keys: Vec<Key>,
}

/// An RSA key that verifies tokens (RFC 7518 §6.3).
#[derive(ToSchema)]
#[schema(as = JsonWebKey, example = json!({
    "kty": "RSA",
    "use": "sig",
    "alg": "RS256",
    "kid": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs\
          tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn\
          1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    "e": "AQAB",
}))]
#[allow(dead_code, reason = "made by `oauth`; this is its description")]
pub struct Key {
    kty: String,
    r#use: String,
    alg: String,
    /// The thumbprint of RFC 7638.
    kid: String,
    n: String,
    e: String,
}

/// Metadata of the authorization server (RFC 8414 §2).
#[derive(Serialize, ToSchema)]
#[schema(as = AuthorizationServer, example = json!(Metadata::of("https://credenza.example")))]
pub struct Metadata {
    issuer: String,
    token_endpoint: String,
    jwks_uri: String,
    revocation_endpoint: String,
    introspection_endpoint: String,
    grant_types_supported: [&'static str; 1],
    /// There is no authorization endpoint, and the member is required and may not be empty.
    response_types_supported: [&'static str; 1],
    scopes_supported: [&'static str; Scope::ALL.len()],
    token_endpoint_auth_methods_supported: [&'static str; 2],
    revocation_endpoint_auth_methods_supported: [&'static str; 2],
    introspection_endpoint_auth_methods_supported: [&'static str; 2],
}

impl Metadata {
    /// Of the server with this issuer.
    pub(super) fn of(issuer: &str) -> Self {
        let methods = ["client_secret_basic", "client_secret_post"];
        Self {
            issuer: issuer.to_owned(),
            token_endpoint: format!("{issuer}/oauth/token"),
            jwks_uri: format!("{issuer}/.well-known/jwks.json"),
            revocation_endpoint: format!("{issuer}/oauth/revoke"),
            introspection_endpoint: format!("{issuer}/oauth/introspect"),
            grant_types_supported: ["client_credentials"],
            response_types_supported: ["none"],
            scopes_supported: Scope::ALL.map(Scope::as_str),
            token_endpoint_auth_methods_supported: methods,
            revocation_endpoint_auth_methods_supported: methods,
            introspection_endpoint_auth_methods_supported: methods,
        }
    }
}
