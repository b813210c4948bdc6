//! Operations with their descriptions, as a family hands them to the router.

use std::sync::Arc;

use axum::Extension;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use crate::app::App;
use crate::http::error::{HttpError, RequestError};
use crate::http::extract::receive::BodyLimit;

/// A router that knows what its operations are like.
pub(in crate::http) type Operations = OpenApiRouter<Arc<App>>;

/// The operations of one path. The annotation of a handler names its method and leaves the path empty, because the paths
/// stand on one page, in the `mod.rs` of their family.
pub(in crate::http) type Routes = UtoipaMethodRouter<Arc<App>>;

/// The operations of several paths below one. The router gets whole paths: one that is nested takes the path of each request
/// apart.
pub(in crate::http) fn below<const N: usize>(prefix: &str, operations: [(&str, Routes); N]) -> Operations {
    operations.into_iter().fold(Operations::new(), |all, (path, (schemas, mut described, methods))| {
        let path = format!("{prefix}{path}");
        described.paths = described.paths.into_values().map(|item| (path.clone(), item)).collect();
        let methods = methods.fallback(async || HttpError::from(RequestError::MethodNotAllowed));
        all.routes((schemas, described, methods))
    })
}

/// Limits the bodies of the operations of one path, in bytes.
pub(in crate::http) fn with_body_limit(operations: Routes, bytes: usize) -> Routes {
    let (schemas, paths, methods) = operations;
    (schemas, paths, methods.layer(Extension(BodyLimit(bytes))))
}

/// A part of the document. A family hands in those of its operations, the longer prefixes first.
#[derive(Clone, Copy)]
pub(in crate::http) struct Tag {
    /// The paths below it begin so.
    pub prefix: &'static str,
    /// Its heading.
    pub name: &'static str,
    /// Its operations, in a sentence.
    pub about: &'static str,
}
