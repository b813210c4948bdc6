//! Data keys ready to use: of one call from the caches, or of a page of rows at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Weak};

use secrecy::SecretString;
use smallvec::SmallVec;
use sqlx::PgConnection;

use super::data_key::DataKey;
use super::kek::{DataKeyId, WrappedKey};
use super::{Binding, OpenError, SealError, Sealed, Vault, store};
use crate::cluster::Readings;
use crate::error::Error;
use crate::types::AccountId;

/// Data keys as they are stored, with the newest of each account. Read in the transaction that reads the values.
pub struct StoredDataKeys {
    keys: Vec<WrappedKey>,
    newest: BTreeMap<AccountId, u32>,
}

/// A data key, or why it does not unwrap.
type Known = (DataKeyId, Result<Arc<DataKey>, OpenError>);

/// Data keys, ready to use. Takes no memory of its own for one or two.
#[derive(Default)]
pub struct DataKeys {
    /// Ordered by id.
    keys: SmallVec<[Known; 2]>,
    /// Empty unless the keys were read to seal as well.
    newest: BTreeMap<AccountId, u32>,
}

impl DataKeys {
    /// Opens a value of the account that was sealed for this place.
    ///
    /// # Errors
    /// [`OpenError::NoDataKey`] also for a value whose data key is not among these.
    pub fn open(&self, account: AccountId, sealed: &Sealed, binding: &Binding) -> Result<SecretString, OpenError> {
        self.find(account, sealed.generation())?.open(account, sealed, binding)
    }

