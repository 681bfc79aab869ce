//! Files that visitors send: taken raw, looked at, kept as blobs of the installation.

use axum::extract::{Request, State};
use axum::response::IntoResponse;
use axum::response::Response;
use http::StatusCode;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use percent_encoding::percent_decode_str;
use portico_problem::{Kind, Problem};
use portico_turns::now;
use serde_json::json;

use crate::caller::Caller;
use crate::channel::Channel;
use crate::shared::Api;
use crate::{downloads, errors};

/// Bytes of the beginning by which a type is told.
const HEAD: usize = 8192;

/// Takes a file: raw body, name in `x-file-name` (percent-encoded).
pub(crate) async fn post(
    State(api): State<Api>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let channel = &caller.visit.channel;
    if !channel.upload {
        return Err(Problem::new(Kind::Forbidden, "the channel takes no files"));
    }
    channel.rates.upload(&caller.visit.session.id).map_err(errors::too_often)?;
    let too_large = || {
        let limit = channel.limits.file;
        Problem::new(Kind::PayloadTooLarge, format!("a file may have {limit} bytes")).with("limit", limit)
    };
    let headers = request.headers();
    let stated = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if stated.is_some_and(|stated| stated > channel.limits.file) {
        return Err(too_large());
    }
    let name = headers.get("x-file-name").and_then(|name| file_name(name.to_str().ok()?));
    let disk = |error: std::io::Error| {
        tracing::error!(%error, "an upload could not be written");
        Problem::unavailable("the file could not be kept", 5)
    };
    let mut writer = api.blobs.files().begin().await.map_err(disk)?;
    let mut head = Vec::new();
    let mut body = request.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::new(Kind::InvalidPayload, "the body broke off"))?;
        let Ok(bytes) = frame.into_data() else { continue };
        if writer.size() + bytes.len() as u64 > channel.limits.file {
            return Err(too_large());
        }
        let room = HEAD.saturating_sub(head.len()).min(bytes.len());
        head.extend_from_slice(bytes.get(..room).unwrap_or_default());
        writer.write(&bytes).await.map_err(disk)?;
    }
    if writer.size() == 0 {
        return Err(Problem::field("body", "must not be empty"));
    }
    let media_type = sniff(&head, name.as_deref());
    if !accepts(channel, media_type) {
        let problem =
            Problem::new(Kind::UnsupportedMediaType, format!("files of type {media_type} are not taken"));
        return Err(problem.with("accept", channel.limits.accept.clone()));
    }
    let kept = api.blobs.keep(&channel.at.id, writer, media_type, name, now()).await;
    let blob = kept.map_err(|error| errors::problem(error.into()))?;
    let file = json!({
        "id": blob.id,
        "url": downloads::signed(&api, channel, &blob),
        "name": blob.filename,
        "mime": blob.media_type,
        "size": blob.size,
    });
    Ok((StatusCode::CREATED, axum::Json(file)).into_response())
}

/// A name without folders and control characters, at most 200 characters.
fn file_name(written: &str) -> Option<String> {
    let decoded = percent_decode_str(written).decode_utf8().ok()?;
    let last = decoded.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|letter| !is_hidden(*letter)).take(200).collect();
    let name = name.trim().trim_start_matches('.');
    (!name.is_empty()).then(|| name.to_owned())
}

/// Letters that are not seen, or that turn what is seen around: `gpj.exe` must not read `exe.jpg`.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// What a file is, by its beginning. The name only tells one kind of plain text from another.
fn sniff(head: &[u8], name: Option<&str>) -> &'static str {
    if let Some(kind) = infer::get(head) {
        return kind.mime_type();
    }
    if !is_text(head) {
        return "application/octet-stream";
    }
    let start = String::from_utf8_lossy(head).trim_start().to_ascii_lowercase();
    // Markup that a browser would run is never called plain text.
    if start.contains("<svg") {
        return "image/svg+xml";
    }
    if ["<!doctype", "<html", "<script", "<head", "<body"].iter().any(|tag| start.contains(tag)) {
        return "text/html";
    }
    match name
        .and_then(|name| name.rsplit_once('.'))
        .map(|(_, ending)| ending.to_ascii_lowercase())
        .as_deref()
    {
        Some("csv") => "text/csv",
        Some("md") => "text/markdown",
        Some("json") => "application/json",
        _ => "text/plain",
    }
}

fn is_text(head: &[u8]) -> bool {
    let valid = match std::str::from_utf8(head) {
        Ok(_) => true,
        // A character may be cut at the end of what was looked at.
        Err(error) => error.error_len().is_none() && head.len() >= HEAD,
    };
    valid && !head.iter().any(|byte| matches!(byte, 0..=8 | 14..=26 | 28..=31))
}

fn accepts(channel: &Channel, media_type: &str) -> bool {
    channel.limits.accept.iter().any(|accepted| match accepted.strip_suffix("/*") {
        Some(family) => media_type.split('/').next() == Some(family) && media_type != "image/svg+xml",
        None => accepted == media_type || (accepted == "text/plain" && media_type == "text/csv"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_told_by_content_and_never_by_a_name() {
        for (head, name, expected) in [
            (&b"\x89PNG\r\n\x1a\n0000"[..], "a.txt", "image/png"),
            (b"%PDF-1.7", "a.png", "application/pdf"),
            (b"hello", "a.png", "text/plain"),
            (b"a,b\n1,2", "a.csv", "text/csv"),
            (b"  <SVG onload=alert(1)>", "a.txt", "image/svg+xml"),
            (b"<?xml version='1.0'?><svg xmlns=''/>", "a.png", "text/xml"),
            (b"<!DOCTYPE html><p>", "a.txt", "text/html"),
            (b"text <script>alert(1)</script>", "a.txt", "text/html"),
            (b"\x00\x01\x02", "a.txt", "application/octet-stream"),
            (b"\xff\xfe", "a.txt", "application/octet-stream"),
        ] {
            assert_eq!(sniff(head, Some(name)), expected, "{head:?}");
        }
    }

    #[test]
    fn names_keep_no_folder_and_nothing_hidden() {
        for (written, expected) in [
            ("cat.png", Some("cat.png")),
            ("..%2F..%2Fetc%2Fpasswd", Some("passwd")),
            ("C%3A%5Ca%5Cb.txt", Some("b.txt")),
            ("gpj%E2%80%AEexe.jpg", Some("gpjexe.jpg")),
            ("%0d%0aa", Some("a")),
            ("..", None),
            ("%ff", None),
        ] {
            assert_eq!(file_name(written).as_deref(), expected, "{written}");
        }
    }
}
