//! A write as a request asks for it: done, done once under its `Idempotency-Key`, or with `dry_run` only tried. Handlers
//! are the same for all three: they begin, let a use case work, and end.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::app::App;
use crate::clock::Clock;
use crate::cluster::Change;
use crate::credentials::Tag;
use crate::error::Error;
use crate::http::error::HttpError;
use crate::http::extract::conditions::etag;
use crate::http::extract::idempotency::Keyed;
use crate::http::extract::preview::{Manner, PreviewBody};
use crate::idempotency::{self, Outcome, Request};
use crate::preview::Preview;
use crate::principal::Principal;
use crate::types::{AccountId, SupplierCode};

/// Says that an answer is that of an earlier request with the same key.
static IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A write on its way. Dropping it takes it back.
pub(in crate::http) enum Write {
    /// To be committed, and its outcome stored if somebody may ask again.
    Real(Change, Option<(Request, Clock)>),
    /// To be taken back.
    Preview(Preview),
}

/// What a request gets in place of being carried out.
pub enum Instead {
    /// A refusal.
    Refused(HttpError),
    /// The answer that it got before.
    Before(Outcome),
}

/// A body that is the answer to a write.
pub(in crate::http) trait Made: Serialize {
    /// The same as it may be stored, for whoever asks again.
    fn without_secrets(self) -> Self;
}

impl Write {
    /// Begins a write to rows of an account for a caller, unless it was done before.
    pub async fn begin(
        app: &App,
        caller: &Principal,
        account: AccountId,
        keyed: Option<Keyed>,
    ) -> Result<Self, Instead> {
        Self::begin_once(app, account, keyed.map(|keyed| keyed.request(app, caller, account))).await
    }

    /// The same for a request that is already recognised, for whoever may have to begin more than once.
    pub async fn begin_once(app: &App, account: AccountId, request: Option<Request>) -> Result<Self, Instead> {
        let mut change = app.cluster.begin(account).await?;
        let Some(request) = request else { return Ok(Write::Real(change, None)) };
        let instead = match idempotency::claim(&mut change, &request, app.clock.now()).await {
            Ok(None) => return Ok(Write::Real(change, Some((request, app.clock.clone())))),
            Ok(Some(outcome)) => Instead::Before(outcome),
            Err(refused) => refused.into(),
        };
        free(change).await;
        Err(instead)
    }

    /// The same for the credentials for a supplier, or a preview. That one can be repeated anyway, and needs no key.
    pub async fn to_credentials(
        app: &App,
        caller: &Principal,
        account: AccountId,
        supplier: &SupplierCode,
        manner: Manner,
        keyed: Option<Keyed>,
    ) -> Result<Self, Instead> {
        if manner.dry_run {
            return Ok(Write::Preview(Preview::begin(app, account, supplier.clone()).await?));
        }
        Self::begin(app, caller, account, keyed).await
    }

    /// What the use case works in.
    pub fn change(&mut self) -> &mut Change {
        match self {
            Write::Real(change, _) => change,
            Write::Preview(preview) => preview.change(),
        }
    }

    /// Commits what a use case made or updated, and answers with it and its tag; a preview answers with what would change.
    pub async fn created<T, B: Made>(
        self,
        made: Result<T, Error>,
        show: impl FnOnce(T) -> (Option<Tag>, B),
    ) -> Result<Response, Instead> {
        match made {
            Ok(made) => {
                let (tag, body) = show(made);
                self.done(StatusCode::CREATED, tag, body).await
            }
            Err(refused) => {
                if let Write::Real(change, Some(_)) = self {
                    free(change).await;
                }
                Err(refused.into())
            }
        }
    }

    /// Commits what a use case did, and answers so; a preview answers with what would change.
    pub async fn done<B: Made>(self, status: StatusCode, tag: Option<Tag>, body: B) -> Result<Response, Instead> {
        let (mut change, keyed) = match self {
            Write::Real(change, keyed) => (change, keyed),
            Write::Preview(preview) => return tried(preview).await,
        };
        let answer = (status, tag.as_ref().map(etag), Json(&body)).into_response();
        if let Some((request, clock)) = keyed {
            let outcome = (status.as_u16(), tag.as_ref().map(Tag::to_string), &body.without_secrets());
            idempotency::keep(&mut change, &request, outcome, clock.now()).await?;
        }
        change.commit().await?;
        Ok(answer)
    }

    /// Commits a deletion; a preview answers with what would change.
    pub async fn deleted(self) -> Result<Response, Instead> {
        match self {
            Write::Real(change, _) => change.commit().await?,
            Write::Preview(preview) => return tried(preview).await,
        }
        Ok(StatusCode::NO_CONTENT.into_response())
    }
}

impl AsMut<Change> for Write {
    fn as_mut(&mut self) -> &mut Change {
        self.change()
    }
}

impl From<Write> for Change {
    fn from(write: Write) -> Self {
        match write {
            Write::Real(change, _) => change,
            Write::Preview(preview) => preview.into(),
        }
    }
}

/// Takes a change back before its caller is answered: whoever sends the request again right away must not meet the lock of
/// its own key. If that fails, the connection is gone, and the lock with it.
async fn free(change: Change) {
    if let Err(error) = change.take_back().await {
        tracing::debug!(error = &error as &dyn std::error::Error, "a change could not be taken back");
    }
}

async fn tried(preview: Preview) -> Result<Response, Instead> {
    Ok(Json(PreviewBody::new(preview.end().await?)).into_response())
}

impl<E> From<E> for Instead
where
    HttpError: From<E>,
{
    fn from(refused: E) -> Self {
        Instead::Refused(refused.into())
    }
}

impl IntoResponse for Instead {
    fn into_response(self) -> Response {
        let Outcome { status, tag, body } = match self {
            Instead::Refused(refused) => return refused.into_response(),
            Instead::Before(outcome) => outcome,
        };
        // What we stored ourselves is a status and a tag.
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::CREATED);
        let tag = tag.and_then(|tag| HeaderValue::from_str(&tag).ok());
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (IDEMPOTENT_REPLAYED.clone(), HeaderValue::from_static("true")),
        ];
        (status, tag.map(|tag| [(ETAG, tag)]), headers, body).into_response()
    }
}
