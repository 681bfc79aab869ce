//! Frames over HTTP: read from a body with a cap, answered in the order in which they stand.

use axum::body::Body;
use axum::extract::{Request, State};
use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use http_body_util::BodyExt;
use portico_live::LiveError;
use portico_problem::{Kind, Problem};
use serde_json::Value;

use crate::caller::Caller;
use crate::errors::{self, Refused};
use crate::follow::Start;
use crate::frame::{self, Close, MAX_FRAME};
use crate::seats::Order;
use crate::shared::Api;
use crate::show;
use crate::visit::Visit;

/// Most frames in one list.
const MOST: usize = 100;
/// Bytes of a list.
const MAX_LIST: usize = 4 * MAX_FRAME;
/// Most items that a posted sync brings.
const MOST_ITEMS: usize = 500;

/// Reads a body of at most `most` bytes.
///
/// # Errors
/// `FrameSize` as an answer, or what broke.
pub(crate) async fn read(request: Request, most: usize) -> Result<Bytes, Problem> {
    let mut body = request.into_body();
    let mut all = BytesMut::new();
    while let Some(piece) = body.frame().await {
        let piece = piece.map_err(|_| Problem::new(Kind::InvalidPayload, "the body broke off"))?;
        let Ok(bytes) = piece.into_data() else { continue };
        if all.len() + bytes.len() > most {
            return Err(Refused::new(Close::FrameSize).problem());
        }
        all.extend_from_slice(&bytes);
    }
    Ok(all.freeze())
}

/// A list of encoded frames as an answer.
pub(crate) fn answer(frames: &[Bytes]) -> Response<Body> {
    let mut body = BytesMut::with_capacity(frames.iter().map(|frame| frame.len() + 1).sum::<usize>() + 2);
    body.extend_from_slice(b"[");
    for (index, frame) in frames.iter().enumerate() {
        if index > 0 {
            body.extend_from_slice(b",");
        }
        body.extend_from_slice(frame);
    }
    body.extend_from_slice(b"]");
    let mut response = Response::new(Body::from(body.freeze()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Takes a list of frames: the way up beside a stream or a poll.
pub(crate) async fn post(
    State(api): State<Api>,
    mut caller: Caller,
    request: Request,
) -> Result<Response<Body>, Problem> {
    let body = read(request, MAX_LIST).await?;
    let bad = || Refused::new(Close::BadFrame).problem();
    let list: Vec<Value> = serde_json::from_slice(&body).map_err(|_| bad())?;
    if list.len() > MOST {
        return Err(bad());
    }
    let visit = &mut caller.visit;
    let mut frames = Vec::new();
    for value in list {
        let outcome = visit.answer(frame::from_value(value)).await;
        frames.extend(outcome.frames.iter().map(|frame| Bytes::from(frame.to_json())));
        for start in outcome.follow {
            api.seats.tell(&visit.session.id, Order::Follow(start.conversation, start.after));
            if !start.reset && !outcome.moved {
                frames.extend(missed(&api, visit, &start).await.map_err(errors::problem)?);
            }
        }
        if let Some(start) = outcome.also {
            api.seats.tell(&visit.session.id, Order::Follow(start.conversation, start.after));
        }
        if let Some(left) = &outcome.left {
            api.seats.tell(left, Order::Close(Close::Leaving));
        }
        if let Some(refused) = outcome.close {
            // What was answered before counts; without an answer there is nothing to lose.
            if frames.is_empty() {
                return Err(refused.problem());
            }
            break;
        }
    }
    Ok(answer(&frames))
}

/// What a visitor missed of a conversation, as frames.
async fn missed(api: &Api, visit: &Visit, start: &Start) -> Result<Vec<Bytes>, LiveError> {
    let channel = &visit.channel;
    let items = api.live.items(&channel.at, start.conversation, start.after, MOST_ITEMS).await?;
    let mut frames = Vec::with_capacity(items.len());
    for item in &items {
        frames.push(show::item(api, channel, start.conversation, item, &visit.user).await);
    }
    Ok(frames)
}
