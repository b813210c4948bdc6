//! `credenza keys rewrap`: every data key under the first key-encryption key, and then no other one is needed.

use super::Progress;
use crate::audit::{self, Action, Event};
use crate::core::Core;
use crate::error::Error;
use crate::postgres::Tenant;
use crate::principal::Actor;
use crate::types::AccountId;
use crate::vault::Rewrapped;

/// Wraps every data key under the first key-encryption key and closes the others that nothing needs any more.
pub async fn rewrap(core: &Core, mut progress: impl FnMut(Progress<'_>) + Send) -> Result<Rewrapped, Error> {
    let tell = |done, total| progress(Progress { what: "data keys", done, total });
    let done = core.vault.rewrap(tell).await?;
    let now = core.clock.now();
    let mut change = core.cluster.begin(Tenant::Every).await?;
    core.vault.close_others(&mut change, &done.kek_id, now).await?;
    let (actor, events) = (Actor::operator(), [Event::new(Action::DataKeysRewrapped)]);
    audit::record(&mut change, &core.audit_key, AccountId::OPERATOR, &actor, now, &events).await?;
    change.commit().await?;
    Ok(done)
}
