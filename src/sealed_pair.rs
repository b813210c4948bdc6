//! Pairs, sealed to their place: which account, supplier, level, service, environment and column a value belongs to, and
//! which user name a password belongs to. This is the only page that names places, so that every level binds alike.

use secrecy::{ExposeSecret, SecretString};

use crate::types::{AccountId, Environment, Pair, Password, Service, SupplierCode, Username};
use crate::vault::{Binding, DataKeys, OpenError, SealError, Sealed, Sealer};

/// A level of storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// Base credentials of an account.
    Base,
    /// Service credentials of an account.
    Service(Service),
    /// Default credentials of the operator.
    Default,
}

/// Where a pair of an account is stored.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The supplier that the pair logs in to.
    pub supplier: &'a SupplierCode,
    /// The level.
    pub storage: Storage,
    /// The environment.
    pub environment: Environment,
}

/// Both halves of a pair, sealed.
#[derive(Clone)]
pub struct SealedPair {
    /// The user name.
    pub username: Sealed,
    /// The password, which opens only together with its user name.
    pub password: Sealed,
}

impl SealedPair {
    /// Reads both columns.
    pub fn parse(username: Vec<u8>, password: Vec<u8>) -> Result<Self, OpenError> {
        Ok(Self { username: Sealed::parse(username)?, password: Sealed::parse(password)? })
    }

    /// User name and password.
    pub fn halves(&self) -> [&Sealed; 2] {
        [&self.username, &self.password]
    }

    /// Bytes of both halves.
    pub fn len_bytes(&self) -> usize {
        self.username.as_bytes().len() + self.password.as_bytes().len()
    }
}

/// A pair of nullable columns. A constraint keeps half pairs out of the database; should one be there all the same, it is
/// neither a pair nor nothing.
#[derive(Clone, Default)]
pub enum StoredPair {
    /// Both columns are null.
    #[default]
    Absent,
    /// One of them is null.
    Half,
    /// Both are there. A value that cannot be parsed is kept as the error that it will be when it is asked for: damage to one
    /// pair is no reason to refuse another.
    Whole(Result<SealedPair, OpenError>),
}

impl StoredPair {
    /// Reads the columns.
    pub fn from_columns(username: Option<Vec<u8>>, password: Option<Vec<u8>>) -> Self {
        match (username, password) {
            (Some(username), Some(password)) => Self::Whole(SealedPair::parse(username, password)),
            (None, None) => Self::Absent,
            _ => Self::Half,
        }
    }

    /// Bytes of the pair.
    pub fn len_bytes(&self) -> usize {
        match self {
            StoredPair::Whole(Ok(pair)) => pair.len_bytes(),
            _ => 0,
        }
    }
}

impl Place<'_> {
    fn binding(&self, field: &str, username: &[u8]) -> Binding {
        let (level, service) = match self.storage {
            Storage::Base => ("base", ""),
            Storage::Service(service) => ("service", service.as_str()),
            Storage::Default => ("default", ""),
        };
        Binding::new(&[
            self.supplier.as_str().as_bytes(),
            level.as_bytes(),
            service.as_bytes(),
            self.environment.as_str().as_bytes(),
            field.as_bytes(),
            username,
        ])
    }

    /// The binding of a password with this user name.
    pub fn password_binding(&self, username: &Username) -> Binding {
        self.binding("password", username.expose().as_bytes())
    }

    /// The binding of a half of a sealed pair: the user name, index 0, or the password, index 1, when the user name
    /// holds this.
    pub fn binding_of(&self, index: usize, opened: &[SecretString]) -> Result<Binding, OpenError> {
        match (index, opened) {
            (0, _) => Ok(self.binding("username", b"")),
            (1, [username, ..]) => Ok(self.binding("password", username.expose_secret().as_bytes())),
            _ => Err(OpenError::Malformed),
        }
    }

    /// Seals both halves.
    pub fn seal(&self, sealer: &Sealer, pair: &Pair) -> Result<SealedPair, SealError> {
        Ok(SealedPair {
            username: sealer.seal(pair.username.expose(), &self.binding("username", b""))?,
            password: self.seal_password(sealer, &pair.username, &pair.password)?,
        })
    }

    /// Seals a password whose user name is stored in clear, and bound all the same.
    pub fn seal_password(
        &self,
        sealer: &Sealer,
        username: &Username,
        password: &Password,
    ) -> Result<Sealed, SealError> {
        sealer.seal(password.expose(), &self.password_binding(username))
    }

    /// Opens both halves.
    pub fn open(&self, keys: &DataKeys, account: AccountId, pair: &SealedPair) -> Result<Pair, OpenError> {
        let username = keys.open(account, &pair.username, &self.binding("username", b""))?;
        let username = Username::parse(username).map_err(|_| OpenError::NotText)?;
        let password = self.open_password(keys, account, &username, &pair.password)?;
        Ok(Pair { username, password })
    }

    /// Opens the password of a user name.
    pub fn open_password(
        &self,
        keys: &DataKeys,
        account: AccountId,
        username: &Username,
        sealed: &Sealed,
    ) -> Result<Password, OpenError> {
        let text = keys.open(account, sealed, &self.password_binding(username))?;
        Password::parse(text).map_err(|_| OpenError::NotText)
    }
}
