//! The offers of the levels for a call, which offer wins, and how it is opened.

use sha2::{Digest, Sha256};

use super::bundle::{AccountBundle, ServicePair, SupplierBundle, UsernameAndSealed};
use super::precedence::{Candidate, Level, choose};
use super::{Call, LoginVersion};
use crate::error::{Error, OpenError};
use crate::sealed_pair::{Place, SealedPair, Storage, StoredPair};
use crate::suppliers::defaults;
use crate::types::{AccountId, Environment, HalfPair, Pair, Password, Service, Username};
use crate::vault::{DataKeys, Sealed};

/// A pair that could answer, still sealed if it is stored.
#[derive(Clone, Copy)]
pub(super) enum Offer<'a> {
    Request(&'a Username, &'a Password),
    Service(&'a ServicePair),
    Stored(&'a Result<SealedPair, OpenError>),
}

/// The offers of the levels, highest priority first.
pub(super) fn candidates<'a>(
    request: Candidate<Offer<'a>>,
    account: &'a AccountBundle,
    supplier: &'a SupplierBundle,
    service: Service,
    environment: Environment,
) -> [Candidate<Offer<'a>>; 4] {
    [
        request,
        match account.service(service, environment) {
            None => Candidate::Absent,
            Some(pair) => Candidate::Complete(Offer::Service(pair)),
        },
        match account.base(environment) {
            StoredPair::Absent => Candidate::Absent,
            StoredPair::Half => Candidate::Incomplete,
            StoredPair::Whole(pair) => Candidate::Complete(Offer::Stored(pair)),
        },
        match supplier.default_pair(service, environment) {
            None => Candidate::Absent,
            Some((_, false)) => Candidate::NotAllowed,
            Some((pair, true)) => Candidate::Complete(Offer::Stored(pair)),
        },
    ]
}

/// The offer that answers a call.
///
/// # Errors
/// [`Error::OwnCredentialsRequired`] if no level has a pair.
pub(super) fn win<'a>(
    call: &Call,
    request: &'a HalfPair,
    account: &'a AccountBundle,
    supplier: &'a SupplierBundle,
) -> Result<(Level, Offer<'a>), Error> {
    let request = match (&request.username, &request.password) {
        (Some(username), Some(password)) => Candidate::Complete(Offer::Request(username, password)),
        (None, None) => Candidate::Absent,
        _ => Candidate::Incomplete,
    };
    let choice = choose(candidates(request, account, supplier, call.service, call.environment));
    choice
        .answer
        .ok_or_else(|| Error::OwnCredentialsRequired { supplier_name: supplier.name.clone(), service: call.service })
}

/// The account whose data keys sealed a level's offer.
pub(super) fn sealed_for(call: &Call, level: Level) -> AccountId {
    if level == Level::Default { AccountId::OPERATOR } else { call.account }
}

impl<'a> Offer<'a> {
    /// The values that have to be opened.
    pub fn sealed(self) -> Result<impl Iterator<Item = &'a Sealed>, OpenError> {
        let values = match self {
            Offer::Request(..) => [None, None],
            Offer::Service(stored) => [Some(&stored.pair.as_ref().map_err(|damage| *damage)?.password), None],
            Offer::Stored(sealed) => sealed.as_ref().map_err(|damage| *damage)?.halves().map(Some),
        };
        Ok(values.into_iter().flatten())
    }

    /// The state of the stored pair. A sealed value is another one after every write, so no two states are alike.
    pub fn version(self) -> Result<LoginVersion, OpenError> {
        let mut digest = Sha256::new();
        if let Offer::Service(stored) = self {
            digest.update(stored.pair.as_ref().map_err(|damage| *damage)?.username.expose());
        }
        for value in self.sealed()? {
            digest.update((value.as_bytes().len() as u64).to_be_bytes());
            digest.update(value.as_bytes());
        }
        let mut version = [0; 16];
        version.copy_from_slice(&digest.finalize()[..16]);
        Ok(LoginVersion(version))
    }

    /// The pair, in plain.
    pub fn open(self, call: &Call, level: Level, keys: &DataKeys) -> Result<Pair, OpenError> {
        let account = sealed_for(call, level);
        let place = |storage| Place { supplier: &call.supplier, storage, environment: call.environment };
        match self {
            Offer::Request(username, password) => Ok(Pair { username: username.clone(), password: password.clone() }),
            Offer::Service(stored) => {
                let UsernameAndSealed { username, password } = stored.pair.as_ref().map_err(|damage| *damage)?;
                let place = place(Storage::Service(call.service));
                let password = place.open_password(keys, account, username, password)?;
                Ok(Pair { username: username.clone(), password })
            }
            Offer::Stored(sealed) => {
                let sealed = sealed.as_ref().map_err(|damage| *damage)?;
                let place = match level {
                    Level::Default => defaults::place(&call.supplier, call.environment),
                    _ => place(Storage::Base),
                };
                place.open(keys, account, sealed)
            }
        }
    }
}
