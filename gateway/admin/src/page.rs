//! Lists: page sizes, cursors, ids in paths.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portico_contract::{BotId, ConversationId, EventId};
use portico_problem::{Kind, Problem};
use portico_store::records::{MessageDelivery, iso};
use portico_store::{Attempt, Key, Page};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The query of a request; what is wrong in it is told in the one error shape.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut http::request::Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(error) => Err(Problem::new(Kind::InvalidQuery, reason(&error.body_text()))),
        }
    }
}

/// The JSON body of a request; what is wrong in it is told in the one error shape.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(error) => {
                let kind = match error.status().as_u16() {
                    413 => Kind::PayloadTooLarge,
                    415 => Kind::UnsupportedMediaType,
                    _ => Kind::InvalidPayload,
                };
                Err(Problem::new(kind, reason(&error.body_text())))
            }
        }
    }
}

/// The part that names the field: `kind: unknown variant …`.
fn reason(text: &str) -> &str {
    let place = ["query string: ", "target type: "].iter().find_map(|end| text.split_once(end));
    place.map_or(text, |(_, reason)| reason)
}

/// How far a message got.
pub(crate) fn delivery(way: &MessageDelivery) -> Value {
    json!({
        "status": way.status,
        "at": iso(way.at),
        "reason": way.reason,
        "externalIds": way.external_ids,
        "possibleDuplicate": way.possible_duplicate,
    })
}

/// One attempt to hand something over.
pub(crate) fn attempt(attempt: &Attempt) -> Value {
    json!({
        "number": attempt.number,
        "at": iso(attempt.at),
        "durationMs": attempt.duration_ms,
        "status": attempt.status,
        "code": attempt.code,
        "detail": attempt.detail,
    })
}

/// Items of a page: what was asked for, between 1 and 500; 50 without a wish.
pub(crate) fn limit(asked: Option<usize>) -> usize {
    asked.unwrap_or(50).clamp(1, 500)
}

/// The place where the page before ended.
pub(crate) fn cursor(text: Option<&str>) -> Result<Option<Key>, Problem> {
    match text {
        None | Some("") => Ok(None),
        Some(text) => URL_SAFE_NO_PAD
            .decode(text)
            .map(|bytes| Some(Key(bytes)))
            .map_err(|_| Problem::new(Kind::InvalidQuery, "cursor: send back what 'next' said, unchanged")),
    }
}

/// A page as an answer.
pub(crate) fn answer<T>(page: Page<T>, show: impl Fn(T) -> Value) -> Value {
    let items: Vec<Value> = page.items.into_iter().map(show).collect();
    match page.next {
        Some(key) => json!({ "items": items, "next": URL_SAFE_NO_PAD.encode(&key.0) }),
        None => json!({ "items": items }),
    }
}

fn bad_id(error: portico_contract::BadId) -> Problem {
    Problem::new(Kind::InvalidIdentifier, error.to_string())
}

/// An event's id.
pub(crate) fn event_id(text: &str) -> Result<EventId, Problem> {
    EventId::parse(text).map_err(bad_id)
}

/// A conversation's id.
pub(crate) fn conversation_id(text: &str) -> Result<ConversationId, Problem> {
    ConversationId::parse(text).map_err(bad_id)
}

/// A bot's id.
pub(crate) fn bot_id(text: &str) -> Result<BotId, Problem> {
    BotId::parse(text).map_err(bad_id)
}