    /// Seals a text for one place, under the account's newest data key. The inner error means that this key does not open.
    pub fn seal(
        &self,
        account: AccountId,
        text: &str,
        binding: &Binding,
    ) -> Result<Result<Sealed, OpenError>, SealError> {
        match self.find(account, self.newest.get(&account).copied().unwrap_or_default()) {
            Ok(key) => key.seal(account, text, binding).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    /// Whether a value is sealed under the account's newest data key.
    pub fn is_newest(&self, account: AccountId, sealed: &Sealed) -> bool {
        self.newest.get(&account) == Some(&sealed.generation())
    }

    fn find(&self, account: AccountId, generation: u32) -> Result<&DataKey, OpenError> {
        match self.place(DataKeyId { account, generation }) {
            Ok(index) => self.keys[index].1.as_deref().map_err(|error| *error),
            Err(_) => Err(OpenError::NoDataKey(generation)),
        }
    }

    fn place(&self, id: DataKeyId) -> Result<usize, usize> {
        self.keys.binary_search_by_key(&id, |(id, _)| *id)
    }
}

/// Data keys that are in memory for as long as the vault's cache has them.
#[derive(Clone, Default)]
pub struct WeakDataKeys(SmallVec<[(DataKeyId, Weak<DataKey>); 2]>);

impl WeakDataKeys {
    /// Adds those of others that unwrapped; a newer one takes the place of an older.
    #[must_use]
    pub fn with(mut self, keys: &DataKeys) -> Self {
        for (id, key) in &keys.keys {
            let Ok(key) = key else { continue };
            let weak = Arc::downgrade(key);
            match self.0.binary_search_by_key(id, |(id, _)| *id) {
                Ok(index) => self.0[index].1 = weak,
                Err(index) => self.0.insert(index, (*id, weak)),
            }
        }
        self
    }

    /// Returns those that are still in memory.
    pub fn upgrade(&self) -> DataKeys {
        let keys = self.0.iter().filter_map(|(id, key)| Some((*id, Ok(key.upgrade()?)))).collect();
        DataKeys { keys, newest: BTreeMap::new() }
    }
}

impl Vault {
    /// Fetches the data keys of these values of the account, from memory if they are there.
    pub async fn data_keys(
        &self,
        account: AccountId,
        values: impl IntoIterator<Item = &Sealed>,
    ) -> Result<DataKeys, Error> {
        self.data_keys_on(&mut Readings::default(), account, values).await
    }

    /// The same for a caller that is going to pin what it makes of them.
    pub async fn data_keys_on(
        &self,
        readings: &mut Readings,
        account: AccountId,
        values: impl IntoIterator<Item = &Sealed>,
    ) -> Result<DataKeys, Error> {
        let mut keys = DataKeys::default();
        for generation in values.into_iter().map(Sealed::generation) {
            let id = DataKeyId { account, generation };
            if let Err(place) = keys.place(id) {
                keys.keys.insert(place, (id, Ok(self.data_key(readings, account, generation).await?)));
            }
        }
        Ok(keys)
    }

    /// Reads the data keys of these values, and the newest of each account.
    pub async fn read_data_keys(
        &self,
        connection: &mut PgConnection,
        values: impl IntoIterator<Item = (AccountId, Option<&Sealed>)>,
    ) -> Result<StoredDataKeys, Error> {
        let (mut ids, mut accounts) = (BTreeSet::new(), BTreeSet::new());
        for (account, sealed) in values {
            accounts.insert(account);
            ids.extend(sealed.map(|sealed| DataKeyId { account, generation: sealed.generation() }));
        }
        let accounts: Vec<_> = accounts.into_iter().collect();
        let newest = store::newest_of(&mut *connection, &accounts).await?;
        for row in &newest {
            ids.remove(&row.key.id);
        }
        let ids: Vec<_> = ids.into_iter().collect();
        let mut keys = store::some(connection, &ids).await?;
        let generations = newest.iter().map(|row| (row.key.id.account, row.key.id.generation)).collect();
        keys.extend(newest.into_iter().map(|row| row.key));
        Ok(StoredDataKeys { keys, newest: generations })
    }

    /// Unwraps data keys. Asks the key service, if there is one: not to be called within a transaction.
    pub async fn unwrap_data_keys(&self, stored: StoredDataKeys) -> Result<DataKeys, Error> {
        let StoredDataKeys { keys, newest } = stored;
        let unwrapped = self.keyring.unwrap_all(&keys).await?;
        let mut keys: SmallVec<_> = keys
            .into_iter()
            .zip(unwrapped)
            .map(|(key, raw)| (key.id, raw.map(|raw| Arc::new(DataKey::new(key.id.generation, &raw)))))
            .collect();
        keys.sort_unstable_by_key(|(id, _)| *id);
        Ok(DataKeys { keys, newest })
    }

    /// Counts seals that were made with [`DataKeys::seal`]: how many of which account.
    pub async fn count_seals(
        &self,
        connection: &mut PgConnection,
        keys: &DataKeys,
        seals: &HashMap<AccountId, u64>,
    ) -> Result<(), Error> {
        let counts: Vec<_> = seals
            .iter()
            .filter_map(|(account, seals)| {
                let generation = *keys.newest.get(account)?;
                Some((DataKeyId { account: *account, generation }, seals.cast_signed()))
            })
            .collect();
        Ok(store::count_seals_of(connection, &counts).await?)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::vault::keyring::random_key;

    #[test]
    fn each_value_opens_with_the_data_key_of_its_account_and_generation_and_with_no_other() {
        let place = Binding::new(&[b"place"]);
        let id = |account, generation| DataKeyId { account: AccountId(account), generation };
        let key = |id: DataKeyId| (id, Ok(Arc::new(DataKey::new(id.generation, &random_key().unwrap()))));
        let ids = [id(1, 1), id(1, 2), id(2, 1)];
        let keys = DataKeys { keys: ids.into_iter().map(key).collect(), newest: BTreeMap::from([(AccountId(1), 2)]) };
        let sealed =
            ids.map(|id| keys.find(id.account, id.generation).unwrap().seal(id.account, "text", &place).unwrap());
        for (id, sealed) in ids.iter().zip(&sealed) {
            assert_eq!(keys.open(id.account, sealed, &place).unwrap().expose_secret(), "text");
            assert_eq!(keys.is_newest(id.account, sealed), (id.account.0, id.generation) == (1, 2));
        }
        assert_eq!(keys.open(AccountId(2), &sealed[0], &place).err(), Some(OpenError::Rejected));
        assert_eq!(keys.open(AccountId(2), &sealed[1], &place).err(), Some(OpenError::NoDataKey(2)));
        assert_eq!(keys.open(AccountId(3), &sealed[0], &place).err(), Some(OpenError::NoDataKey(1)));
        let weak = WeakDataKeys::default().with(&keys);
        assert_eq!(weak.upgrade().open(AccountId(2), &sealed[2], &place).unwrap().expose_secret(), "text");
        let newest = keys.seal(AccountId(1), "new", &place).unwrap().unwrap();
        assert!(keys.is_newest(AccountId(1), &newest));
        assert_eq!(keys.seal(AccountId(2), "new", &place).unwrap().err(), Some(OpenError::NoDataKey(0)));
        drop(keys);
        assert_eq!(weak.upgrade().open(AccountId(2), &sealed[2], &place).err(), Some(OpenError::NoDataKey(1)));
    }
}
