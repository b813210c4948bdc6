//! A write as a request asks for it: done, done once under its `Idempotency-Key`, or with `dry_run` only tried. Handlers
//! are the same for all three: they begin, let a use case work, and end.

use axum::Json;
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::app::App;
use crate::credentials::Tag;
use crate::error::Error;
use crate::http::error::HttpError;
use crate::http::extract::caller::Caller;
use crate::http::extract::conditions::etag;
use crate::http::extract::idempotency::Keyed;
use crate::http::extract::preview::{Manner, PreviewBody};
use crate::http::family::Family;
use crate::idempotency::StoredAnswer;
use crate::preview::Preview;
use crate::types::{AccountId, SupplierCode};
use crate::work::{Begun, Work};

/// Marks an answer as that of an earlier request with the same key.
static IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The content type of the native family.
const JSON: &str = "application/json";

/// A write on its way. Dropping it takes it back.
pub(in crate::http) enum Write<'a> {
    /// To be committed, with its outcome if the request may be repeated.
    Real(Box<Work<'a>>),
    /// To be taken back.
    Preview(Box<Preview<'a>>),
}

/// An answer in place of carrying the request out.
pub enum Instead {
    /// A refusal.
    Refused(HttpError),
    /// The answer that it got before.
    Before(StoredAnswer),
}

/// A body that is the answer to a write.
pub(in crate::http) trait Made: Serialize {
    /// The same in the form that is stored for repetitions.
    fn without_secrets(self) -> Self;
}

impl<'a> Write<'a> {
    /// Begins a write to rows of an account for a caller, unless it was done before.
    pub async fn begin<R>(
        app: &'a App,
        caller: &'a Caller<R>,
        account: AccountId,
        keyed: Option<Keyed>,
    ) -> Result<Self, Instead> {
        let Some(keyed) = keyed else {
            return Ok(Write::Real(Box::new(Work::begin(app, &caller.actor, account).await?)));
        };
        let request = keyed.request(app, &caller.principal, account);
        match Work::begin_once(app, &caller.actor, account, request).await? {
            Begun::New(work) => Ok(Write::Real(work)),
            Begun::Before(outcome) => Err(Instead::Before(outcome)),
        }
    }

    /// Begins a write to the credentials for a supplier, or a preview. A preview can be repeated anyway, and needs no key.
    pub async fn to_credentials<R>(
        app: &'a App,
        caller: &'a Caller<R>,
        supplier: &SupplierCode,
        manner: Manner,
        keyed: Option<Keyed>,
    ) -> Result<Self, Instead> {
        let account = caller.account();
        if manner.dry_run {
            let preview = Preview::begin(app, &caller.actor, account, supplier.clone()).await?;
            return Ok(Write::Preview(Box::new(preview)));
        }
        Self::begin(app, caller, account, keyed).await
    }

    /// The unit of work for the use case.
    pub fn work(&mut self) -> &mut Work<'a> {
        match self {
            Write::Real(work) => work,
            Write::Preview(preview) => preview.work(),
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
                if let Write::Real(work) = self
                    && work.may_be_repeated()
                {
                    work.release().await;
                }
                Err(refused.into())
            }
        }
    }

    /// Commits what a use case did, and answers so; a preview answers with what would change.
    pub async fn done<B: Made>(self, status: StatusCode, tag: Option<Tag>, body: B) -> Result<Response, Instead> {
        let work = match self {
            Write::Real(work) => work,
            Write::Preview(preview) => return tried(*preview).await,
        };
        let answer = (status, tag.as_ref().map(etag), Json(&body)).into_response();
        let outcome = if work.may_be_repeated() { Some(outcome(status, tag.as_ref(), body)?) } else { None };
        work.commit(outcome).await?;
        Ok(answer)
    }

    /// Commits a deletion; a preview answers with what would change.
    pub async fn deleted(self) -> Result<Response, Instead> {
        match self {
            Write::Real(work) => work.commit(None).await?,
            Write::Preview(preview) => return tried(*preview).await,
        }
        Ok(StatusCode::NO_CONTENT.into_response())
    }
}

/// The answer as it is stored for a repetition of the request.
fn outcome(status: StatusCode, tag: Option<&Tag>, body: impl Made) -> Result<StoredAnswer, Error> {
    let body = serde_json::to_string(&body.without_secrets());
    let body = body.map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    Ok(StoredAnswer {
        family: Family::Native.as_str().to_owned(),
        code: status.as_u16(),
        content_type: JSON.to_owned(),
        tag: tag.map(Tag::to_string),
        body,
    })
}

async fn tried(preview: Preview<'_>) -> Result<Response, Instead> {
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
        let StoredAnswer { family: _, code, content_type, tag, body } = match self {
            Instead::Refused(refused) => return refused.into_response(),
            Instead::Before(outcome) => outcome,
        };
        // What we stored ourselves is a status, a content type and a tag. The path, and so its family, is the stored one's:
        // it is part of the request's fingerprint.
        let status = StatusCode::from_u16(code).unwrap_or(StatusCode::CREATED);
        let content_type = HeaderValue::from_str(&content_type).unwrap_or(HeaderValue::from_static(JSON));
        let tag = tag.and_then(|tag| HeaderValue::from_str(&tag).ok());
        let headers = [(CONTENT_TYPE, content_type), (IDEMPOTENT_REPLAYED.clone(), HeaderValue::from_static("true"))];
        (status, tag.map(|tag| [(ETAG, tag)]), headers, body).into_response()
    }
}
