//! Bodies: read under their cap, bounded, and named by field when they do not fit.

use axum::extract::{FromRequest, Request};
use portico_problem::{Kind, Problem};
use portico_serve::body::{json_of, plain};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::Api;

/// A JSON body as a type, with the digest by which a repeat of it is known.
pub(crate) struct Json<T> {
    pub(crate) value: T,
    pub(crate) digest: [u8; 16],
}

impl<T: DeserializeOwned> FromRequest<Api> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let bytes = plain(request, api.limits.body).await?;
        let value = portico_kit::json::from_slice(json_of(&bytes)).map_err(|error| {
            let problem = Problem::new(Kind::InvalidPayload, error.to_string());
            if error.path.is_empty() { problem } else { problem.with("field", error.path) }
        })?;
        Ok(Self { value, digest: short(&Sha256::digest(&bytes)) })
    }
}

/// The first sixteen bytes of a digest.
pub(crate) fn short(digest: &[u8]) -> [u8; 16] {
    digest.first_chunk().copied().unwrap_or_default()
}
