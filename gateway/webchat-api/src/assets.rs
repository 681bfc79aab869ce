//! The client's built files, part of the program: of this release and, for pages that were open during an upgrade,
//! of the one before.

use std::sync::LazyLock;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use include_dir::{Dir, include_dir};
use portico_problem::{Kind, Problem};
use serde_json::{Value, json};

use crate::asked::Named;

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/assets");

static MANIFEST: LazyLock<Value> = LazyLock::new(|| {
    let read = FILES.get_file("manifest.json").and_then(|file| serde_json::from_slice(file.contents()).ok());
    read.unwrap_or_else(|| json!({ "version": "0.0.0", "hash": "none", "files": {} }))
});

/// What the client's build wrote about its files.
pub(crate) fn manifest() -> &'static Value {
    &MANIFEST
}

/// The loader, at the address that never changes.
pub(crate) async fn embed(headers: HeaderMap) -> Result<Response, Problem> {
    let name = MANIFEST.get("embed").and_then(Value::as_str).unwrap_or_default();
    let file = MANIFEST.get("files").and_then(|files| files.get(name));
    let missing =
        || Problem::new(Kind::ResourceNotFound, "this build holds no webchat client; build webchat-client");
    let path = file.and_then(|file| file.get("path")).and_then(Value::as_str).ok_or_else(missing)?;
    let hash = MANIFEST.get("hash").and_then(Value::as_str).unwrap_or_default();
    let mut response = serve(path, &headers).ok_or_else(missing)?;
    let tag = format!("W/\"{hash}\"");
    let known = headers.get(IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    if known.is_some_and(|tags| tags.split(',').any(|one| one.trim() == tag || one.trim() == "*")) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
    }
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    let cache = "public, max-age=300, stale-while-revalidate=86400";
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    Ok(response)
}

/// A file under its hash.
pub(crate) async fn get(Named(path): Named<String>, headers: HeaderMap) -> Result<Response, Problem> {
    serve(&path, &headers).ok_or_else(|| Problem::new(Kind::ResourceNotFound, "there is no such file"))
}

/// Files lie in the folder of their release; what lies beside them is not for browsers.
fn serve(path: &str, asked: &HeaderMap) -> Option<Response> {
    if !path.contains('/') || path.ends_with(".br") {
        return None;
    }
    let plain = FILES.get_file(path)?;
    let packed = FILES.get_file(format!("{path}.br")).filter(|_| takes_brotli(asked));
    let kind = match path.rsplit('.').next() {
        Some("js" | "mjs") => "text/javascript; charset=utf-8".to_owned(),
        _ => mime_guess::from_path(path).first_or_octet_stream().to_string(),
    };
    let body = packed.unwrap_or(plain).contents();
    let mut response = Response::new(Body::from(Bytes::from_static(body)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(&kind).ok()?);
    if packed.is_some() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
    }
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    // Scripts that any page may load; who may talk is decided elsewhere.
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let policy = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(policy, HeaderValue::from_static("cross-origin"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Some(response)
}

fn takes_brotli(headers: &HeaderMap) -> bool {
    let listed = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    listed.flat_map(|line| line.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let refused = |part: &str| {
            part.strip_prefix("q=")
                .is_some_and(|weight| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0))
        };
        parts.next() == Some("br") && !parts.any(refused)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brotli_is_sent_to_who_takes_it() {
        for (listed, takes) in [
            ("gzip, br", true),
            ("br;q=0.5", true),
            ("br;q=0", false),
            ("br; q=0.0", false),
            ("gzip", false),
            ("brx", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(listed));
            assert_eq!(takes_brotli(&headers), takes, "{listed}");
        }
        assert!(!takes_brotli(&HeaderMap::new()));
    }
}
