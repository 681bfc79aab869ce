//! Media that a connector fetches: the address in a message leads here.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use portico_problem::Problem;

use crate::Api;
use crate::path::Segments;
use crate::problems::{self, not_found};
use crate::transfer::serve;

/// Serves what `/media/{installation}/{token}` names; the token is signed, so it needs no login.
pub(crate) async fn get(
    State(api): State<Api>,
    Segments((installation, token)): Segments<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let missing = || not_found("media");
    let installation = api.installations.find(&installation).ok_or_else(missing)?;
    let handle = api.media.parse(&installation.id, &token).ok_or_else(missing)?;
    let blob = api.actions.media(&installation, &handle).await.map_err(problems::action)?;
    let path = api.files.find(&blob.id).await.ok_or_else(missing)?;
    serve(&path, &blob.media_type, blob.filename.as_deref(), &headers).await
}
