//! The body of a rotation of a key or a client.

use std::time::Duration;

use serde::Deserialize;
use utoipa::ToSchema;

use crate::api_credentials::MAX_OVERLAP;
use crate::error::{Error, FieldError};
use crate::http::extract::number;

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
    pub(super) fn parse(&self) -> Result<Duration, Error> {
        let overlap = Duration::from_secs(self.overlap_seconds.unwrap_or(0));
        if overlap > MAX_OVERLAP {
            let message = format!("must be at most {}", MAX_OVERLAP.as_secs());
            return Err(Error::invalid(FieldError::new("overlap_seconds", message)));
        }
        Ok(overlap)
    }
}
