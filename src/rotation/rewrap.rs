//! `credenza keys rewrap`: every data key under the first key-encryption key, and then no other one is needed.

use super::Progress;
use crate::audit::{Action, Event};
use crate::context::Context;
use crate::error::Error;
use crate::postgres::Tenant;
use crate::principal::Actor;
use crate::vault::Rewrapped;
use crate::work::Work;

/// Wraps every data key under the first key-encryption key and closes the others that nothing needs any more.
pub async fn rewrap(context: &Context, mut progress: impl FnMut(Progress<'_>) + Send) -> Result<Rewrapped, Error> {
    let tell = |done, total| progress(Progress { what: "data keys", done, total });
    let done = context.vault.rewrap(tell).await?;
    let operator = Actor::operator();
    let mut work = Work::begin(context, &operator, Tenant::Every).await?;
    let now = work.now();
    context.vault.close_others(&mut work, &done.kek_id, now).await?;
    work.record(Event::new(Action::DataKeysRewrapped));
    work.commit(None).await?;
    Ok(done)
}
