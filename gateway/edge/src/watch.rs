//! How long each phase of a connection takes: what its reader, its service and its deadlines know of it.
//!
//! All three run on one thread; the parts are atomic because a connection that changes its protocol is handed
//! over, and what is handed over must be able to go anywhere.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Response};
use hyper::body::{Frame, SizeHint};
use tokio::sync::Notify;

use crate::answer::Answer;
use crate::line_ends::LineEnds;
use crate::options::Limits;

/// What the other side is expected to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Send its first byte.
    First,
    /// Finish a head.
    Head,
    /// Wait for us, or send the body (which has limits of its own).
    Request,
    /// Begin another request.
    Idle,
    /// Close, as it was asked to (HTTP/2).
    Leaving,
}

const PHASES: [Phase; 5] = [Phase::First, Phase::Head, Phase::Request, Phase::Idle, Phase::Leaving];

/// Where a connection stands.
pub(crate) struct Watch {
    began: Instant,
    /// The phase in the lowest three bits, above them the milliseconds after `began` at which it was entered.
    phase: AtomicU64,
    /// Seconds that a large body may take beyond the usual time.
    allowance: AtomicU32,
    requests: AtomicU32,
    under_way: AtomicU32,
    /// Answers without an end that are being sent: event streams.
    endless: AtomicU32,
    lines: LineEnds,
    /// HTTP/2: frames of which most begin no request.
    frames: bool,
    /// An HTTP/2 connection has had its number of requests.
    spent: Notify,
}

impl Watch {
    pub(crate) fn new(frames: bool) -> Self {
        let lines = LineEnds::new();
        if frames {
            lines.pass();
        }
        Self {
            began: Instant::now(),
            phase: AtomicU64::new(0),
            allowance: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            under_way: AtomicU32::new(0),
            endless: AtomicU32::new(0),
            lines,
            frames,
            spent: Notify::new(),
        }
    }

    pub(crate) fn lines(&self) -> &LineEnds {
        &self.lines
    }

    pub(crate) fn spent(&self) -> &Notify {
        &self.spent
    }

    pub(crate) fn speaks_frames(&self) -> bool {
        self.frames
    }

    pub(crate) fn phase(&self) -> Phase {
        PHASES.get((self.phase.load(Relaxed) & 7) as usize).copied().unwrap_or(Phase::First)
    }

    fn enter(&self, phase: Phase) {
        let after = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX >> 3);
        self.phase.store((after << 3) | phase as u64, Relaxed);
    }

    pub(crate) fn deadline(&self, limits: &Limits) -> Instant {
        // An event stream ends when one of the two sides wants it to.
        if self.endless.load(Relaxed) > 0 {
            return Instant::now() + Duration::from_secs(3600);
        }
        let since = self.began + Duration::from_millis(self.phase.load(Relaxed) >> 3);
        match self.phase() {
            Phase::First | Phase::Leaving => since + limits.first_byte,
            Phase::Head => since + limits.head_time,
            Phase::Request => {
                let more = Duration::from_secs(self.allowance.load(Relaxed).into());
                since + limits.request_time + limits.body_time + more
            }
            Phase::Idle => since + limits.keep_alive,
        }
    }

    pub(crate) fn bytes_arrived(&self) {
        match self.phase() {
            // Between two requests a window is opened or a ping answered: that is no head, and no reason to
            // stay either.
            Phase::Idle if self.frames => {}
            Phase::First | Phase::Idle => self.enter(Phase::Head),
            Phase::Head | Phase::Request | Phase::Leaving => {}
        }
    }

    /// A request has come; says the how manieth of the connection it is. It is over when what is returned is
    /// dropped, as it is too where the other side takes its stream back before the answer.
    pub(crate) fn begins(self: &Arc<Self>, has_body: bool) -> (u32, UnderWay) {
        if has_body {
            self.lines.pass();
        } else {
            self.lines.next_head();
        }
        self.under_way.fetch_add(1, Relaxed);
        self.enter(Phase::Request);
        (self.requests.fetch_add(1, Relaxed) + 1, UnderWay(self.clone()))
    }

    /// The request that has come may take longer by so much.
    pub(crate) fn allow(&self, more: Duration) {
        self.allowance.store(u32::try_from(more.as_secs()).unwrap_or(u32::MAX), Relaxed);
    }

    fn ends(&self) {
        if self.under_way.fetch_sub(1, Relaxed) == 1 {
            self.enter(Phase::Idle);
        }
    }

    /// The connection was asked to close.
    pub(crate) fn leaves(&self) {
        self.enter(Phase::Leaving);
    }

    /// The body of an answer without an end; the request ends with it.
    pub(crate) fn endless(&self, body: Answer, request: UnderWay) -> Answer {
        self.endless.fetch_add(1, Relaxed);
        Answer::Routed(Body::new(Endless { body, request }))
    }
}

/// A request that is not over yet.
pub(crate) struct UnderWay(Arc<Watch>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.ends();
    }
}

/// How much longer than usual a request may take because its body is large: as long as somebody on a poor line
/// needs for it, and never more than ten minutes.
pub(crate) fn allowance<B: hyper::body::Body>(request: &Request<B>) -> Duration {
    const PACE: u64 = 64 * 1024;
    Duration::from_secs((request.body().size_hint().lower() / PACE).min(600))
}

/// Whether an answer is an event stream, which goes on for as long as both sides like.
pub(crate) fn is_endless(response: &Response<Answer>) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

struct Endless {
    body: Answer,
    request: UnderWay,
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.request.0.endless.fetch_sub(1, Relaxed);
    }
}

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_body_has_the_time_that_a_poor_line_takes_for_it() {
        let of = |size: usize| allowance(&Request::new(Body::from(vec![0; size])));
        assert_eq!((of(0), of(60_000)), (Duration::ZERO, Duration::ZERO));
        assert_eq!(of(20 << 20), Duration::from_secs(320));
        assert_eq!(of(50 << 20), Duration::from_secs(600));
    }

    #[test]
    fn an_event_stream_outlives_every_deadline_and_ends_with_its_body() {
        let watch = Arc::new(Watch::new(false));
        let limits = Limits { request_time: Duration::ZERO, body_time: Duration::ZERO, ..Limits::default() };
        assert_eq!(watch.phase(), Phase::First);
        watch.bytes_arrived();
        assert_eq!(watch.phase(), Phase::Head);
        let (number, request) = watch.begins(false);
        assert_eq!(number, 1);
        assert!(watch.deadline(&limits) <= Instant::now());
        let body = watch.endless(Answer::Bytes(Bytes::new()), request);
        assert!(watch.deadline(&limits) > Instant::now() + Duration::from_secs(1800));
        drop(body);
        assert_eq!(watch.phase(), Phase::Idle);
    }
}
