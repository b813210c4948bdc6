//! Secrets that are not worth the name: one value in two places, or a key that is no random number.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::{ConfigError, Source};

const MASTER_KEYS: &str = "CREDENZA_KEY_ENCRYPTION_KEYS";

/// The installation's secrets and the variables that name their files.
const SECRETS: [(&str, &str); 3] = [
    (MASTER_KEYS, "CREDENZA_KEY_ENCRYPTION_KEYS_FILE"),
    ("CREDENZA_KEY_PEPPER", "CREDENZA_KEY_PEPPER_FILE"),
    ("CREDENZA_AUDIT_KEY", "CREDENZA_AUDIT_KEY_FILE"),
];

/// Refuses a secret that serves two purposes: a leak in one place would be one in the other. A value that is no base64
/// is left to the code that reads that setting.
pub(super) fn check(source: &Source) -> Result<(), ConfigError> {
    let mut seen: Vec<(&'static str, Zeroizing<Vec<u8>>)> = Vec::new();
    for (name, file) in SECRETS {
        let Some(text) = source.secret(name, file)? else { continue };
        for entry in text.expose_secret().split(',') {
            let encoded = entry.split_once(':').map_or(entry, |(_, key)| key).trim();
            let Ok(key) = BASE64_STANDARD.decode(encoded).map(Zeroizing::new) else { continue };
            if name == MASTER_KEYS && !key.is_empty() && key.iter().all(|byte| *byte == key[0]) {
                let message = "has a key that is one byte again and again; `credenza keys generate` prints one";
                return Err(ConfigError::Wrong(source.name_of(name), message.to_owned()));
            }
            if let Some((other, _)) = seen.iter().find(|(other, taken)| *other != name && *taken == key) {
                let other = source.name_of(other);
                let message = format!("has the value of {other}: each secret needs one of its own");
                return Err(ConfigError::Wrong(source.name_of(name), message));
            }
            seen.push((name, key));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
    const B: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
    const C: &str = "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8=";

    fn refusal(master_keys: &str, pepper: &str, audit_key: &str) -> Option<String> {
        let values = [master_keys, pepper, audit_key];
        let source = Source::from_pairs(SECRETS.iter().map(|(name, _)| *name).zip(values));
        check(&source).err().map(|error| error.to_string())
    }

    #[test]
    fn one_value_in_two_settings_is_refused_by_name_without_the_value() {
        assert_eq!(refusal(&format!("k1:{A}"), B, C), None);
        let same = |name: &str, other: &str| {
            Some(format!("{name} has the value of {other}: each secret needs one of its own"))
        };
        assert_eq!(refusal(&format!("k1:{A}"), B, B), same("CREDENZA_AUDIT_KEY", "CREDENZA_KEY_PEPPER"));
        assert_eq!(refusal(&format!("k1:{A}, k2:{B}"), B, C), same("CREDENZA_KEY_PEPPER", MASTER_KEYS));
        assert_eq!(refusal(&format!("k1:{A}, k2:{C}"), B, C), same("CREDENZA_AUDIT_KEY", MASTER_KEYS));
    }

    #[test]
    fn a_master_key_of_one_byte_is_refused() {
        let weak = BASE64_STANDARD.encode([7; 32]);
        let said = refusal(&format!("k1:{A},k2:{weak}"), B, C).unwrap();
        assert!(
            said.starts_with("CREDENZA_KEY_ENCRYPTION_KEYS has a key that is one byte") && !said.contains(&weak),
            "{said}"
        );
    }
}
