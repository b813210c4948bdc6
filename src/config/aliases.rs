//! Former names of settings. They go on working, and are warned about.

use std::collections::HashMap;

use secrecy::{ExposeSecret, SecretString};

use super::ConfigError;

/// Former names, each with the one of today.
pub(super) const ALIASES: [(&str, &str); 3] = [
    ("CREDENZA_MASTER_KEYS", "CREDENZA_KEY_ENCRYPTION_KEYS"),
    ("CREDENZA_MASTER_KEYS_FILE", "CREDENZA_KEY_ENCRYPTION_KEYS_FILE"),
    ("CREDENZA_MAX_REQUESTS", "CREDENZA_MAX_IN_FLIGHT"),
];

/// A setting that was found under its former name only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// The former name.
    pub former: &'static str,
    /// The name of today.
    pub name: &'static str,
}

/// Puts settings of one place under their names of today, and lists those that had only the former one. Both with the same
/// value are an installation that older versions read as well.
pub(super) fn rename(values: &mut HashMap<String, SecretString>) -> Result<Vec<Renamed>, ConfigError> {
    let mut renamed = Vec::new();
    for (former, name) in ALIASES {
        let Some(value) = values.remove(former) else { continue };
        match values.get(name) {
            Some(other) if differ(other, &value) => {
                let message = format!("and {former}, its former name, are both set, and differ: keep {name}");
                return Err(ConfigError::Wrong(name, message));
            }
            Some(_) => {}
            None => {
                values.insert(name.to_owned(), value);
                renamed.push(Renamed { former, name });
            }
        }
    }
    Ok(renamed)
}

/// Compares two values of one source, which both belong to the operator.
fn differ(one: &SecretString, other: &SecretString) -> bool {
    let (one, other) = (one.expose_secret(), other.expose_secret());
    one != other
}
