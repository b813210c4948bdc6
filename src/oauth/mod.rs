//! OAuth2: clients, the tokens that they get, the keys that sign them, and tokens of an outside issuer.

mod claims;
pub mod clients;
mod outside;
mod revoke;
mod sealed_store;
mod signing_keys;
mod store;
mod tokens;

pub use claims::{Claims, check_expiry, read_header};
pub use outside::{JwksSource, OutsideIssuer, OutsideSettings, parse_key_set};
pub use revoke::{Origin, TokenToRevoke, revoke};
pub use sealed_store::SigningKeys;
pub use signing_keys::{NewSigningKey, rotate as rotate_signing_key};
pub(crate) use store::StoredClient;
pub use tokens::{Grant, Introspection, IssueError, IssuedToken, Parts, ScopeFault, Tokens};
