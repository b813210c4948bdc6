//! Tokens of ours: issued to clients (RFC 6749 §4.4), verified, revoked (RFC 7009), introspected (RFC 7662).

use std::pin::Pin;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, Header};
use secrecy::SecretString;
use serde_json::Value;
use sqlx::PgPool;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::claims::{self, Claims};
use super::clients::is_client_id;
use super::signing_keys::{self, LONGEST_TOKEN, Shared};
use super::store::{self, StoredClient};
use crate::accounts::AccountStatuses;
use crate::api_key::{ApiKey, Kind, Pepper};
use crate::cluster::{Cluster, Coherent, Limits, Owner};
use crate::error::{Denied, Error};
use crate::principal::Scope;
use crate::recent::LatelyFound;
use crate::types::AccountId;
use crate::vault::Vault;

/// The parameters of a token request.
pub struct Grant<'a> {
    /// The client's id.
    pub client_id: &'a str,
    /// Its secret.
    pub client_secret: &'a str,
    /// The scopes that it asks for, as RFC 6749 §3.3 lists them; all of its own if there is no list.
    pub scope: Option<&'a str>,
}

/// A token, to be shown to the client once.
pub struct IssuedToken {
    /// The token.
    pub access_token: SecretString,
    /// Its life, in seconds.
    pub expires_in: i32,
    /// Its scopes, separated by blanks.
    pub scope: String,
}

/// Why no token was issued, as RFC 6749 §5.2 distinguishes them.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// No such client, a wrong secret, or an inactive account. The reason is only for the log.
    #[error("invalid client: {0}")]
    InvalidClient(&'static str),
    /// No list of scopes, or one that the client does not have.
    #[error("invalid scope: {0:?}")]
    InvalidScope(ScopeFault),
    /// Something failed.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// The fault of the scopes that a client asks for, which the client may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeFault {
    /// No list by the grammar of RFC 6749 §3.3.
    NotAList,
    /// A scope that the client does not have.
    NotGranted,
}

/// The answer about a token (RFC 7662 §2.2). Of one that is no good, only that.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "named by the RFC")]
pub struct Introspection {
    pub active: bool,
    pub scope: Option<String>,
    pub client_id: Option<String>,
    pub token_type: Option<&'static str>,
    pub exp: Option<i64>,
    pub iat: Option<i64>,
    pub sub: Option<String>,
    pub aud: Option<String>,
    pub iss: Option<String>,
    pub jti: Option<Uuid>,
    pub account_id: Option<AccountId>,
}

/// Issues and verifies tokens. Cheap to clone.
#[derive(Clone)]
pub struct Tokens {
    issuer: Arc<str>,
    pool: PgPool,
    cluster: Cluster,
    vault: Vault,
    pepper: Arc<Pepper>,
    statuses: AccountStatuses,
    keys: Coherent<(), Shared>,
    making_keys: Arc<Mutex<()>>,
    clients: Coherent<Arc<str>, Option<Arc<StoredClient>>>,
    lately_found: LatelyFound<Arc<str>>,
    revoked: Coherent<(AccountId, Uuid), bool>,
}

/// The dependencies of the token endpoints.
pub struct Parts {
    /// Our own URL: `iss` and `aud` of every token.
    pub issuer: String,
    /// The database.
    pub pool: PgPool,
    /// Where signing keys are sealed.
    pub vault: Vault,
    /// The pepper of client secrets.
    pub pepper: Arc<Pepper>,
    /// Whether accounts are active.
    pub statuses: AccountStatuses,
}

impl Tokens {
    /// Tokens over the clients and keys of the database.
    pub fn new(parts: Parts, cluster: &Cluster, limits: Limits) -> Self {
        let trust = cluster.trust();
        let Parts { issuer, pool, vault, pepper, statuses } = parts;
        Self {
            issuer: issuer.into(),
            pool,
            cluster: cluster.clone(),
            vault,
            pepper,
            statuses,
            keys: Coherent::new(trust, "signing keys", limits, |(), _| 4096),
            making_keys: Arc::default(),
            // Of a bounded length, because only what has the form of a client's name is looked up.
            clients: Coherent::new(trust, "clients", limits, |_, _| size_of::<StoredClient>() + 512),
            lately_found: LatelyFound::default(),
            revoked: Coherent::new(trust, "revoked tokens", limits, |_, _| 1),
        }
    }

