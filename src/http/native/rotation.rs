//! The body of a rotation of a key or a client.

use std::time::Duration;

use serde::Deserialize;
use utoipa::ToSchema;

use crate::api_credentials::MAX_OVERLAP;
use crate::http::extract::number;
use crate::http::fields::{Fault, FieldError};

/// The parameters of a rotation.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rotation, example = json!({ "overlap_seconds": 3600 }))]
pub struct RotateBody {
    /// How long the old one goes on working; not at all if it is left out.
    #[serde(default, deserialize_with = "number::whole")]
    #[schema(minimum = 0, maximum = 604_800)]
    overlap_seconds: Option<u64>,
}

impl RotateBody {
    pub(super) fn parse(&self) -> Result<Duration, FieldError> {
        let overlap = Duration::from_secs(self.overlap_seconds.unwrap_or(0));
        if overlap > MAX_OVERLAP {
            return Err(FieldError::new("overlap_seconds", Fault::AboveLimit(MAX_OVERLAP.as_secs())));
        }
        Ok(overlap)
    }
}
