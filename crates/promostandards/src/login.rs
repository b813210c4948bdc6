//! The login of one call.

/// A user name and a password, borrowed for as long as a request is written.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    /// The user name, the element `id`.
    pub username: &'a str,
    /// The password.
    pub password: &'a str,
}

impl std::fmt::Debug for Login<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Login(..)")
    }
}

/// The two parts of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginField {
    /// The user name.
    Username,
    /// The password.
    Password,
}

impl LoginField {
    /// The words for a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::Username => "user name",
            Self::Password => "password",
        }
    }
}

/// A login with a character that XML 1.0 cannot carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {} has a character that XML cannot carry", field.words())]
pub struct LoginFault {
    /// The part that has it.
    pub field: LoginField,
}

/// Reports whether XML 1.0 can carry the character.
pub(crate) fn carried(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}
