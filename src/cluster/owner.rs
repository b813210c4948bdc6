//! Owners of cached entries, and the messages in which the database's triggers (`migrations/0008_changes.sql`) name them.

use std::sync::Arc;

use uuid::Uuid;

use crate::types::{AccountId, SupplierCode};

/// The owner whose cached entries a change makes void.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The credentials of one account for one supplier.
    Bundle(AccountId, SupplierCode),
    /// All that one account stores, for every supplier: owns the entries of all its bundles as well.
    Bundles(AccountId),
    /// A supplier's directory entry and default credentials.
    Supplier(SupplierCode),
    /// An account's status and its data keys.
    Account(AccountId),
    /// The statuses of all accounts, which change together with each of them.
    Accounts,
    /// An API key, by the first eight bytes of its hash: enough to find the entry, useless for anything else.
    Key([u8; 8]),
    /// An OAuth2 client, by what it calls itself.
    Client(Arc<str>),
    /// Whether a token was revoked, by its id.
    Token(Uuid),
    /// All of them.
    Everything,
}

impl Owner {
    /// The owner of the key with this hash.
    pub fn key(hash: &[u8; 32]) -> Self {
        let mut prefix = [0; 8];
        prefix.copy_from_slice(&hash[..8]);
        Owner::Key(prefix)
    }

    /// Reads a message. One that is not understood, from a newer version perhaps, concerns everything.
    pub fn from_message(message: &str) -> Self {
        Self::parse(message).unwrap_or(Owner::Everything)
    }

    fn parse(message: &str) -> Option<Self> {
        let (kind, rest) = message.split_once(' ')?;
        match kind {
            "bundle" => {
                let (account, supplier) = rest.split_once(' ')?;
                Some(Owner::Bundle(AccountId(account.parse().ok()?), SupplierCode::parse(supplier).ok()?))
            }
            "bundles" => Some(Owner::Bundles(AccountId(rest.parse().ok()?))),
            "supplier" => Some(Owner::Supplier(SupplierCode::parse(rest).ok()?)),
            "account" => Some(Owner::Account(AccountId(rest.parse().ok()?))),
            "client" if !rest.is_empty() => Some(Owner::Client(rest.into())),
            "token" => Some(Owner::Token(rest.parse().ok()?)),
            "key" => Some(Owner::Key(u64::from_str_radix(rest, 16).ok()?.to_be_bytes())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_owners_and_doubt_concerns_everything() {
        let code = |code| SupplierCode::parse(code).unwrap();
        assert_eq!(Owner::from_message("bundle 42 S&S and Co"), Owner::Bundle(AccountId(42), code("S&S and Co")));
        assert_eq!(Owner::from_message("bundles 42"), Owner::Bundles(AccountId(42)));
        assert_eq!(Owner::from_message("supplier HIT"), Owner::Supplier(code("HIT")));
        assert_eq!(Owner::from_message("account 7"), Owner::Account(AccountId(7)));
        let hash = std::array::from_fn(|i| u8::try_from(i).unwrap());
        assert_eq!(Owner::from_message("key 0001020304050607"), Owner::key(&hash));
        assert_eq!(Owner::from_message("client czc_1"), Owner::Client("czc_1".into()));
        assert_eq!(Owner::from_message(&format!("token {}", Uuid::nil())), Owner::Token(Uuid::nil()));
        for strange in [
            "",
            "everything",
            "bundle",
            "bundle x HIT",
            "bundle 1",
            "bundles ",
            "bundles 1 HIT",
            "account ",
            "key xyz",
            "client ",
            "token x",
            "planet 9",
        ] {
            assert_eq!(Owner::from_message(strange), Owner::Everything, "{strange:?}");
        }
    }
}
