//! Events of apps: `chat:custom` for the bot, `event_created` for whoever listens.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use portico_live::Tell;
use portico_problem::Problem;
use portico_serve::store_problem;
use portico_store::records::{GatewayEvent, iso};
use portico_store::{EventKind, StoredEvent};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::caller::Caller;
use super::shapes::EventAnswer;
use super::wire::Names;
use super::{Answer, ids};
use crate::path::{self, Id};
use crate::problems::{self, not_found};
use crate::{Api, body};

/// Name of the event, without the integration's.
pub(crate) const CUSTOM: &str = "custom";

/// An event to tell.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewEvent {
    conversation_id: String,
    #[schema(value_type = Object)]
    payload: Map<String, Value>,
}

/// Tells the bot an event; when it is answered, it is kept.
#[utoipa::path(post, path = "/events", operation_id = "createEvent", tag = "events",
    request_body = NewEvent, responses((status = 201, body = EventAnswer)))]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    body::Json(new): body::Json<NewEvent>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let conversation = caller.conversation(&api, &new.conversation_id).await?;
    let tell = Tell {
        conversation: conversation.id,
        user: caller.user.id.clone(),
        client_id: None,
        name: CUSTOM.into(),
        data: json!({
            "userId": caller.user.id, "conversationId": conversation.id, "payload": new.payload,
        }),
        shown: true,
    };
    let told = api.live.tell(&caller.at, tell).await.map_err(problems::live)?;
    let event = json!({
        "id": told.id,
        "createdAt": iso(told.id.millis()),
        "conversationId": ids::of_conversation(&caller.at, &conversation),
        "userId": ids::of_user(&caller.user),
        "payload": new.payload,
    });
    Ok((StatusCode::CREATED, Json(json!({ "event": event }))))
}

/// An event that somebody told in a conversation that the caller takes part in.
#[utoipa::path(get, path = "/events/{id}", operation_id = "getEvent", tag = "events",
    params(("id" = String, Path)), responses((status = 200, body = EventAnswer)))]
pub(crate) async fn get(State(api): State<Api>, caller: Caller, Id(id): Id) -> Answer {
    let missing = || not_found("event");
    let id = path::event(&id)?;
    let stored = api.store.event(id).await.map_err(|error| store_problem(&error))?;
    let stored = stored.filter(|stored| stored.bot == caller.at.bot && stored.installation == caller.at.id);
    let stored = stored.ok_or_else(missing)?;
    let event = told(&stored).ok_or_else(missing)?;
    let conversation = caller.conversation(&api, &stored.lane.conversation.to_string()).await?;
    let user = match &event.user_id {
        Some(user) => Names::new(&caller.at, &caller.user).of(&api.live, user).await,
        None => return Err(missing()),
    };
    Ok(Json(json!({ "event": {
        "id": stored.id,
        "createdAt": iso(stored.id.millis()),
        "conversationId": ids::of_conversation(&caller.at, &conversation),
        "userId": user,
        "payload": inner(&event.payload),
    } })))
}

/// What an app told, if it was an app that told it.
fn told(stored: &StoredEvent) -> Option<GatewayEvent> {
    if stored.kind != EventKind::Gateway {
        return None;
    }
    let event: GatewayEvent = serde_json::from_slice(&stored.body).ok()?;
    event.kind.ends_with(":custom").then_some(event)
}

/// The app's own payload within the event's.
pub(crate) fn inner(payload: &Value) -> Value {
    match payload.get("payload") {
        Some(inner @ Value::Object(_)) => inner.clone(),
        _ => json!({}),
    }
}
