//! A feed as server-sent events.
//!
//! Two keepalives in one: Node closes a connection on which no byte came for 5 s, and the chat client
//! gives up when no *event* came for 60 s (comments do not count for it). So an event `ping` goes every 3 s of
//! silence. Source: Botpress protocol reference, section 6.2, measured.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::feed::{Feed, Frame};

/// How long a stream may be silent.
pub(crate) const QUIET: Duration = Duration::from_secs(3);

const PING: Bytes = Bytes::from_static(b"event: message\ndata: ping\n\n");
/// Goes with the head, so that no proxy waits for more before it passes the head on.
const OPENED: Bytes = Bytes::from_static(b": open\n\n");

/// The answer: status 200, the head at once, then the feed.
pub(crate) fn answer(feed: Feed) -> Response {
    let frames = stream::unfold((feed, false), async |(mut feed, opened)| {
        if !opened {
            return Some((Ok::<_, std::convert::Infallible>(OPENED), (feed, true)));
        }
        let bytes = match feed.next().await? {
            // JSON has no line breaks of its own.
            Frame::Signal(signal) => format!("event: message\ndata: {signal}\n\n").into(),
            Frame::Ping => PING,
        };
        Some((Ok(bytes), (feed, true)))
    });
    let mut response = Response::new(Body::from_stream(frames));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
