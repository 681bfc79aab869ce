//! Bodies, read under their cap.

use bytes::Bytes;
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

/// A body above its cap.
pub fn too_large(cap: u64) -> Problem {
    Problem::new(Kind::PayloadTooLarge, format!("the body has more than {cap} bytes")).with("limit", cap)
}
