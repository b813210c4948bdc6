//! Settings of the outside issuer of tokens.

use std::time::Duration;

use url::{Host, Url};

use super::{ConfigError, Source};
use crate::oauth::{self, JwksSource, OutsideSettings};

/// How long keys last that are made with a token of the issuer, unless the operator sets another.
const MADE_KEYS_LAST: Duration = Duration::from_hours(24);

/// The outside issuer, if one is named.
pub(super) fn outside_issuer(source: &Source) -> Result<Option<OutsideSettings>, ConfigError> {
    let Some(issuer) = source.get("CREDENZA_OIDC_ISSUER") else {
        let others = ["AUDIENCE", "JWKS_URL", "JWKS_FILE", "ACCOUNT_CLAIM", "MADE_KEYS_LAST"];
        return match others.iter().find(|other| source.get(&format!("CREDENZA_OIDC_{other}")).is_some()) {
            None => Ok(None),
            Some(other) => Err(ConfigError::Wrong(
                "CREDENZA_OIDC_ISSUER",
                format!("is not set, but CREDENZA_OIDC_{other} is: set the issuer as well, or none of them"),
            )),
        };
    };
    let audience = source.get("CREDENZA_OIDC_AUDIENCE").ok_or(ConfigError::Missing(
        "CREDENZA_OIDC_AUDIENCE",
        "with CREDENZA_OIDC_ISSUER it must say what tokens for this service have as `aud`",
    ))?;
    let jwks = match (source.get("CREDENZA_OIDC_JWKS_URL"), source.get("CREDENZA_OIDC_JWKS_FILE")) {
        (Some(url), None) => {
            let wrong = || ConfigError::Wrong("CREDENZA_OIDC_JWKS_URL", "is not an http(s) URL".to_owned());
            let url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            let url = url.ok_or_else(wrong)?;
            if url.scheme() == "http" && !is_loopback(&url) {
                let message = "is http: whoever stands on the way could name keys of their own. Use https".to_owned();
                return Err(ConfigError::Wrong("CREDENZA_OIDC_JWKS_URL", message));
            }
            JwksSource::Url(url)
        }
        (None, Some(path)) => {
            // Later it may change, or be away for a moment; now it is most likely misspelt, or another file.
            const NAME: &str = "CREDENZA_OIDC_JWKS_FILE";
            let text = std::fs::read(path);
            let text = text.map_err(|source| ConfigError::File { what: NAME, path: path.into(), source })?;
            match oauth::parse_key_set(&text) {
                Ok(set) if !set.keys.is_empty() => {}
                Ok(_) => return Err(ConfigError::Wrong(NAME, format!("`{path}` is a JWK set without a key"))),
                Err(error) => return Err(ConfigError::Wrong(NAME, format!("`{path}` is not a JWK set: {error}"))),
            }
            JwksSource::File(path.into())
        }
        _ => {
            return Err(ConfigError::Missing(
                "CREDENZA_OIDC_JWKS_URL",
                "with CREDENZA_OIDC_ISSUER set it, or CREDENZA_OIDC_JWKS_FILE, but not both",
            ));
        }
    };
    let made_keys_last = source.parsed(
        "CREDENZA_OIDC_MADE_KEYS_LAST",
        humantime::Duration::from(MADE_KEYS_LAST),
        "a duration such as `24h` or `90s`",
    )?;
    Ok(Some(OutsideSettings {
        made_keys_last: made_keys_last.into(),
        issuer: issuer.to_owned(),
        audience: audience.to_owned(),
        jwks,
        account_claim: source.get("CREDENZA_OIDC_ACCOUNT_CLAIM").unwrap_or("account_id").to_owned(),
    }))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
