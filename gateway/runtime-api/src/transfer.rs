//! Content of files, in and out: signed addresses need no token, and what is served can do no harm in a browser.

use std::path::Path;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use portico_contract::BotId;
use portico_problem::{Kind, Problem};
use portico_serve::body::too_large;
use portico_serve::file;

use crate::path::Segments;
use crate::problems::not_found;
use crate::query::Query;
use crate::shared::now;
use crate::{Api, Shared, files};

/// How long an address for an upload is good.
const UPLOAD: u64 = 3600 * 1000;
/// How long an address for a download is good.
const DOWNLOAD: u64 = 24 * UPLOAD;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

/// An address that is good for one file and a while.
pub(crate) fn signed_url(api: &Shared, way: Way, bot: &BotId, id: &str) -> String {
    let (folder, life) = if way == Way::Up { ("files/upload", UPLOAD) } else { ("files", DOWNLOAD) };
    let expires = now() + life;
    let signature = hex::encode(sign(api, way, bot.as_str(), id, expires));
    format!("{}/{folder}/{bot}/{id}?expires={expires}&signature={signature}", api.public_url)
}

/// The address of a file that everybody may read.
pub(crate) fn public_url(api: &Shared, bot: &BotId, id: &str) -> String {
    format!("{}/files/{bot}/{id}", api.public_url)
}

fn sign(api: &Shared, way: Way, bot: &str, id: &str, expires: u64) -> [u8; 32] {
    let way: &[u8] = if way == Way::Up { b"upload" } else { b"download" };
    api.sign(&[way, bot.as_bytes(), id.as_bytes(), &expires.to_be_bytes()])
}

fn is_signed(api: &Shared, way: Way, bot: &str, id: &str, query: &Query) -> bool {
    let Some(expires) = query.one("expires").and_then(|text| text.parse::<u64>().ok()) else { return false };
    let Some(claimed) = query.one("signature").and_then(|text| hex::decode(text).ok()) else { return false };
    expires > now() && portico_kit::signature::equal(&sign(api, way, bot, id, expires), &claimed)
}

/// Takes a file's content: `PUT` at the address that upsertFile gave.
pub(crate) async fn upload(
    State(api): State<Api>,
    Segments((bot, id)): Segments<(String, String)>,
    query: Query,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let bot = BotId::parse(&bot).map_err(|_| not_found("file"))?;
    if !is_signed(&api, Way::Up, bot.as_str(), &id, &query) {
        return Err(Problem::new(
            Kind::Forbidden,
            "the address is not good any more; ask upsertFile for a new one",
        ));
    }
    let (row, _) = files::read(&api, &bot, &id).await?.ok_or_else(|| not_found("file"))?;
    let wanted = row.size.min(api.limits.file);
    let stated =
        request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if stated.is_some_and(|stated| stated > wanted) {
        return Err(too_large(wanted));
    }
    let disk = |error: std::io::Error| {
        tracing::error!(%error, "a file could not be written");
        Problem::unavailable("the file could not be kept", 5)
    };
    let mut writer = api.files.begin().await.map_err(disk)?;
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::new(Kind::InvalidPayload, "the body broke off"))?;
        let Ok(bytes) = frame.into_data() else { continue };
        if writer.size() + bytes.len() as u64 > wanted {
            return Err(too_large(wanted));
        }
        writer.write(&bytes).await.map_err(disk)?;
    }
    if writer.size() != row.size {
        let reason = format!("must have {} bytes as announced, has {}", row.size, writer.size());
        return Err(Problem::field("body", reason));
    }
    let written = writer.finish().await.map_err(disk)?;
    files::uploaded(&api, &bot, &id, &row, written.digest).await?;
    Ok(axum::Json(crate::wire::Done {}).into_response())
}

/// Gives out a file's content: to everybody if it is public, else at a signed address.
pub(crate) async fn download(
    State(api): State<Api>,
    Segments((bot, id)): Segments<(String, String)>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let missing = || not_found("file");
    let bot = BotId::parse(&bot).map_err(|_| missing())?;
    let (row, _) = files::read(&api, &bot, &id).await?.ok_or_else(missing)?;
    if !row.is_public() && !is_signed(&api, Way::Down, bot.as_str(), &id, &query) {
        return Err(missing());
    }
    let digest = row.digest.as_deref().ok_or_else(missing)?;
    let path = api.files.find(digest).await.ok_or_else(missing)?;
    let name = row.key.rsplit('/').next().filter(|name| !name.is_empty());
    serve(&path, &row.content_type, name, &headers).await
}

/// Serves a file from disk under the API's own time of keeping.
pub(crate) async fn serve(
    path: &Path,
    media_type: &str,
    name: Option<&str>,
    asked: &HeaderMap,
) -> Result<Response, Problem> {
    let is_shown = file::is_shown(media_type);
    let served = file::Served { path, media_type, name, is_shown, cache: "private, max-age=300" };
    file::serve(served, asked).await
}
