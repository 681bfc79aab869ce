//! Messages of a webchat.

use axum::Json;
use axum::extract::State;
use http::{StatusCode, Uri};
use portico_live::{MessageEdit, Say};
use portico_problem::Problem;
use portico_store::records::{Message, TagMap};
use portico_turns::Installation;
use serde::Deserialize;
use serde_json::{Value, json};

use super::caller::Caller;
use super::{Answer, wire};
use crate::path::{self, Id};
use crate::payload::{self, Shape};
use crate::problems::{self, not_found};
use crate::{Api, Shared, body, page};

/// Longest client id, in bytes; a longer one can't be used to know a repeat.
const CLIENT_ID: usize = 64;
/// Characters of a text, where the operator does not say.
const TEXT: u64 = 4000;

/// A message to say.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewMessage {
    conversation_id: String,
    payload: Value,
    #[serde(default)]
    metadata: Option<body::Metadata>,
    #[serde(default)]
    reply_to: Option<String>,
}

/// What to change about a message.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct MessageChange {
    payload: Option<Value>,
}

fn bounded(at: &Installation, kind: &str, payload: &Value) -> Result<(), Problem> {
    let most = at.config.json().pointer("/limits/text").and_then(Value::as_u64).unwrap_or(TEXT);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let name = if kind == "markdown" { "markdown" } else { "text" };
    body::short(&format!("payload.{name}"), payload.get(name).and_then(Value::as_str), most)
}

/// Says a message; when it is answered, it is kept. A repeat of `metadata.clientMessageId` makes no second one.
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    body::Json(new): body::Json<NewMessage>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let client_id = new.metadata.as_ref().and_then(|metadata| metadata.get("clientMessageId"));
    let client_id = client_id.and_then(Value::as_str).filter(|id| (1..=CLIENT_ID).contains(&id.len()));
    let client_id = client_id.map(ToOwned::to_owned);
    let (kind, payload) = payload::read(Shape::Webchat, new.payload, new.metadata)?;
    payload::accepted(Shape::Webchat, &kind)?;
    bounded(&caller.at, &kind, &payload)?;
    let conversation = caller.conversation(&api, &new.conversation_id).await?;
    let reply_to = match new.reply_to.as_deref().filter(|id| !id.is_empty()) {
        Some(id) => Some(addressed(&api, &caller, id).await?.id),
        None => None,
    };
    let say = Say {
        conversation: conversation.id,
        user: caller.user.id.clone(),
        client_id,
        kind,
        payload,
        tags: TagMap::new(),
        reply_to,
    };
    let said = api.live.say(&caller.at, say).await.map_err(problems::live)?;
    Ok((StatusCode::CREATED, Json(json!({ "message": wire::message(&caller.at, &said.message) }))))
}

/// A message of a conversation that the visitor takes part in.
pub(crate) async fn addressed(api: &Shared, caller: &Caller, id: &str) -> Result<Message, Problem> {
    let missing = || not_found("message");
    let id = path::message(id)?;
    let found = api.live.message(&caller.at, id).await.map_err(problems::live)?.ok_or_else(missing)?;
    let takes_part = api.live.takes_part(&caller.at, found.conversation, &caller.user.id);
    if takes_part.await.map_err(problems::live)? { Ok(found) } else { Err(missing()) }
}

/// A message.
pub(crate) async fn get(State(api): State<Api>, caller: Caller, Id(id): Id) -> Answer {
    let message = addressed(&api, &caller, &id).await?;
    Ok(Json(json!({ "message": wire::message(&caller.at, &message) })))
}

/// Changes what a message of the visitor's own says.
pub(crate) async fn update(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    body::Json(change): body::Json<MessageChange>,
) -> Answer {
    let message = addressed(&api, &caller, &id).await?;
    let Some(payload) = change.payload else {
        return Ok(Json(json!({ "message": wire::message(&caller.at, &message) })));
    };
    let metadata = message.payload.get("metadata").and_then(Value::as_object).cloned();
    let (kind, payload) = payload::read(Shape::Webchat, payload, metadata)?;
    if kind != message.kind {
        return Err(Problem::field("payload.type", format!("must stay {}", message.kind)));
    }
    bounded(&caller.at, &kind, &payload)?;
    let edit = MessageEdit { payload: Some(payload), tags: TagMap::new() };
    let edited = api.live.update_message(&caller.at, message.id, &caller.user.id, edit);
    let edited = edited.await.map_err(problems::live)?;
    Ok(Json(json!({ "message": wire::message(&caller.at, &edited) })))
}

/// Takes back a message of the visitor's own.
pub(crate) async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Answer {
    let message = addressed(&api, &caller, &id).await?;
    let deleted = api.live.delete_message(&caller.at, message.id, &caller.user.id);
    deleted.await.map_err(problems::live)?;
    Ok(Json(json!({})))
}

/// Messages of a conversation, newest first.
pub(crate) async fn list(State(api): State<Api>, caller: Caller, Id(id): Id, uri: Uri) -> Answer {
    let conversation = caller.conversation(&api, &id).await?;
    let (messages, meta) = page::messages(&api, &caller.at, conversation.id, &uri).await?;
    let shown: Vec<Value> = messages.iter().map(|message| wire::message(&caller.at, message)).collect();
    Ok(Json(json!({ "messages": shown, "meta": meta })))
}
