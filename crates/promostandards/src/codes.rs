//! The meaning of a code in an answer for the login.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use crate::answer::Message;
use crate::model::{Service, TableError};

const FILE: &str = "codes.toml";

/// The code of *required fields missing*: it is about the login only if the text lists one of its fields.
const MISSING: u16 = 120;

/// The code of an account that may not use the service: the login may be right for others.
const THIS_SERVICE: u16 = 104;

/// The verdict of an answer on the login that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The supplier took the login.
    Accepted,
    /// The supplier refused it.
    Refused {
        /// The supplier's code.
        code: u16,
    },
    /// The answer leaves it open.
    Silent,
}

impl Verdict {
    /// Reports whether the refusal is for one service and leaves the others open.
    pub fn only_this_service(self) -> bool {
        self == Self::Refused { code: THIS_SERVICE }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Code {
    health: Health,
    /// A word for people who read the table.
    #[serde(rename = "kind")]
    _kind: String,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Health {
    Login,
    Ok,
    Unknown,
}

/// The codes of all services.
#[derive(Debug)]
pub(crate) struct Codes {
    core: HashMap<u16, Code>,
    services: HashMap<String, HashMap<u16, Code>>,
}

impl Codes {
    pub fn read(text: &str, services: &[Service]) -> Result<Self, TableError> {
        let file: BTreeMap<String, BTreeMap<String, Code>> =
            toml::from_str(text).map_err(|error| crate::model::syntax(FILE, text, &error))?;
        let mut codes = Self { core: HashMap::new(), services: HashMap::new() };
        for (section, entries) in file {
            if section != "core" && !services.iter().any(|service| service.code == section) {
                return Err(TableError::new(FILE, format!("[{section}]"), "no such service"));
            }
            let mut read = HashMap::new();
            for (code, entry) in entries {
                let number = code.parse::<u16>();
                let number = number.map_err(|_| TableError::new(FILE, format!("[{section}] {code}"), "no code"))?;
                read.insert(number, entry);
            }
            if section == "core" {
                codes.core = read;
            } else {
                codes.services.insert(section, read);
            }
        }
        if codes.core.is_empty() {
            return Err(TableError::new(FILE, "[core]", "no codes"));
        }
        Ok(codes)
    }

    fn find(&self, service: &str, code: u16) -> Option<&Code> {
        self.services.get(service).and_then(|codes| codes.get(&code)).or_else(|| self.core.get(&code))
    }

    pub fn text(&self, service: &str, code: u16) -> Option<&str> {
        self.find(service, code).map(|code| code.text.as_str())
    }

    /// Returns the verdict of one message on the login.
    pub fn verdict(&self, service: &str, message: &Message) -> Verdict {
        let Some(code) = message.code.and_then(|code| u16::try_from(code).ok()) else { return Verdict::Silent };
        if code == MISSING && lists_login(&message.description) {
            return Verdict::Refused { code };
        }
        match self.find(service, code).map(|code| code.health) {
            Some(Health::Login) => Verdict::Refused { code },
            Some(Health::Ok) => Verdict::Accepted,
            Some(Health::Unknown) | None => Verdict::Silent,
        }
    }
}

/// Reports whether a list of missing fields has one of the login's.
fn lists_login(text: &str) -> bool {
    text.split(|character: char| !character.is_alphanumeric())
        .any(|word| word.eq_ignore_ascii_case("id") || word.eq_ignore_ascii_case("password"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Severity;

    fn verdict(service: &str, code: i64, description: &str) -> Verdict {
        let standard = crate::Standard::embedded().unwrap();
        let message = Message { code: Some(code), description: description.to_owned(), severity: Severity::Error };
        standard.codes.verdict(service, &message)
    }

    #[test]
    fn a_code_has_the_meaning_of_its_service() {
        for code in [100, 104, 105, 110] {
            assert_eq!(verdict("INV", code, ""), Verdict::Refused { code: code.try_into().unwrap() });
        }
        assert_eq!(verdict("Product", 130, ""), Verdict::Accepted);
        assert_eq!(verdict("INV", 130, ""), Verdict::Silent);
        assert_eq!(verdict("PO", 200, ""), Verdict::Accepted);
        assert_eq!(verdict("Product", 200, ""), Verdict::Silent);
        assert_eq!(verdict("CD", 301, ""), Verdict::Refused { code: 301 });
        assert_eq!(verdict("OSN", 301, ""), Verdict::Accepted);
        assert_eq!(verdict("OSN", 999, ""), Verdict::Silent);
        assert_eq!(verdict("OSN", -105, ""), Verdict::Silent);
        assert_eq!(verdict("OSN", 65_536 + 105, ""), Verdict::Silent);
        assert!(verdict("INV", 104, "").only_this_service());
        assert!(!verdict("INV", 105, "").only_this_service());
    }

    #[test]
    fn missing_fields_are_about_the_login_if_they_list_it() {
        assert_eq!(verdict("INV", 120, "Required: id, password"), Verdict::Refused { code: 120 });
        assert_eq!(verdict("INV", 120, "PASSWORD is missing"), Verdict::Refused { code: 120 });
        assert_eq!(verdict("INV", 120, "Required: productId"), Verdict::Silent);
    }
}
