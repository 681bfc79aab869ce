//! Content of files, in and out: signed addresses need no token, and what is served can do no harm in a browser.

use std::io::SeekFrom;
use std::path::Path;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portico_contract::BotId;
use portico_problem::{Kind, Problem};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::path::Segments;
use crate::problems::not_found;
use crate::query::Query;
use crate::shared::now;
use crate::{Api, Shared, body, files};

/// How long an address for an upload is good.
const UPLOAD: u64 = 3600 * 1000;
/// How long an address for a download is good.
const DOWNLOAD: u64 = 24 * UPLOAD;
/// Bytes read from disk at a time.
const PIECE: usize = 64 * 1024;

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
        return Err(body::too_large(wanted));
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
            return Err(body::too_large(wanted));
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

/// Serves a file from disk, whole or the stretch that `range` asks for.
pub(crate) async fn serve(
    path: &Path,
    media_type: &str,
    name: Option<&str>,
    asked: &HeaderMap,
) -> Result<Response, Problem> {
    let unreadable = |error: std::io::Error| {
        tracing::error!(%error, "a file could not be read");
        Problem::unavailable("the file could not be read", 5)
    };
    let mut file = File::open(path).await.map_err(unreadable)?;
    let size = file.metadata().await.map_err(unreadable)?.len();
    let range = asked.get(RANGE).and_then(|value| value.to_str().ok()).and_then(|text| range(text, size));
    let (status, start, end) = match range {
        Some(Range::Unsatisfiable) => {
            let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
            set(&mut response, CONTENT_RANGE, &format!("bytes */{size}"));
            return Ok(response);
        }
        Some(Range::Bytes(start, end)) => (StatusCode::PARTIAL_CONTENT, start, end),
        None => (StatusCode::OK, 0, size),
    };
    file.seek(SeekFrom::Start(start)).await.map_err(unreadable)?;
    let pieces = stream::try_unfold((file, end - start), async |(mut file, left)| {
        if left == 0 {
            return Ok::<_, std::io::Error>(None);
        }
        let mut piece = vec![0; usize::try_from(left).unwrap_or(PIECE).min(PIECE)];
        let count = file.read(&mut piece).await?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        piece.truncate(count);
        Ok(Some((Bytes::from(piece), (file, left - count as u64))))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, media_type);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(end - start));
    response.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if status == StatusCode::PARTIAL_CONTENT {
        set(&mut response, CONTENT_RANGE, &format!("bytes {start}-{}/{size}", end - 1));
    }
    harmless(&mut response, media_type, name);
    Ok(response)
}

/// What comes from strangers is never run: no guessing of types, no scripts, and a download unless it is
/// a picture, sound or film.
fn harmless(response: &mut Response, media_type: &str, name: Option<&str>) {
    let kind = media_type.split('/').next().unwrap_or_default();
    // An SVG picture is a document with scripts.
    let is_shown = matches!(kind, "image" | "audio" | "video") && !media_type.starts_with("image/svg");
    let mut disposition = String::from(if is_shown { "inline" } else { "attachment" });
    if let Some(name) = name {
        disposition.push_str("; filename*=UTF-8''");
        disposition.extend(utf8_percent_encode(name, NON_ALPHANUMERIC));
    }
    set(response, CONTENT_DISPOSITION, &disposition);
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=300"));
}

fn set(response: &mut Response, name: http::HeaderName, value: &str) {
    let value = HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    response.headers_mut().insert(name, value);
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    /// From the first to before the second.
    Bytes(u64, u64),
    Unsatisfiable,
}

/// Reads a `range` header with one stretch; `None` for what may be ignored.
fn range(text: &str, size: u64) -> Option<Range> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (start, end) = match (first.trim(), last.trim()) {
        ("", last) => (size.saturating_sub(last.parse().ok()?), size),
        (first, "") => (first.parse().ok()?, size),
        (first, last) => (first.parse().ok()?, last.parse::<u64>().ok()?.saturating_add(1).min(size)),
    };
    Some(if start < end { Range::Bytes(start, end) } else { Range::Unsatisfiable })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_browsers_send_them() {
        for (text, expected) in [
            ("bytes=0-", Some(Range::Bytes(0, 10))),
            ("bytes=2-4", Some(Range::Bytes(2, 5))),
            ("bytes=-3", Some(Range::Bytes(7, 10))),
            ("bytes=5-99", Some(Range::Bytes(5, 10))),
            ("bytes=10-", Some(Range::Unsatisfiable)),
            ("bytes=4-2", Some(Range::Unsatisfiable)),
            ("bytes=0-1,3-4", None),
            ("lines=1-2", None),
        ] {
            assert_eq!(range(text, 10), expected, "{text}");
        }
    }

    #[test]
    fn documents_are_downloads_and_pictures_are_shown() {
        for (media_type, expected) in [
            ("image/png", "inline; filename*=UTF-8''a%20b%2Epng"),
            ("image/svg+xml", "attachment; filename*=UTF-8''a%20b%2Epng"),
            ("text/html", "attachment; filename*=UTF-8''a%20b%2Epng"),
        ] {
            let mut response = Response::new(Body::empty());
            harmless(&mut response, media_type, Some("a b.png"));
            assert_eq!(response.headers()[CONTENT_DISPOSITION], expected);
            assert_eq!(response.headers()[CONTENT_SECURITY_POLICY], "sandbox; default-src 'none'");
        }
    }
}
