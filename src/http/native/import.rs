//! `/extra/v2/credentials/import`: very many credentials at once, from a file.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use secrecy::SecretSlice;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::credentials::import::{self, Imported, Mode, Report, RowError};
use crate::http::dialect::words;
use crate::http::edge::admission;
use crate::http::edge::context::RequestContext;
use crate::http::error::{HttpError, RequestError};
use crate::http::extract::body;
use crate::http::extract::caller::{Caller, WriteCredentials};
use crate::http::extract::idempotency::{Keyed, Once};
use crate::http::extract::query::Query;
use crate::http::extract::write::{Instead, Made, Write};
use crate::http::openapi::schemas;

/// How to import.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportParameters {
    /// Only to report what the import would do, or what is wrong with the file. Nothing is stored.
    #[serde(default)]
    #[param(required = false, default = false)]
    dry_run: bool,
}

/// A file in the body.
pub struct CsvBody(SecretSlice<u8>);

impl FromRequest<Arc<App>> for CsvBody {
    type Rejection = HttpError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, HttpError> {
        if !is_csv(request.headers()) {
            return Err(RequestError::WrongMediaType { expected: "text/csv in UTF-8" }.into());
        }
        if let Some(context) = request.extensions().get::<Arc<RequestContext>>().cloned() {
            admission::wait_to_import(&context, app).await?;
        }
        let file = body::read(request, app).await?;
        Ok(Self(SecretSlice::from(Vec::from(file))))
    }
}

/// Whether a body is declared as CSV, and in UTF-8 if it names a charset.
fn is_csv(headers: &HeaderMap) -> bool {
    let Some(Ok(value)) = headers.get(CONTENT_TYPE).map(|value| value.to_str()) else { return false };
    let mut parts = value.split(';');
    let essence = parts.next().unwrap_or_default().trim();
    let is_readable = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    essence.eq_ignore_ascii_case("text/csv") && parts.all(is_readable)
}

/// The result of an import, or of its preview.
#[derive(Serialize, ToSchema)]
#[schema(as = Import, example = json!({ "rows": 3, "created": 1, "updated": 1, "unchanged": 1, "errors": [] }))]
pub struct ImportBody {
    /// Rows of the file, without the one that names the columns.
    rows: u64,
    /// Credentials that are new.
    created: u64,
    /// Credentials that were changed.
    updated: u64,
    /// Credentials that the file does not change.
    unchanged: u64,
    /// Empty.
    errors: Vec<WrongRow>,
}

/// Why nothing was imported. A refusal that is not about the file has no numbers.
#[derive(Serialize, ToSchema)]
#[schema(as = ImportRefusal, example = json!({
    "detail": "The file has an error: row 4, production_password: must be at most 255 characters long",
    "rows": 3, "created": 0, "updated": 0, "unchanged": 0,
    "errors": [{ "row": 4, "field": "production_password", "message": "must be at most 255 characters long" }],
}))]
pub struct ImportRefusalBody {
    /// One sentence about the errors.
    detail: String,
    /// Rows of the file, without the one that names the columns.
    #[schema(required = false)]
    rows: u64,
    /// 0: nothing was stored.
    #[schema(required = false)]
    created: u64,
    /// 0: nothing was stored.
    #[schema(required = false)]
    updated: u64,
    /// 0: nothing was compared to the end.
    #[schema(required = false)]
    unchanged: u64,
    /// The first hundred faults, by row.
    #[schema(required = false, max_items = 100)]
    errors: Vec<WrongRow>,
}

/// A fault of a row. Never holds the value.
#[derive(Serialize, ToSchema)]
pub struct WrongRow {
    /// The line on which the row begins. The first line of the file, which names the columns, is 1.
    #[schema(required = false)]
    row: u64,
    /// The column; `row` if it is about the whole of the row.
    field: String,
    /// The fault, in the words of a request with this field.
    message: String,
}

impl Made for ImportBody {
    fn without_secrets(self) -> Self {
        self
    }
}

impl From<&Report> for ImportBody {
    fn from(report: &Report) -> Self {
        let Report { rows, created, updated, unchanged, ref errors } = *report;
        let wrong = |error: &RowError| {
            let (column, message) = words::row(error);
            WrongRow { row: error.row, field: column.to_owned(), message }
        };
        Self { rows, created, updated, unchanged, errors: errors.listed.iter().map(wrong).collect() }
    }
}

/// Turns the report of an import into its body, or into a refusal.
fn shown(report: &Report) -> Result<ImportBody, ImportRefusalBody> {
    let body = ImportBody::from(report);
    let Some(detail) = words::summary(&report.errors) else { return Ok(body) };
    let ImportBody { rows, created, updated, unchanged, errors } = body;
    Err(ImportRefusalBody { detail, rows, created, updated, unchanged, errors })
}

/// Import credentials
///
/// All rows of a file, or none of them. A file has either the columns `supplier_code`, `staging_username`,
/// `staging_password`, `production_username`, `production_password`, for base credentials, or `supplier_code`, `service`,
/// `environment`, `username`, `password`, for service credentials; in any order. Each row is what a single request would
/// be, by the same rules: an empty cell leaves its field out. A row that equals the stored values changes nothing. At most 10 MiB.
#[utoipa::path(
    post,
    path = "",
    operation_id = "import_credentials",
    params(ImportParameters, Caller<WriteCredentials>, Keyed),
    request_body(content = schemas::CsvFile, content_type = "text/csv"),
    responses(
        (status = 200, description = "All of it is stored, or could be", body = ImportBody),
        (status = 400, description = "Something is wrong with the file, or with a parameter", body = ImportRefusalBody),
        (status = 415, description = "The request body must be text/csv in UTF-8"),
    ),
    security(("oauth2" = ["credentials:write"]))
)]
pub async fn import(
    caller: Caller<WriteCredentials>,
    State(app): State<Arc<App>>,
    Query(parameters): Query<ImportParameters>,
    Once(keyed, CsvBody(file)): Once<CsvBody>,
) -> Result<Response, Instead> {
    let (account, mode) = (caller.account(), if parameters.dry_run { Mode::DryRun } else { Mode::Store });
    let request = keyed.map(|keyed| keyed.request(&app, &caller.principal, account));
    let actor = &caller.actor;
    let imported = import::import(&app, actor, account, file, mode, request.as_ref(), &mut |_, _, _| ()).await?;
    let (report, work) = match imported {
        Imported::Done(report, work) => (report, work),
        Imported::Before(outcome) => return Err(Instead::Before(outcome)),
    };
    match (shown(&report), work) {
        (Ok(body), Some(work)) => Write::Real(work).done(StatusCode::OK, None, body).await,
        (Ok(body), None) => Ok(Json(body).into_response()),
        (Err(refusal), _) => Ok((StatusCode::BAD_REQUEST, Json(refusal)).into_response()),
    }
}