    /// Our own URL, as tokens name it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The public halves of the keys that verify, as a JWK set (RFC 7517 §5).
    pub async fn jwks(&self, now: DateTime<Utc>) -> Result<Value, Error> {
        let keys = self.keys(now).await?;
        Ok(serde_json::json!({ "keys": keys.public_jwks(now) }))
    }

    /// The client that calls itself this, from memory after the first time.
    pub(crate) async fn client(&self, client_id: &str) -> Result<Option<Arc<StoredClient>>, Error> {
        if !is_client_id(client_id) {
            return Ok(None);
        }
        let client_id: Arc<str> = client_id.into();
        let load = || {
            let (pool, name, pepper) = (self.pool.clone(), Arc::clone(&client_id), Arc::clone(&self.pepper));
            let lately_found = self.lately_found.clone();
            async move {
                let client = store::find_by_client_id(&pool, &name, &pepper).await?;
                if client.is_some() {
                    lately_found.note(name).await;
                }
                Ok(client.map(Arc::new))
            }
        };
        self.clients.get(&Owner::Client(Arc::clone(&client_id)), Arc::clone(&client_id), load).await
    }

    /// Whether a client was found lately. Asks nobody.
    pub fn knows_client(&self, client_id: &str) -> bool {
        self.lately_found.contains(&client_id.into())
    }

    /// Whether a token was revoked before it ran out.
    pub async fn is_revoked(&self, account: AccountId, jti: Uuid) -> Result<bool, Error> {
        let load = || {
            let pool = self.pool.clone();
            async move { Ok(store::is_token_revoked(&pool, account, jti).await?) }
        };
        self.revoked.get(&Owner::Token(jti), (account, jti), load).await
    }

    /// The claims of a token whose key is ours; `None` if its key is not, and it may be somebody else's token.
    pub async fn verify(&self, header: &Header, token: &str, now: DateTime<Utc>) -> Result<Option<Claims>, Error> {
        let Some(kid) = header.kid.as_deref() else { return Ok(None) };
        let keys = self.keys(now).await?;
        let Some(key) = keys.verifier(kid, now) else { return Ok(None) };
        if header.alg != Algorithm::RS256 {
            return Err(Denied::BadToken("a token under our key with another algorithm").into());
        }
        let claims: Claims = claims::verify(token, Algorithm::RS256, key, &self.issuer, &self.issuer)?;
        claims::check_expiry(claims.exp, now)?;
        claims.check_life(LONGEST_TOKEN, now)?;
        Ok(Some(claims))
    }

    /// The client that presents itself with a secret that works.
    pub(crate) async fn authenticate_client(
        &self,
        client_id: &str,
        client_secret: &str,
        now: DateTime<Utc>,
    ) -> Result<Arc<StoredClient>, IssueError> {
        let secret = ApiKey::parse(client_secret).map_err(IssueError::InvalidClient)?;
        if secret.kind() != Kind::ClientSecret {
            return Err(IssueError::InvalidClient("a key in place of a client secret"));
        }
        let hash = self.pepper.hash(&secret);
        let client = self.client(client_id).await?.ok_or(IssueError::InvalidClient("no such client"))?;
        // Hashes under the pepper are compared, in constant time, so nothing tells how near the secret is.
        let known =
            client.secrets.iter().any(|(known, expiry)| *known == hash && expiry.is_none_or(|expiry| expiry > now));
        if !known {
            return Err(IssueError::InvalidClient("a secret that is not the client's, or has ended"));
        }
        if client.revoked_at.is_some() {
            return Err(IssueError::InvalidClient("a revoked client"));
        }
        if !self.statuses.is_active(client.account_id).await? {
            return Err(IssueError::InvalidClient("an inactive account"));
        }
        Ok(client)
    }

    /// Issues a token to a client.
    pub async fn issue(&self, grant: &Grant<'_>, now: DateTime<Utc>) -> Result<IssuedToken, IssueError> {
        let client = self.authenticate_client(grant.client_id, grant.client_secret, now).await?;
        let scopes = grant.scope.map_or_else(|| Ok(client.scopes.clone()), |wanted| wanted_scopes(wanted, &client))?;
        let scope = scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ");
        let claims = Claims {
            iss: self.issuer.to_string(),
            aud: self.issuer.to_string(),
            sub: grant.client_id.to_owned(),
            exp: now.timestamp() + i64::from(client.access_token_ttl),
            iat: now.timestamp(),
            jti: Uuid::new_v4(),
            scope: scope.clone(),
            account_id: client.account_id,
        };
        let keys = self.keys(now).await?;
        let (kid, key) = keys.signer().ok_or(Error::from(crate::error::SealError))?;
        let header = Header { kid: Some(kid.clone()), ..Header::new(Algorithm::RS256) };
        let token = jsonwebtoken::encode(&header, &claims, key).map_err(|_| Error::from(crate::error::SealError))?;
        Ok(IssuedToken { access_token: token.into(), expires_in: client.access_token_ttl, scope })
    }

