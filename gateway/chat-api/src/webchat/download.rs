//! Content of visitors' files, out: what comes from strangers is never run in a browser.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode};
use portico_problem::Problem;
use portico_serve::file::{Served, is_shown, serve};

use super::files;
use crate::Api;
use crate::front::At;
use crate::path::Id;
use crate::problems::not_found;

/// Gives out a file's content, whole or the stretch that `range` asks for.
pub(crate) async fn download(
    State(api): State<Api>,
    At { installation: at, .. }: At,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let missing = || not_found("file");
    let (row, _) = files::read(&api, &at, &id).await?.ok_or_else(missing)?;
    let path = api.files.find(row.digest.as_deref().ok_or_else(missing)?).await.ok_or_else(missing)?;
    let served = Served {
        path: &path,
        media_type: &row.content_type,
        name: Some(row.key.rsplit('/').next().unwrap_or_default()),
        is_shown: is_shown(&row.content_type.to_ascii_lowercase()),
        // The content of an id never changes.
        cache: "private, max-age=86400, immutable",
    };
    let mut response = serve(served, &headers).await?;
    if response.status() != StatusCode::RANGE_NOT_SATISFIABLE {
        let anywhere = HeaderValue::from_static("cross-origin");
        response.headers_mut().insert("cross-origin-resource-policy", anywhere);
    }
    Ok(response)
}
