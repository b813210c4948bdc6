//! Admits requests: by the rate of their key, the turns of their account, and the bytes of their body.

use axum::http::Method;

use super::context::RequestContext;
use crate::admission::{ConcurrencyLimits, ConcurrencyPermit, Holder, RateLimited, ReservedBytes, Sender};
use crate::app::App;
use crate::error::{Denied, Error};
use crate::http::listener::Listener;
use crate::principal::Principal;
use crate::types::{AccountId, ClientAddress};

/// Returns the holder that a principal's requests are counted with.
pub(in crate::http) fn holder(principal: &Principal) -> Holder {
    principal.key_id.map_or(Holder::Account(principal.acting_account), Holder::Key)
}

/// Counts a request of somebody who is authenticated.
pub(in crate::http) async fn count(
    context: &RequestContext,
    app: &App,
    holder: Holder,
    is_operator: bool,
) -> Result<(), Error> {
    let counted = match context.listener {
        Listener::Public => app.admission.rate.count(holder),
        Listener::Internal if is_operator => Ok(None),
        Listener::Internal => app.admission.internal_rate.count(holder),
    };
    match counted {
        Ok(allowance) => {
            if let Some(allowance) = allowance {
                let _ = context.admitted.allowance.set(allowance);
            }
            Ok(())
        }
        Err(RateLimited { allowance, retry_after, goes_on }) => {
            let _ = context.admitted.allowance.set(allowance);
            if goes_on {
                app.admission.delay_refusal().await;
            }
            Err(Denied::RateLimited(retry_after).into())
        }
    }
}

/// Waits for a turn of the caller's own account, also if it acts for another, or of its parent: all sub-accounts of a parent
/// are one tenant. Not on the internal listener, whose callers are the operator's programs and are answered from memory.
pub(in crate::http) async fn wait_for_turn(
    context: &RequestContext,
    app: &App,
    method: &Method,
    account: AccountId,
) -> Result<(), Error> {
    let limits = if method.is_safe() { &app.admission.reads } else { &app.admission.writes };
    if let Some(turn) = take_turn(context, app, limits, account).await? {
        context.admitted.keep_turn(turn);
    }
    Ok(())
}

/// Waits for the turn of an import before its file is received, which limits the files of an account in memory.
pub(in crate::http) async fn wait_to_import(context: &RequestContext, app: &App) -> Result<(), Error> {
    let Some(principal) = context.principal.get() else { return Ok(()) };
    let limits = &app.admission.imports;
    if let Some(turn) = take_turn(context, app, limits, principal.acting_account).await? {
        // A request has one.
        let _ = context.admitted.import.set(turn);
    }
    Ok(())
}

async fn take_turn(
    context: &RequestContext,
    app: &App,
    limits: &ConcurrencyLimits,
    account: AccountId,
) -> Result<Option<ConcurrencyPermit>, Error> {
    if context.listener == Listener::Internal {
        return Ok(None);
    }
    let payer = app.statuses.payer(account).await?;
    match limits.acquire(payer).await {
        Ok(turn) => Ok(Some(turn)),
        Err(denied) => {
            app.admission.delay_refusal().await;
            Err(denied.into())
        }
    }
}

/// Reserves bytes for the body of a request: for an account all that is declared, for an unknown caller only as they come.
/// Operators' programs on the internal listener need none.
pub(in crate::http) async fn reserve_bytes(
    context: &RequestContext,
    app: &App,
    declared: usize,
) -> Result<Option<ReservedBytes>, Error> {
    let (sender, bytes) = match context.principal.get() {
        Some(principal) if principal.is_operator => return Ok(None),
        Some(principal) => (Sender::Account(app.statuses.payer(principal.acting_account).await?), declared),
        None => (Sender::Stranger(context.client_address.as_ref().map(ClientAddress::network)), 0),
    };
    Ok(Some(app.admission.bytes.reserve(sender, bytes).await?))
}

/// Whether a request of this method has its body still to be read when its caller is known. It waits for its turn when the
/// body is there: a slow client must not keep others of its account waiting.
pub(in crate::http) fn brings_a_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PATCH)
}
