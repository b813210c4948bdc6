//! Rotation of a key: a new one with the same rights; the old one ends after an overlap, in which both work.

use std::time::Duration;

use uuid::Uuid;

use super::{KeySummary, NewKey, insert, make_room, store};
use crate::api_key::ApiKey;
use crate::audit::{self, Action, Event};
use crate::cluster::Change;
use crate::context::Context;
use crate::error::{Denied, Error, FieldError, Missing};
use crate::principal::{Actor, Principal};
use crate::types::{AccountId, Name};

/// Longest overlap: seven days.
pub const MAX_OVERLAP: Duration = Duration::from_hours(7 * 24);

/// Makes the successor of a key that still works. Without an overlap the old key ends now, and so makes room for its
/// successor also at the limit of keys. The change is its caller's to begin and to commit.
///
/// # Errors
/// Whoever rotates a key sees its successor, so they must have all of its rights themselves: [`Denied::CannotGrant`],
/// [`Denied::OperatorKey`].
pub async fn rotate(
    context: &Context,
    actor: &Actor,
    by: &Principal,
    account: AccountId,
    change: &mut Change,
    id: Uuid,
    overlap: Duration,
) -> Result<(KeySummary, ApiKey), Error> {
    let now = context.clock.now();
    let old = store::lock_active(change, account, id, now).await?.ok_or(Error::missing(Missing::ApiKey))?;
    if old.is_operator && !by.is_operator {
        return Err(Denied::OperatorKey.into());
    }
    by.require_all(&old.scopes)?;
    // Its own end is that of an overlap; a successor must not inherit it.
    if old.is_rotated {
        let message = "This API key was rotated before; rotate its successor";
        return Err(Error::invalid(FieldError::sentence_alone("id", message)));
    }
    let key = ApiKey::generate(old.kind);
    let new = NewKey {
        // A stored name was checked when it came in.
        name: Name::parse(&old.name).map_err(|_| Error::missing(Missing::ApiKey))?,
        kind: old.kind,
        scopes: old.scopes,
        allowed_ips: old.allowed_ips,
        expires_at: old.expires_at,
        is_operator: old.is_operator,
        user_email: None,
    };
    if overlap.is_zero() {
        store::revoke(change, account, id, now).await?;
    } else {
        store::end_after_rotation(change, account, id, now + overlap).await?;
    }
    make_room(context, change, account).await?;
    let summary = insert(context, change, account, old.user_id, &new, &key).await?;
    let events = [Event::about(Action::ApiKeyRotated, id), Event::about(Action::ApiKeyCreated, summary.id)];
    audit::record(change, &context.audit_key, account, actor, now, &events).await?;
    Ok((summary, key))
}
