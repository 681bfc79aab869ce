//! Events of the visitor's page: `<alias>:conversation_started` and `<alias>:custom`.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use portico_live::Tell;
use portico_problem::Problem;
use portico_serve::store_problem;
use portico_store::EventKind;
use portico_store::records::{GatewayEvent, iso};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Answer;
use super::caller::Caller;
use crate::path::{self, Id};
use crate::problems::{self, not_found};
use crate::{Api, body};

/// An event to tell.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewEvent {
    conversation_id: String,
    payload: Payload,
}

#[derive(Debug, Deserialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(default)]
    data: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    ConversationStarted,
    Custom,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::ConversationStarted => "conversation_started",
            Self::Custom => "custom",
        }
    }
}

/// Tells the bot an event; when it is answered, it is kept.
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    body::Json(new): body::Json<NewEvent>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let conversation = caller.conversation(&api, &new.conversation_id).await?;
    let kind = new.payload.kind;
    let mut data = json!({
        "userId": caller.user.id, "conversationId": conversation.id, "data": new.payload.data,
    });
    if let (Kind::Custom, Some(fields)) = (kind, data.as_object_mut()) {
        // The page may name its event; the bot then finds it where all custom events have theirs.
        let name = new.payload.data.get("name").and_then(Value::as_str).unwrap_or("custom");
        fields.insert("name".into(), name.into());
    }
    let tell = Tell {
        conversation: conversation.id,
        user: caller.user.id.clone(),
        client_id: None,
        name: kind.as_str().into(),
        data,
        shown: false,
    };
    let told = api.live.tell(&caller.at, tell).await.map_err(problems::live)?;
    let event = json!({
        "id": told.id,
        "createdAt": iso(told.id.millis()),
        "conversationId": conversation.id,
        "userId": caller.user.id,
        "payload": { "type": kind.as_str(), "data": new.payload.data },
    });
    Ok((StatusCode::CREATED, Json(json!({ "event": event }))))
}

/// An event that was told in a conversation that the visitor takes part in.
pub(crate) async fn get(State(api): State<Api>, caller: Caller, Id(id): Id) -> Answer {
    let missing = || not_found("event");
    let id = path::event(&id)?;
    let stored = api.store.event(id).await.map_err(|error| store_problem(&error))?;
    let stored = stored
        .filter(|stored| stored.bot == caller.at.bot && stored.installation == caller.at.id)
        .filter(|stored| stored.kind == EventKind::Gateway)
        .ok_or_else(missing)?;
    let event: GatewayEvent = serde_json::from_slice(&stored.body).map_err(|_| missing())?;
    let kind = event.kind.rsplit(':').next().unwrap_or_default();
    if ![Kind::ConversationStarted.as_str(), Kind::Custom.as_str()].contains(&kind) {
        return Err(missing());
    }
    let conversation = caller.conversation(&api, &stored.lane.conversation.to_string()).await?;
    let data = event.payload.get("data").cloned().unwrap_or_else(|| json!({}));
    Ok(Json(json!({ "event": {
        "id": stored.id,
        "createdAt": iso(stored.id.millis()),
        "conversationId": conversation.id,
        "userId": event.user_id.ok_or_else(missing)?,
        "payload": { "type": kind, "data": data },
    } })))
}
