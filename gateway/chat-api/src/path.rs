//! Segments of the path behind the installation's, decoded one by one: an id may hold an escaped slash.

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use portico_contract::{EventId, MessageId};
use portico_problem::{Kind, Problem};

use crate::problems::not_found;

/// The segment `{id}`.
pub(crate) struct Id(pub(crate) String);

/// The segments `{id}` and `{user}`.
pub(crate) struct IdAndUser(pub(crate) String, pub(crate) String);

/// All segments from `{*rest}` on.
pub(crate) struct Rest(pub(crate) String);

/// A decoded segment of the matched route.
pub(crate) async fn segment<S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
    name: &str,
) -> Result<String, Problem> {
    let wrong = || Problem::new(Kind::InvalidIdentifier, "the path must be UTF-8, percent-encoded");
    let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| wrong())?;
    let found = params.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
    found.ok_or_else(wrong)
}

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(segment(parts, state, "id").await?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdAndUser {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(segment(parts, state, "id").await?, segment(parts, state, "user").await?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Rest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(segment(parts, state, "rest").await?))
    }
}

/// The message that a segment names. What is no id can't be found either.
pub(crate) fn message(text: &str) -> Result<MessageId, Problem> {
    MessageId::parse(text).map_err(|_| not_found("message"))
}

/// The event that a segment names.
pub(crate) fn event(text: &str) -> Result<EventId, Problem> {
    EventId::parse(text).map_err(|_| not_found("event"))
}
