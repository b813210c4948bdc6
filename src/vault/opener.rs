//! Data keys at hand: what opens many values without asking a cache for each.

use std::sync::{Arc, Weak};

use secrecy::SecretString;
use smallvec::SmallVec;

use super::data_key::DataKey;
use super::{Binding, OpenError, Sealed, Vault};
use crate::cluster::Basis;
use crate::error::Error;
use crate::types::AccountId;

/// What opens values of accounts.
pub trait Open {
    /// Opens a value of the account that was sealed for this place.
    ///
    /// # Errors
    /// [`OpenError::NoDataKey`] also for a value whose data key is not at hand.
    fn open(&self, account: AccountId, sealed: &Sealed, binding: &Binding) -> Result<SecretString, OpenError>;
}

/// Data keys, mostly one.
#[derive(Clone, Default)]
pub struct Openers(SmallVec<[(AccountId, Arc<DataKey>); 2]>);

impl Open for Openers {
    fn open(&self, account: AccountId, sealed: &Sealed, binding: &Binding) -> Result<SecretString, OpenError> {
        let generation = sealed.generation();
        let mut keys = self.0.iter();
        match keys.find(|(owner, key)| (*owner, key.generation()) == (account, generation)) {
            Some((_, key)) => key.open(account, sealed, binding),
            None => Err(OpenError::NoDataKey(generation)),
        }
    }
}

/// Data keys for as long as the vault itself keeps them: whoever holds on to this keeps no key in memory.
#[derive(Clone, Default)]
pub struct HeldOpeners(SmallVec<[HeldKey; 2]>);

#[derive(Clone)]
struct HeldKey {
    account: AccountId,
    generation: u32,
    key: Weak<DataKey>,
}

impl HeldOpeners {
    /// These and others.
    #[must_use]
    pub fn with(mut self, openers: &Openers) -> Self {
        for (account, key) in &openers.0 {
            let held = HeldKey { account: *account, generation: key.generation(), key: Arc::downgrade(key) };
            match self.0.iter_mut().find(|known| known.is_of(held.account, held.generation)) {
                Some(known) => *known = held,
                None => self.0.push(held),
            }
        }
        self
    }
}

impl HeldKey {
    fn is_of(&self, account: AccountId, generation: u32) -> bool {
        (self.account, self.generation) == (account, generation)
    }
}

impl Open for HeldOpeners {
    fn open(&self, account: AccountId, sealed: &Sealed, binding: &Binding) -> Result<SecretString, OpenError> {
        let generation = sealed.generation();
        let held = self.0.iter().find(|held| held.is_of(account, generation));
        match held.and_then(|held| held.key.upgrade()) {
            Some(key) => key.open(account, sealed, binding),
            None => Err(OpenError::NoDataKey(generation)),
        }
    }
}

impl Vault {
    /// What opens these values of the account.
    pub async fn openers(
        &self,
        basis: &mut Basis,
        account: AccountId,
        values: impl IntoIterator<Item = &Sealed>,
    ) -> Result<Openers, Error> {
        let mut openers = Openers::default();
        for generation in values.into_iter().map(Sealed::generation) {
            if !openers.0.iter().any(|(_, key)| key.generation() == generation) {
                openers.0.push((account, self.data_key(basis, account, generation).await?));
            }
        }
        Ok(openers)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::vault::keyring::random_key;

    const ACCOUNT: AccountId = AccountId(1);

    fn openers(generation: u32) -> Openers {
        let key = Arc::new(DataKey::new(generation, &random_key().unwrap()));
        Openers(SmallVec::from_iter([(ACCOUNT, key)]))
    }

    #[test]
    fn held_openers_open_with_each_added_key_while_it_is_kept_elsewhere() {
        let place = Binding::new(&[b"place"]);
        let seal = |openers: &Openers| openers.0[0].1.seal(ACCOUNT, "secret", &place).unwrap();
        let (first, second) = (openers(1), openers(2));
        let (one, two) = (seal(&first), seal(&second));
        let held = HeldOpeners::default().with(&first).with(&second);
        let open = |keys: &dyn Open, account, sealed: &Sealed| {
            keys.open(account, sealed, &place).map(|text| text.expose_secret().to_owned())
        };
        for (keys, sealed) in [(&first, &one), (&second, &two)] {
            assert_eq!(open(keys, ACCOUNT, sealed).unwrap(), "secret");
            assert_eq!(open(&held, ACCOUNT, sealed).unwrap(), "secret");
            assert_eq!(open(&held, AccountId(2), sealed), Err(OpenError::NoDataKey(sealed.generation())));
        }
        assert_eq!(open(&first, ACCOUNT, &two), Err(OpenError::NoDataKey(2)));
        // The cache has let go of the first key, and has loaded it again since.
        drop(first);
        assert_eq!(open(&held, ACCOUNT, &one), Err(OpenError::NoDataKey(1)));
        let again = openers(1);
        assert_eq!(open(&held.with(&again), ACCOUNT, &seal(&again)).unwrap(), "secret");
    }
}
