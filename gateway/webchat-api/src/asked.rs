//! Parts of an address, with refusals in the one shape of all errors.

use axum::extract::{FromRequestParts, Path, Query};
use http::request::Parts;
use portico_problem::{Kind, Problem};
use serde::de::DeserializeOwned;

/// What the path names.
pub(crate) struct Named<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let named = Path::from_request_parts(parts, state).await;
        named
            .map(|Path(value)| Self(value))
            .map_err(|_| Problem::new(Kind::ResourceNotFound, "there is nothing at this address"))
    }
}

/// What the query asks for.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let asked = Query::from_request_parts(parts, state).await;
        asked.map(|Query(value)| Self(value)).map_err(|refused| {
            // Names the parameter and what it may be.
            Problem::new(Kind::InvalidQuery, refused.body_text())
        })
    }
}
