//! The secrets of the installation.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretSlice};
use zeroize::Zeroizing;

use super::keys;
use super::{ConfigError, Source};
use crate::api_key::Pepper;
use crate::app::Secrets;
use crate::audit::AuditKey;

const KEY_FORM: &str = "is not the base64 of 32 random bytes: `openssl rand -base64 32` prints one";

/// Reads all of them.
pub(super) fn secrets(source: &Source) -> Result<Secrets, ConfigError> {
    let pepper = pepper(source)?;
    let audit_key = key(source, "CREDENZA_AUDIT_KEY", "CREDENZA_AUDIT_KEY_FILE")?;
    let audit_key = AuditKey::new(&audit_key).ok_or(ConfigError::Wrong("CREDENZA_AUDIT_KEY", KEY_FORM.to_owned()))?;
    Ok(Secrets { keyring: keys::keyring(source)?, pepper, audit_key })
}

/// Reads only the pepper, for the command that needs no other secret.
pub fn pepper(source: &Source) -> Result<Pepper, ConfigError> {
    let pepper = key(source, "CREDENZA_KEY_PEPPER", "CREDENZA_KEY_PEPPER_FILE")?;
    Pepper::new(&pepper).ok_or(ConfigError::Wrong("CREDENZA_KEY_PEPPER", KEY_FORM.to_owned()))
}

/// Reads a secret of 32 bytes in base64.
fn key(source: &Source, name: &'static str, file: &'static str) -> Result<SecretSlice<u8>, ConfigError> {
    let text = source.secret(name, file)?;
    let text = text.ok_or(ConfigError::Missing(name, "`openssl rand -base64 32` prints one"))?;
    let bytes = BASE64_STANDARD.decode(text.expose_secret()).map(Zeroizing::new);
    match bytes {
        Ok(bytes) if bytes.len() == 32 && bytes.iter().any(|byte| *byte != bytes[0]) => {
            Ok(SecretSlice::from(bytes.to_vec()))
        }
        _ => Err(ConfigError::Wrong(name, KEY_FORM.to_owned())),
    }
}
