//! Messages of a chat.

use axum::Json;
use axum::extract::State;
use http::{StatusCode, Uri};
use portico_live::Say;
use portico_problem::Problem;
use portico_serve::store_problem;
use portico_store::records::{Message, MessageFilter, TagMap};
use serde::Deserialize;
use serde_json::{Value, json};

use super::caller::Caller;
use super::wire::Names;
use super::{Answer, ids, wire};
use crate::path::{self, Id};
use crate::payload::{self, Shape};
use crate::problems::{self, not_found};
use crate::{Api, Shared, body, page};

/// A message to say.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewMessage {
    conversation_id: String,
    payload: Value,
    #[serde(default)]
    metadata: Option<body::Metadata>,
}

/// Says a message; when it is answered, it is kept.
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    body::Json(new): body::Json<NewMessage>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let (kind, payload) = payload::read(Shape::Chat, new.payload, new.metadata)?;
    payload::accepted(Shape::Chat, &kind)?;
    let conversation = caller.conversation(&api, &new.conversation_id).await?;
    let say = Say {
        conversation: conversation.id,
        user: caller.user.id.clone(),
        client_id: None,
        kind,
        payload,
        tags: TagMap::new(),
        reply_to: None,
    };
    let said = api.live.say(&caller.at, say).await.map_err(problems::live)?;
    let place = ids::of_conversation(&caller.at, &conversation);
    let shown = wire::message(&said.message, &place, ids::of_user(&caller.user));
    Ok((StatusCode::CREATED, Json(json!({ "message": shown }))))
}

/// A message of a conversation that the caller takes part in, with the conversation's id on this API.
async fn addressed(api: &Shared, caller: &Caller, id: &str) -> Result<(Message, String), Problem> {
    let id = path::message(id)?;
    let found = api.live.message(&caller.at, id).await.map_err(problems::live)?;
    let message = found.ok_or_else(|| not_found("message"))?;
    let place = caller.conversation(api, &message.conversation.to_string()).await?;
    Ok((message, ids::of_conversation(&caller.at, &place)))
}

/// A message.
pub(crate) async fn get(State(api): State<Api>, caller: Caller, Id(id): Id) -> Answer {
    let (message, place) = addressed(&api, &caller, &id).await?;
    let user = Names::new(&caller.at, &caller.user).of(&api, &message.user).await;
    Ok(Json(json!({ "message": wire::message(&message, &place, &user) })))
}

/// Takes back a message of the caller's own.
pub(crate) async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Answer {
    let (message, _) = addressed(&api, &caller, &id).await?;
    let deleted = api.live.delete_message(&caller.at, message.id, &caller.user.id);
    deleted.await.map_err(problems::live)?;
    Ok(Json(json!({})))
}

/// Messages of a conversation, newest first.
pub(crate) async fn list(State(api): State<Api>, caller: Caller, Id(id): Id, uri: Uri) -> Answer {
    let conversation = caller.conversation(&api, &id).await?;
    let name = format!("{} messages of {}", caller.at.id, conversation.id);
    let cursor = page::cursor(&api, &uri, &name)?;
    let records = api.records(&caller.at);
    let all = MessageFilter::default();
    let found = records.messages(conversation.id, &all, cursor, page::SIZE).await;
    let found = found.map_err(|error| store_problem(&error))?;
    let place = ids::of_conversation(&caller.at, &conversation);
    let mut names = Names::new(&caller.at, &caller.user);
    let mut shown = Vec::with_capacity(found.items.len());
    for row in &found.items {
        let user = names.of(&api, &row.value.user).await;
        shown.push(Value::Object(wire::message(&row.value, &place, &user)));
    }
    let meta = page::meta(&api, &name, found.next.as_ref());
    Ok(Json(json!({ "messages": shown, "meta": meta })))
}