    /// The parsed request to revoke a token: the client, and the claims of the token if it is the client's own.
    /// Any other token changes nothing, and the client learns nothing either way (RFC 7009 §2.2).
    pub(super) async fn to_revoke(
        &self,
        client_id: &str,
        client_secret: &str,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<(Arc<StoredClient>, Claims)>, IssueError> {
        let client = self.authenticate_client(client_id, client_secret, now).await?;
        let claims = self.readable(token, now).await?;
        Ok(claims.filter(|claims| claims.sub == client_id).map(|claims| (client, claims)))
    }

    /// Answers a client about a token of its own account.
    pub async fn introspect(
        &self,
        client_id: &str,
        client_secret: &str,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<Introspection, IssueError> {
        let caller = self.authenticate_client(client_id, client_secret, now).await?;
        let Some(claims) = self.readable(token, now).await? else { return Ok(Introspection::default()) };
        let holder = self.client(&claims.sub).await?;
        let active = claims.account_id == caller.account_id
            && holder.is_some_and(|client| client.account_id == claims.account_id && client.stands_by(&claims, now))
            && !self.is_revoked(claims.account_id, claims.jti).await?;
        if !active {
            return Ok(Introspection::default());
        }
        Ok(Introspection {
            active,
            scope: Some(claims.scope),
            client_id: Some(claims.sub.clone()),
            token_type: Some("Bearer"),
            exp: Some(claims.exp),
            iat: Some(claims.iat),
            sub: Some(claims.sub),
            aud: Some(claims.aud),
            iss: Some(claims.iss),
            jti: Some(claims.jti),
            account_id: Some(claims.account_id),
        })
    }

    /// The claims of a token of ours that has not run out; `None` for anything else.
    async fn readable(&self, token: &str, now: DateTime<Utc>) -> Result<Option<Claims>, Error> {
        let Ok(header) = claims::read_header(token) else { return Ok(None) };
        match self.verify(&header, token, now).await {
            Err(Error::Denied(_)) => Ok(None),
            other => other,
        }
    }

    /// The keys, with one that signs: it is made when it is first needed.
    async fn keys(&self, now: DateTime<Utc>) -> Result<Shared, Error> {
        let keys = self.load_keys().await?;
        if keys.signer().is_some() {
            return Ok(keys);
        }
        // Making one takes long. Of many who find none, one makes it, and the others find it.
        let _making = self.making_keys.lock().await;
        let keys = self.load_keys().await?;
        if keys.signer().is_some() {
            return Ok(keys);
        }
        // Boxed: it happens once, and every request would carry its state.
        Box::pin(signing_keys::make_first(&self.cluster, &self.vault, &self.pepper, now)).await?;
        self.load_keys().await
    }

    async fn load_keys(&self) -> Result<Shared, Error> {
        let load = || -> Pin<Box<dyn Future<Output = _> + Send>> {
            let (pool, vault, pepper) = (self.pool.clone(), self.vault.clone(), Arc::clone(&self.pepper));
            Box::pin(async move { Ok(Arc::new(signing_keys::load(&pool, &vault, &pepper).await?)) })
        };
        self.keys.get(&Owner::Everything, (), load).await
    }
}

/// The scopes of a list (RFC 6749 §3.3: tokens, each separated from the next by one space), if the client has them all. A list
/// that is read with good will may be understood as another one than its writer meant, and none at all would be every scope.
fn wanted_scopes(list: &str, client: &StoredClient) -> Result<Vec<Scope>, IssueError> {
    let mut scopes = Vec::new();
    for name in list.split(' ') {
        if name.is_empty() || name.contains(|c: char| !c.is_ascii_graphic() || c == '"' || c == '\\') {
            return Err(IssueError::InvalidScope(ScopeFault::NotAList));
        }
        match Scope::parse(name).filter(|scope| client.scopes.contains(scope)) {
            Some(scope) if scopes.contains(&scope) => {}
            Some(scope) => scopes.push(scope),
            None => return Err(IssueError::InvalidScope(ScopeFault::NotGranted)),
        }
    }
    Ok(scopes)
}
