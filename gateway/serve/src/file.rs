//! Files from disk, whole or in stretches, so that what comes from strangers is never run in a browser.

use std::io::SeekFrom;
use std::path::Path;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portico_problem::Problem;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

/// Bytes read from disk at a time.
const PIECE: usize = 64 * 1024;

/// A file to serve.
#[derive(Clone, Copy, Debug)]
pub struct Served<'a> {
    /// Where it is on disk.
    pub path: &'a Path,
    /// Its media type, as the answer says it.
    pub media_type: &'a str,
    /// The name under which it is saved.
    pub name: Option<&'a str>,
    /// Whether a browser may show it in place ([`is_shown`]); else it is a download.
    pub is_shown: bool,
    /// How long it may be kept: `cache-control`.
    pub cache: &'static str,
}

/// Whether content of a media type, in lower case, does no harm in place: a picture, sound or film. An SVG picture
/// is a document with scripts.
pub fn is_shown(media_type: &str) -> bool {
    let kind = media_type.split('/').next().unwrap_or_default();
    matches!(kind, "image" | "audio" | "video") && !media_type.starts_with("image/svg")
}

/// Serves a file, whole or the stretch that `range` asks for.
///
/// # Errors
/// 503 when it can't be read.
pub async fn serve(served: Served<'_>, asked: &HeaderMap) -> Result<Response, Problem> {
    let unreadable = |error: std::io::Error| {
        tracing::error!(%error, "a file could not be read");
        Problem::unavailable("the file could not be read", 5)
    };
    let mut file = File::open(served.path).await.map_err(unreadable)?;
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
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(end - start));
    response.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if status == StatusCode::PARTIAL_CONTENT {
        set(&mut response, CONTENT_RANGE, &format!("bytes {start}-{}/{size}", end - 1));
    }
    harmless(&mut response, served);
    Ok(response)
}

/// What comes from strangers is never run: no guessing of types, no scripts.
fn harmless(response: &mut Response, served: Served<'_>) {
    let mut disposition = String::from(if served.is_shown { "inline" } else { "attachment" });
    if let Some(name) = served.name {
        disposition.push_str("; filename*=UTF-8''");
        disposition.extend(utf8_percent_encode(name, NON_ALPHANUMERIC));
    }
    set(response, CONTENT_TYPE, served.media_type);
    set(response, CONTENT_DISPOSITION, &disposition);
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(served.cache));
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
            harmless(
                &mut response,
                Served {
                    path: Path::new("a"),
                    media_type,
                    name: Some("a b.png"),
                    is_shown: is_shown(media_type),
                    cache: "no-store",
                },
            );
            assert_eq!(response.headers()[CONTENT_DISPOSITION], expected);
            assert_eq!(response.headers()[CONTENT_SECURITY_POLICY], "sandbox; default-src 'none'");
        }
    }
}
