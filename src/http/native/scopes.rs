//! Scopes that a caller grants to a key or a client.

use crate::error::{Denied, Error};
use crate::http::extract::fields::FieldErrors;
use crate::http::fields::Fault;
use crate::principal::{Principal, Scope};

/// Reads scopes by their names, if any are named. Nobody can grant a scope that they lack.
pub(super) fn scopes(
    names: Option<Vec<String>>,
    by: &Principal,
    errors: &mut FieldErrors,
) -> Result<Option<Vec<Scope>>, Error> {
    let Some(names) = names else { return Ok(None) };
    let mut scopes = Vec::new();
    for (index, name) in names.iter().enumerate() {
        match Scope::parse(name) {
            Some(scope) if !by.has(scope) => return Err(Denied::CannotGrant(scope).into()),
            Some(scope) if scopes.contains(&scope) => {}
            Some(scope) => scopes.push(scope),
            None => {
                let known = Scope::ALL.map(Scope::as_str).to_vec();
                errors.push(&format!("scopes[{index}]"), Fault::NotOneOf(known));
            }
        }
    }
    Ok(Some(scopes))
}

/// Returns the scopes of a key or client for which none are named: the default ones, as far as its maker has them.
pub(super) fn usual_scopes(by: &Principal) -> Vec<Scope> {
    Scope::DEFAULT.into_iter().filter(|scope| by.has(*scope)).collect()
}
