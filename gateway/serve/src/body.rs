//! Bodies, read under their cap.

use axum::extract::Request;
use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use portico_problem::{Kind, Problem};

/// The whole of a body of at most `cap` bytes.
///
/// # Errors
/// `PayloadTooLarge` above the cap, `InvalidPayload` when it broke off.
pub async fn read(body: axum::body::Body, cap: usize) -> Result<Bytes, Problem> {
    match Limited::new(body, cap).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(cap as u64)),
        Err(_) => Err(Problem::new(Kind::InvalidPayload, "the body broke off")),
    }
}

/// The whole body of a request, which must have come as it is.
///
/// # Errors
/// `UnsupportedMediaType` for a compressed one, and as [`read`].
pub async fn plain(request: Request, cap: usize) -> Result<Bytes, Problem> {
    if request.headers().get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(Problem::new(
            Kind::UnsupportedMediaType,
            "content-encoding: send the body as it is, without compression",
        ));
    }
    read(request.into_body(), cap).await
}

/// The JSON that a body stands for: clients send `{}` where there is nothing to say, or nothing.
pub fn json_of(body: &[u8]) -> &[u8] {
    if body.is_empty() { b"{}" } else { body }
}

/// A body above its cap.
pub fn too_large(cap: u64) -> Problem {
    Problem::new(Kind::PayloadTooLarge, format!("the body has more than {cap} bytes")).with("limit", cap)
}
