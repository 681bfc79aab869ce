//! The event stream: where no WebSocket gets through. The hello is the body, so the token stays out of the address.

use axum::body::Body;
use axum::extract::{Request, State};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response};
use portico_problem::Problem;
use portico_telemetry::metrics::Road;

use crate::caller::page_of;
use crate::errors::Refused;
use crate::feed::Feed;
use crate::frame::{self, BadFrame, ClientFrame, Close, Hello, MAX_FRAME};
use crate::greet::greet;
use crate::posted::read;
use crate::shared::Api;

/// Reads a hello out of a body.
///
/// # Errors
/// [`Refused`] as a socket would be closed.
pub(crate) fn hello(body: &[u8]) -> Result<Hello, Refused> {
    let text = std::str::from_utf8(body).map_err(|_| Refused::new(Close::BadFrame))?;
    match frame::read(text) {
        Ok(ClientFrame::Hello(hello)) => Ok(*hello),
        Err(BadFrame::Version) => Err(Refused::new(Close::Version)),
        Ok(_) | Err(_) => Err(Refused::new(Close::BadFrame)),
    }
}

/// Opens a stream.
pub(crate) async fn post(State(api): State<Api>, request: Request) -> Result<Response<Body>, Problem> {
    let origin = page_of(&api, request.headers()).map(ToOwned::to_owned);
    let address = (api.address)(request.extensions());
    let body = read(request, MAX_FRAME).await?;
    let refused = |refused: Refused| {
        api.count_refused(&refused);
        refused.problem()
    };
    let hello = hello(&body).map_err(refused)?;
    let greeted = greet(&api, hello, origin.as_deref(), address).await.map_err(refused)?;
    let (first, follow) = (Some(&greeted.welcome), greeted.follow);
    let feed = Feed::new(&api, &greeted.visit, first, follow, address, Road::Events).map_err(refused)?;
    // Before a proxy or the visitor takes silence for the end.
    let rest = api.times.heartbeat * 3 / 5;
    let events = stream::unfold(Some(feed), move |feed| async move {
        let mut feed = feed?;
        match feed.next(rest).await {
            Ok(Some(told)) => Some((event(&told.frame), Some(feed))),
            Ok(None) => None,
            Err(()) => Some((Ok(Bytes::from_static(b":\n\n")), Some(feed))),
        }
    });
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    // Asks proxies of the nginx family not to gather.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

#[expect(clippy::unnecessary_wraps, reason = "a body's stream carries results")]
fn event(frame: &Bytes) -> Result<Bytes, std::convert::Infallible> {
    let mut event = BytesMut::with_capacity(frame.len() + 8);
    event.extend_from_slice(b"data: ");
    // JSON on one line: line ends inside texts are escaped.
    event.extend_from_slice(frame);
    event.extend_from_slice(b"\n\n");
    Ok(event.freeze())
}
