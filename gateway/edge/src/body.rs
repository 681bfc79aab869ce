//! Reads a request's body under its cap and its time limits.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::{Instant, timeout_at};

use crate::options::Limits;

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// Above the cap.
    TooLarge,
    /// Slower than the limits.
    TooSlow,
    /// The connection ended, or the framing is broken.
    Broken,
}

/// The whole body, at most `cap` bytes. Most bodies arrive in one piece and are handed on as they are.
pub(crate) async fn read(mut body: Incoming, cap: usize, limits: &Limits) -> Result<Bytes, BodyError> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    // A stated length above the cap is refused before any of it is read.
    let stated = body.size_hint().lower();
    if stated > cap as u64 {
        return Err(BodyError::TooLarge);
    }
    let begun = Instant::now();
    let deadline = begun + limits.body_time;
    let first = next(&mut body, deadline).await?.unwrap_or_default();
    if first.len() > cap {
        return Err(BodyError::TooLarge);
    }
    if body.is_end_stream() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity((stated as usize).max(first.len() * 2).min(cap));
    whole.extend_from_slice(&first);
    while let Some(piece) = next(&mut body, deadline).await? {
        if whole.len() + piece.len() > cap {
            return Err(BodyError::TooLarge);
        }
        whole.extend_from_slice(&piece);
        let late = begun.elapsed().saturating_sub(Duration::from_secs(3));
        if (whole.len() as u64) < late.as_secs() * limits.body_pace {
            return Err(BodyError::TooSlow);
        }
    }
    Ok(whole.freeze())
}

async fn next(body: &mut Incoming, deadline: Instant) -> Result<Option<Bytes>, BodyError> {
    loop {
        let frame = match timeout_at(deadline, body.frame()).await {
            Err(_) => return Err(BodyError::TooSlow),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(BodyError::Broken),
            Ok(Some(Ok(frame))) => frame,
        };
        // Trailers say nothing that is needed here.
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
}
