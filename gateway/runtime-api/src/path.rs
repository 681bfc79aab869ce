//! Segments of the path, decoded one by one: an id may hold an escaped slash.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use portico_contract::{ConversationId, EventId, MessageId, UserId};
use portico_problem::{Kind, Problem};
use serde::de::DeserializeOwned;

use crate::problems::not_found;

/// Decoded segments.
pub(crate) struct Segments<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(segments)) => Ok(Self(segments)),
            Err(_) => Err(Problem::new(Kind::InvalidIdentifier, "the path must be UTF-8, percent-encoded")),
        }
    }
}

/// The conversation that a segment names. What is no id can't be found either.
pub(crate) fn conversation(text: &str) -> Result<ConversationId, Problem> {
    ConversationId::parse(text).map_err(|_| not_found("conversation"))
}

/// The user that a segment names.
pub(crate) fn user(text: &str) -> Result<UserId, Problem> {
    UserId::parse(text).map_err(|_| not_found("user"))
}

/// The message that a segment names.
pub(crate) fn message(text: &str) -> Result<MessageId, Problem> {
    MessageId::parse(text).map_err(|_| not_found("message"))
}

/// The event that a segment names.
pub(crate) fn event(text: &str) -> Result<EventId, Problem> {
    EventId::parse(text).map_err(|_| not_found("event"))
}
