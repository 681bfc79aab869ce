//! An answer: its head at once, its body piece by piece, under a cap and the exchange's deadline.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::{Instant, timeout_at};

use crate::plain::Reading;
use crate::{NetError, NetErrorKind};

/// Status and headers of an answer.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
}

/// An answer, whole.
#[derive(Clone, Debug)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body, at most the request's `max_answer` bytes.
    pub body: Bytes,
}

/// An answer whose body is still on its way.
#[derive(Debug)]
pub struct Answer {
    /// Status and headers.
    pub head: ResponseHead,
    body: Reading,
    left: u64,
    deadline: Instant,
    host: Arc<str>,
}

impl Answer {
    pub(crate) fn new(
        message: http::Response<Reading>,
        cap: usize,
        deadline: Instant,
        host: Arc<str>,
    ) -> Result<Self, NetError> {
        let (parts, body) = message.into_parts();
        let answer = Self {
            head: ResponseHead { status: parts.status.as_u16(), headers: parts.headers },
            left: cap as u64,
            body,
            deadline,
            host,
        };
        // A stated length above the cap is refused before any of it is read.
        if answer.body.size_hint().lower() > answer.left { Err(answer.too_large()) } else { Ok(answer) }
    }

    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// `TooLarge` above the cap, `TimedOut` at the deadline, `UnknownResult` when the connection ends early.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, NetError> {
        loop {
            let frame = match timeout_at(self.deadline, self.body.frame()).await {
                Err(_) => return Err(self.error(NetErrorKind::TimedOut, "was not complete in time")),
                Ok(None) => return Ok(None),
                Ok(Some(Err(_))) => return Err(self.error(NetErrorKind::UnknownResult, "broke off")),
                Ok(Some(Ok(frame))) => frame,
            };
            // Trailers say nothing that is needed here.
            let Ok(data) = frame.into_data() else { continue };
            self.left = match self.left.checked_sub(data.len() as u64) {
                Some(left) => left,
                None => return Err(self.too_large()),
            };
            return Ok(Some(data));
        }
    }

    /// The whole answer in memory.
    ///
    /// # Errors
    /// As [`Answer::chunk`].
    pub async fn whole(mut self) -> Result<Response, NetError> {
        let expected = usize::try_from(self.body.size_hint().lower()).unwrap_or_default();
        let mut body = self.chunk().await?.unwrap_or_default();
        // Most answers arrive in one piece, which is handed on as it is.
        if let Some(second) = if self.body.is_end_stream() { None } else { self.chunk().await? } {
            let mut all = BytesMut::with_capacity(expected.max(body.len() + second.len()));
            all.extend_from_slice(&body);
            all.extend_from_slice(&second);
            while let Some(next) = self.chunk().await? {
                all.extend_from_slice(&next);
            }
            body = all.freeze();
        }
        Ok(Response { status: self.head.status, headers: self.head.headers, body })
    }

    fn error(&self, kind: NetErrorKind, what: &str) -> NetError {
        NetError::new(kind, format!("the answer of '{}' {what}", self.host))
    }

    fn too_large(&self) -> NetError {
        self.error(NetErrorKind::TooLarge, "is larger than allowed")
    }
}
