//! Failures as each side reads them: a `nack` for a frame, a problem for a call, a close code for a connection.

use std::time::Duration;

use http::StatusCode;
use portico_live::LiveError;
use portico_problem::{Kind, Problem};

use crate::frame::{ByeCode, Close, NackCode, ServerFrame};

/// Milliseconds, at least one.
pub(crate) fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Refuses a frame for a while.
pub(crate) fn slow_down(id: String, wait: Duration) -> ServerFrame {
    ServerFrame::Nack { id, code: NackCode::Rate, retry: Some(millis(wait)) }
}

/// Refuses a frame after a failure of the live conversations.
pub(crate) fn nack(id: String, error: &LiveError) -> ServerFrame {
    if let Some(wait) = error.retry_after() {
        return slow_down(id, wait);
    }
    let code = match error {
        LiveError::NotFound(_) => NackCode::Closed,
        LiveError::Forbidden(_) => NackCode::Blocked,
        LiveError::TooLarge { .. } => NackCode::TooLarge,
        LiveError::Invalid { .. } | LiveError::Taken(_) => NackCode::Bad,
        LiveError::TooMany { .. } | LiveError::Unavailable | LiveError::Store(_) => {
            tracing::error!(%error, "a visitor's frame could not be stored");
            return slow_down(id, Duration::from_secs(5));
        }
    };
    ServerFrame::nack(id, code)
}

/// A failure of the live conversations as an answer.
pub(crate) fn problem(error: LiveError) -> Problem {
    let wait = error.retry_after();
    match error {
        LiveError::NotFound(what) => Problem::new(Kind::ResourceNotFound, format!("{what} not found")),
        LiveError::Forbidden(reason) => Problem::new(Kind::Forbidden, reason),
        LiveError::Taken(what) => Problem::new(Kind::AlreadyExists, format!("the {what} exists already")),
        LiveError::Invalid { field, reason } => Problem::field(field, reason),
        LiveError::TooLarge { .. } => Problem::new(Kind::PayloadTooLarge, error.to_string()),
        LiveError::TooMany { retry_after } => too_often(retry_after),
        LiveError::Unavailable | LiveError::Store(_) => {
            Problem::unavailable("the gateway can't answer now; try again", wait.map_or(1, seconds))
        }
    }
}

/// Too much of something.
pub(crate) fn too_often(wait: Duration) -> Problem {
    Problem::new(Kind::RateLimited, "too often; come back later").retry_after(seconds(wait).max(1))
}

/// Why a visitor is not let in, or has to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// With which code.
    pub(crate) close: Close,
    /// When to come back, where that makes sense.
    pub(crate) retry: Option<Duration>,
}

impl Refused {
    pub(crate) fn new(close: Close) -> Self {
        Self { close, retry: None }
    }

    pub(crate) fn later(close: Close, wait: Duration) -> Self {
        Self { close, retry: Some(wait) }
    }

    /// The frame that goes before the close, where there is one.
    pub(crate) fn bye(&self) -> Option<ServerFrame> {
        let code = match self.close {
            Close::Token | Close::Ended => ByeCode::Auth,
            Close::Crowded | Close::Rate => ByeCode::Limit,
            Close::Leaving => ByeCode::Deploy,
            Close::Idle => ByeCode::Idle,
            _ => return None,
        };
        Some(ServerFrame::Bye { code, retry: self.retry.map(millis) })
    }

    /// The same as an answer; `metadata.close` has the code that a socket would be closed with.
    pub(crate) fn problem(&self) -> Problem {
        let (kind, status, message) = match self.close {
            Close::BadFrame | Close::Protocol | Close::NotUtf8 => {
                (Kind::InvalidPayload, 400, "that is no frame")
            }
            Close::Token => (Kind::Unauthorized, 401, "the token is not good any more; say hello without"),
            Close::Origin => (Kind::Forbidden, 403, "pages of this origin may not use the channel"),
            Close::Channel => (Kind::ResourceNotFound, 404, "there is no such channel"),
            Close::Timeout | Close::Idle => (Kind::OperationTimeout, 408, "nothing came in time"),
            Close::Crowded => (Kind::LimitExceeded, 409, "the session has too many connections"),
            Close::Ended => (Kind::ResourceGone, 410, "the session has ended"),
            Close::FrameSize => (Kind::PayloadTooLarge, 413, "a frame may have 65536 bytes"),
            Close::Version => (Kind::BreakingChanges, 426, "only version 1 is spoken here"),
            Close::Rate => (Kind::RateLimited, 429, "too often; come back later"),
            Close::Failure | Close::Leaving | Close::Slow => {
                (Kind::Internal, 503, "the gateway can't serve now")
            }
        };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let problem = Problem::new(kind, message).answered_with(status).with("close", self.close.code());
        match self.retry {
            Some(wait) => problem.with("retry", millis(wait)).retry_after(seconds(wait).max(1)),
            None => problem,
        }
    }
}

impl From<LiveError> for Refused {
    fn from(error: LiveError) -> Self {
        match error.retry_after() {
            Some(wait) => Self::later(Close::Slow, wait),
            None => {
                tracing::error!(%error, "a visitor could not be served");
                Self::new(Close::Failure)
            }
        }
    }
}
