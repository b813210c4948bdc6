//! Read what is configured: never a password, never a base user name.

use super::{AuditTrail, BaseCredentials, Tag, store};
use crate::context::Context;
use crate::error::{Error, Missing};
use crate::suppliers;
use crate::types::{AccountId, SupplierCode};

/// Everything that the account has configured, by supplier code.
pub async fn list(context: &Context, account: AccountId) -> Result<Vec<BaseCredentials>, Error> {
    Ok(store::list(&context.pool, account).await?)
}

/// The account's credentials for a supplier, and the tag of that state.
pub async fn find(
    context: &Context,
    account: AccountId,
    supplier: &SupplierCode,
) -> Result<(BaseCredentials, Tag), Error> {
    let mut connection = context.pool.acquire().await?;
    match store::find(&mut *connection, account, supplier).await? {
        Some(found) => Ok(found),
        None => Err(suppliers::not_found(&mut connection, Missing::Credentials, supplier.as_str()).await),
    }
}

/// The creator and last editor of the account's credentials for a supplier, with times.
pub async fn audit_trail(context: &Context, account: AccountId, supplier: &SupplierCode) -> Result<AuditTrail, Error> {
    let mut transaction = context.read(account).await?;
    match store::audit_trail(&mut transaction, account, supplier).await? {
        Some(found) => Ok(found),
        None => Err(suppliers::not_found(&mut transaction, Missing::Credentials, supplier.as_str()).await),
    }
}
