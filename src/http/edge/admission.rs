//! Admission, as a request meets it: room on the listener, the rate of its key, its account's turn.

use axum::http::Method;

use super::context::RequestContext;
use crate::admission::{Holder, TooFast};
use crate::app::App;
use crate::error::{Denied, Error};
use crate::http::listener::Listener;
use crate::principal::Principal;
use crate::types::AccountId;

/// Returns the holder that the requests of a principal are counted for.
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
        Listener::Public => app.admission.rate.take(holder),
        Listener::Internal if is_operator => Ok(None),
        Listener::Internal => app.admission.internal_rate.take(holder),
    };
    match counted {
        Ok(allowance) => {
            if let Some(allowance) = allowance {
                let _ = context.admitted.allowance.set(allowance);
            }
            Ok(())
        }
        Err(TooFast { allowance, retry_after, goes_on }) => {
            let _ = context.admitted.allowance.set(allowance);
            if goes_on {
                app.admission.hold().await;
            }
            Err(Denied::TooFast(retry_after).into())
        }
    }
}

/// Waits for the turn of the caller's own account, also if it acts for another: many sub-accounts are still one tenant.
/// Not on the internal listener, whose callers are the operator's programs and are answered from memory.
pub(in crate::http) async fn wait_for_turn(
    context: &RequestContext,
    app: &App,
    method: &Method,
    account: AccountId,
) -> Result<(), Error> {
    if context.listener == Listener::Internal {
        return Ok(());
    }
    let turns = if method.is_safe() { &app.admission.reads } else { &app.admission.writes };
    match turns.take(account).await {
        Ok(turn) => {
            // A request has one turn.
            let _ = context.admitted.turn.set(turn);
            Ok(())
        }
        Err(denied) => {
            app.admission.hold().await;
            Err(denied.into())
        }
    }
}

/// Whether a request of this method has its body still to be read when its caller is known. It waits for its turn when the
/// body is there: a slow client must not keep others of its account waiting.
pub(in crate::http) fn brings_a_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PATCH)
}
