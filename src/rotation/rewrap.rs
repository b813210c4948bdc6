//! `credenza keys rewrap`: every data key under the first key-encryption key, and then no other one is needed.

use super::Progress;
use crate::audit::{self, Action, Event};
use crate::context::Context;
use crate::error::Error;
use crate::postgres::Tenant;
use crate::principal::Actor;
use crate::types::AccountId;
use crate::vault::Rewrapped;

/// Wraps every data key under the first key-encryption key and closes the others that nothing needs any more.
pub async fn rewrap(context: &Context, mut progress: impl FnMut(Progress<'_>) + Send) -> Result<Rewrapped, Error> {
    let tell = |done, total| progress(Progress { what: "data keys", done, total });
    let done = context.vault.rewrap(tell).await?;
    let now = context.clock.now();
    let mut change = context.cluster.begin(Tenant::Every).await?;
    context.vault.close_others(&mut change, &done.kek_id, now).await?;
    let (actor, events) = (Actor::operator(), [Event::new(Action::DataKeysRewrapped)]);
    audit::record(&mut change, &context.audit_key, AccountId::OPERATOR, &actor, now, &events).await?;
    change.commit().await?;
    Ok(done)
}
