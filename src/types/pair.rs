//! User names and passwords of suppliers. Neither can be printed or serialised by accident; both are wiped on drop.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use secrecy::{ExposeSecret, SecretString};

use super::text::{self, InvalidText};

/// A supplier's user name.
#[derive(Clone)]
pub struct Username(SecretString);

/// A supplier's password.
#[derive(Clone)]
pub struct Password(SecretString);

macro_rules! secret_text {
    ($type:ident) => {
        impl $type {
            /// Takes it as the caller wrote it; see [`InvalidText`] for what is refused.
            pub fn parse(text: SecretString) -> Result<Self, InvalidText> {
                text::check(text.expose_secret())?;
                Ok(Self(text))
            }

            /// Whether both are the same text, in constant time if they are of one length.
            pub fn is_same_as(&self, other: &Self) -> bool {
                verify_slices_are_equal(self.expose().as_bytes(), other.expose().as_bytes()).is_ok()
            }

            /// The text itself. Every call is a place to look at in a review.
            pub fn expose(&self) -> &str {
                self.0.expose_secret()
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($type), "(…)"))
            }
        }
    };
}

secret_text!(Username);
secret_text!(Password);

/// A user name with its password: the only thing that ever answers a call.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The user name.
    pub username: Username,
    /// The password that belongs to it.
    pub password: Password,
}

impl Pair {
    /// Whether both halves are the same.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.username.is_same_as(&other.username) && self.password.is_same_as(&other.password)
    }
}

/// The received halves of one pair: either may be missing.
#[derive(Clone, Debug, Default)]
pub struct HalfPair {
    /// The user name, if there was one.
    pub username: Option<Username>,
    /// The password, if there was one.
    pub password: Option<Password>,
}

impl HalfPair {
    /// Whether neither half came.
    pub fn is_absent(&self) -> bool {
        self.username.is_none() && self.password.is_none()
    }

    /// Whether one half came without the other.
    pub fn is_one_half(&self) -> bool {
        self.username.is_some() != self.password.is_some()
    }
}
