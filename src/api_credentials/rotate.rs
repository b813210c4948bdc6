//! Rotation of a key: a new one with the same rights; the old one ends after an overlap, in which both work.

use std::time::Duration;

use uuid::Uuid;

use super::{KeySummary, NewKey, insert, make_room, store};
use crate::accounts;
use crate::api_key::ApiKey;
use crate::audit::{Action, Event};
use crate::error::{BrokenRule, Denied, Error, Missing};
use crate::rights;
use crate::types::Name;
use crate::work::Work;

/// Longest overlap: seven days.
pub const MAX_OVERLAP: Duration = Duration::from_hours(7 * 24);

/// Makes the successor of a key that still works. Without an overlap the old key ends now, and so makes room for its
/// successor also at the limit of keys.
///
/// # Errors
/// [`Denied::CannotGrant`], [`Denied::BeyondLimits`] and [`Denied::OperatorKey`] if the actor lacks a right of the key, because
/// they see its successor.
pub async fn rotate(work: &mut Work<'_>, id: Uuid, overlap: Duration) -> Result<(KeySummary, ApiKey), Error> {
    let (actor, account, now) = (work.actor(), work.account(), work.now());
    accounts::lock_rights(work, account).await?;
    let old = store::lock_active(work, account, id, now).await?.ok_or(Error::missing(Missing::ApiKey))?;
    // Its successor is made from what stands in its row.
    if !work.has_authentic(&rights::API_KEYS, account, &id.to_string()).await? {
        return Err(Error::missing(Missing::ApiKey));
    }
    if old.is_operator && !actor.is_operator() {
        return Err(Denied::OperatorKey.into());
    }
    actor.require_all(&old.scopes)?;
    actor.require_within_limits(&old.limits())?;
    // Its own end is that of an overlap; a successor must not inherit it.
    if old.is_rotated {
        return Err(BrokenRule::RotateTwice.into());
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
        owner: old.owner,
    };
    if overlap.is_zero() {
        store::revoke(work, account, id, now).await?;
    } else {
        store::end_after_rotation(work, account, id, now + overlap).await?;
    }
    work.authenticate(&rights::API_KEYS, account, &id.to_string()).await?;
    make_room(work).await?;
    let summary = insert(work, old.user_id, &new, &key).await?;
    work.record(Event::about(Action::ApiKeyRotated, id));
    work.record(Event::about(Action::ApiKeyCreated, summary.id));
    Ok((summary, key))
}
