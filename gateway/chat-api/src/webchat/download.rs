//! Content of visitors' files, out: what comes from strangers is never run in a browser.

use std::io::SeekFrom;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portico_problem::Problem;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::files;
use crate::Api;
use crate::front::At;
use crate::path::Id;
use crate::problems::not_found;

/// Bytes read from disk at a time.
const PIECE: u64 = 64 * 1024;

/// Gives out a file's content, whole or the stretch that `range` asks for.
pub(crate) async fn download(
    State(api): State<Api>,
    At { installation: at, .. }: At,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let missing = || not_found("file");
    let unreadable = |error: std::io::Error| {
        tracing::error!(%error, "a file could not be read");
        Problem::unavailable("the file could not be read", 5)
    };
    let (row, _) = files::read(&api, &at, &id).await?.ok_or_else(missing)?;
    let path = api.files.find(row.digest.as_deref().ok_or_else(missing)?).await.ok_or_else(missing)?;
    let mut file = File::open(path).await.map_err(unreadable)?;
    let size = file.metadata().await.map_err(unreadable)?.len();
    let asked = headers.get(RANGE).and_then(|value| value.to_str().ok());
    let (status, start, end) = match asked.and_then(|text| range(text, size)) {
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
        let mut piece = vec![0; usize::try_from(left.min(PIECE)).unwrap_or(1)];
        let count = file.read(&mut piece).await?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        piece.truncate(count);
        Ok(Some((Bytes::from(piece), (file, left - count as u64))))
    });
    let mut response = Response::new(Body::from_stream(pieces));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(end - start));
    response.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if status == StatusCode::PARTIAL_CONTENT {
        set(&mut response, CONTENT_RANGE, &format!("bytes {start}-{}/{size}", end.saturating_sub(1)));
    }
    harmless(&mut response, &row.content_type, row.key.rsplit('/').next().unwrap_or_default());
    Ok(response)
}

/// No guessing of types, no scripts, and a download unless it is a picture, sound or film.
fn harmless(response: &mut Response, content_type: &str, name: &str) {
    let bare = content_type.to_ascii_lowercase();
    let kind = bare.split('/').next().unwrap_or_default();
    // An SVG picture is a document with scripts.
    let is_shown = matches!(kind, "image" | "audio" | "video") && !bare.starts_with("image/svg");
    let way = if is_shown { "inline" } else { "attachment" };
    let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
    set(response, CONTENT_TYPE, content_type);
    set(response, CONTENT_DISPOSITION, &format!("{way}; filename*=UTF-8''{name}"));
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    // The content of an id never changes.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=86400, immutable"));
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
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
        for (content_type, way) in
            [("image/png", "inline"), ("image/svg+xml", "attachment"), ("text/html", "attachment")]
        {
            let mut response = Response::new(Body::empty());
            harmless(&mut response, content_type, "a b.png");
            let expected = format!("{way}; filename*=UTF-8''a%20b%2Epng");
            assert_eq!(response.headers()[CONTENT_DISPOSITION], expected);
            assert_eq!(response.headers()[CONTENT_SECURITY_POLICY], "sandbox; default-src 'none'");
        }
    }
}
