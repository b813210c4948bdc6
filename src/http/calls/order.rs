//! `POST …/purchase-orders`: an order goes out once.
//!
//! Under an `Idempotency-Key` the answer to a repetition is stored *before* the order is sent: that it was sent, and that its
//! fate is not known. The supplier's answer takes its place. So neither a lost connection nor the end of this process sends an
//! order twice.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::response::Response;
use tokio::time::timeout;

use super::At;
use super::parameters::Said;
use super::read::answer;
use super::supplier_login::SupplierLogin;
use crate::app::App;
use crate::background;
use crate::calls::failure::Failed;
use crate::calls::{Answered, Asked};
use crate::error;
use crate::http::dialect::calls::{CallRefusal, order_in_doubt};
use crate::http::edge::context::RequestContext;
use crate::http::error::{HttpError, RequestError};
use crate::http::extract::body::{self, Media};
use crate::http::extract::caller::{Caller, SendOrders};
use crate::http::extract::idempotency::Once;
use crate::http::extract::write::Instead;
use crate::http::family::Family;
use crate::idempotency::{self, StoredAnswer};
use crate::work::{Begun, Work};

/// The largest answer that is stored for a repetition.
const MOST_STORED: usize = 1 << 20;

/// The body of an order, not read yet: the tables of the standard describe it.
pub(super) struct OrderBody(Bytes);

impl FromRequest<Arc<App>> for OrderBody {
    type Rejection = HttpError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, HttpError> {
        if body::media(request.headers()) != Some(Media::Json) {
            return Err(RequestError::NOT_JSON.into());
        }
        // The request as a whole may take as long as a supplier; its body may not.
        let received = timeout(app.settings.admission.request_timeout, body::read(request, app)).await;
        Ok(Self(received.map_err(|_elapsed| RequestError::TimedOut)??))
    }
}

/// Sends an order.
pub(super) async fn send(
    caller: Caller<SendOrders>,
    State(app): State<Arc<App>>,
    Extension(at): Extension<At>,
    Extension(context): Extension<Arc<RequestContext>>,
    SupplierLogin(login): SupplierLogin,
    said: Said,
    Once(keyed, OrderBody(body)): Once<OrderBody>,
) -> Result<Response, Instead> {
    let account = caller.account();
    let asked = said.asked(at, caller.actor.clone(), account, login, Some(&body))?;
    let once = keyed.map(|keyed| keyed.request(&app, &caller.principal, account));
    if let Some(once) = &once {
        match Work::begin_once(&app, &caller.actor, account, once.clone()).await? {
            Begun::Before(outcome) => return Err(Instead::Before(outcome)),
            Begun::New(work) => {
                let now = work.now();
                work.commit(Some(stored(409, order_in_doubt(now)))).await?;
            }
        }
    }
    context.admitted.release();
    // Carried to its end, also if the client leaves: the order may be on its way.
    let sent = background::spawn(async move {
        let result = app.calls.make(&asked).await;
        if let Some(once) = &once {
            keep(&app, &asked, once, &result).await;
        }
        result
    });
    let answered = sent.await.map_err(error::stopped)?;
    Ok(answer(answered.map_err(CallRefusal::from)?))
}

/// Stores what a repetition gets: the supplier's answer, or nothing if nothing was sent. Otherwise the doubt stays.
async fn keep(app: &App, asked: &Asked, once: &idempotency::Request, result: &Result<Answered, Failed>) {
    let kept = match result {
        Ok(answered) if answered.json.len() <= MOST_STORED => {
            let json = String::from_utf8_lossy(&answered.json).into_owned();
            let outcome = stored(200, json);
            let keep = async |work: &mut Work<'_>| {
                let now = work.now();
                idempotency::keep(work, once, &outcome, now).await
            };
            Work::carry_out(app, &asked.actor, asked.call.account, keep).await
        }
        Err(failed) if !failed.may_have_been_sent() => idempotency::forget(&app.pool, once).await,
        Ok(_) | Err(_) => Ok(()),
    };
    if let Err(error) = kept {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "the outcome of an order is not kept; its repetition is told that it is not known"
        );
    }
}

fn stored(code: u16, body: String) -> StoredAnswer {
    StoredAnswer {
        family: Family::Calls.as_str().to_owned(),
        code,
        content_type: "application/json".to_owned(),
        tag: None,
        body,
    }
}

impl From<Failed> for HttpError {
    fn from(failed: Failed) -> Self {
        CallRefusal::from(failed).into()
    }
}
