//! The settings of key-encryption keys: the keyring, and the key service.

use reqwest::Url;

use super::{ConfigError, Source};
use crate::vault::{Keyring, Transit, TransitSettings};

const ADDRESS: &str = "CREDENZA_TRANSIT_ADDR";
const KEY: &str = "CREDENZA_TRANSIT_KEY";
const TOKEN_FILE: &str = "CREDENZA_TRANSIT_TOKEN_FILE";
const MOUNT: &str = "CREDENZA_TRANSIT_MOUNT";
const NAMESPACE: &str = "CREDENZA_TRANSIT_NAMESPACE";
const CA_FILE: &str = "CREDENZA_TRANSIT_CA_FILE";

/// Reads `CREDENZA_KEY_ENCRYPTION_KEYS` and the settings of the key service. One of the two has to be there.
pub(super) fn keyring(source: &Source) -> Result<Keyring, ConfigError> {
    let keys = source.secret("CREDENZA_KEY_ENCRYPTION_KEYS", "CREDENZA_KEY_ENCRYPTION_KEYS_FILE")?;
    let transit = transit(source)?;
    if keys.is_none() && transit.is_none() {
        return Err(ConfigError::Missing(
            "CREDENZA_KEY_ENCRYPTION_KEYS",
            "`credenza keys generate` prints a key; keep it safe, nothing opens without it (CREDENZA_MASTER_KEYS is its former name)",
        ));
    }
    Ok(Keyring::with_key_service(keys.as_ref(), transit)?)
}

fn transit(source: &Source) -> Result<Option<Transit>, ConfigError> {
    let Some(address) = source.get(ADDRESS) else {
        // Half of the settings is a mistake, and not a wish to go without.
        return match [KEY, TOKEN_FILE, MOUNT, NAMESPACE, CA_FILE].into_iter().find(|name| source.get(name).is_some()) {
            Some(_) => Err(ConfigError::Missing(ADDRESS, "other settings of the key service are there")),
            None => Ok(None),
        };
    };
    let address = Url::parse(address)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.username().is_empty());
    let address = address.ok_or_else(|| wrong(ADDRESS, "is not a URL such as `https://vault.example.com:8200`"))?;
    let key = source.get(KEY).ok_or(ConfigError::Missing(KEY, "it names the key of the transit engine"))?;
    let token_file = source.get(TOKEN_FILE);
    let token_file = token_file.ok_or(ConfigError::Missing(TOKEN_FILE, "it names the file with the token"))?;
    let ca = match source.get(CA_FILE) {
        None => None,
        Some(path) => {
            let read = std::fs::read(path);
            Some(read.map_err(|source| ConfigError::File { what: CA_FILE, path: path.into(), source })?)
        }
    };
    let settings = TransitSettings {
        address,
        key: name(KEY, key, false)?,
        mount: name(MOUNT, source.get(MOUNT).unwrap_or("transit"), true)?,
        namespace: source.get(NAMESPACE).map(|text| name(NAMESPACE, text, true)).transpose()?,
        token_file: token_file.into(),
        ca,
    };
    Ok(Some(
        Transit::new(settings).map_err(|error| wrong(ADDRESS, &format!("and its settings cannot be used: {error}")))?,
    ))
}

/// A part of the path: it stands in URLs and in the ids that are stored.
fn name(setting: &'static str, text: &str, may_have_parts: bool) -> Result<String, ConfigError> {
    let text = text.trim_matches('/');
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte) || (may_have_parts && byte == b'/');
    if text.is_empty() || !text.bytes().all(good) || text.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(wrong(setting, "has other characters than letters, digits, '.', '_' and '-'"));
    }
    Ok(text.to_owned())
}

fn wrong(setting: &'static str, message: &str) -> ConfigError {
    ConfigError::Wrong(setting, message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY_A: &str = "k1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
    const SERVICE: [(&str, &str); 3] =
        [(ADDRESS, "https://vault.example.com:8200"), (KEY, "credenza"), (TOKEN_FILE, "/run/token")];

    fn ids(pairs: &[(&str, &str)]) -> Result<String, String> {
        let keyring = keyring(&Source::from_pairs(pairs.iter().copied()));
        keyring.map(|keyring| format!("{keyring:?}")).map_err(|error| crate::error::chain(&error))
    }

    #[test]
    fn the_key_service_comes_first_unless_the_list_gives_it_a_place() {
        let with = |more: &[(&'static str, &'static str)]| ids(&[&SERVICE, more].concat()).unwrap();
        assert_eq!(with(&[]), r#"Keyring { ids: ["transit:transit/credenza"], .. }"#);
        assert_eq!(
            with(&[("CREDENZA_MASTER_KEYS", KEY_A)]),
            r#"Keyring { ids: ["transit:transit/credenza", "k1"], .. }"#
        );
        let last = "k1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=,transit";
        assert_eq!(
            with(&[("CREDENZA_MASTER_KEYS", last)]),
            r#"Keyring { ids: ["k1", "transit:transit/credenza"], .. }"#
        );
        let elsewhere = with(&[(MOUNT, "/teams/transit/"), (NAMESPACE, "eu/prod")]);
        assert_eq!(elsewhere, r#"Keyring { ids: ["transit:eu/prod/teams/transit/credenza"], .. }"#);
    }

    #[test]
    fn half_and_wrong_settings_are_named() {
        for (index, (missing, _)) in SERVICE.iter().enumerate() {
            let mut pairs = vec![("CREDENZA_MASTER_KEYS", KEY_A)];
            pairs.extend(SERVICE.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, pair)| *pair));
            let error = ids(&pairs).unwrap_err();
            assert!(error.starts_with(missing), "{error}");
        }
        for (name, value) in [
            (ADDRESS, "vault.example.com"),
            (ADDRESS, "https://user:secret@vault.example.com"),
            (KEY, "a/b"),
            (KEY, ".."),
            (MOUNT, "a//b"),
            (MOUNT, "a:b"),
            (NAMESPACE, "a b"),
            (CA_FILE, "/nowhere"),
        ] {
            let mut pairs: Vec<_> = SERVICE.iter().copied().filter(|(other, _)| *other != name).collect();
            pairs.push((name, value));
            let error = ids(&pairs).unwrap_err();
            assert!(error.contains(name) && !error.contains("secret"), "{error}");
        }
    }
}
