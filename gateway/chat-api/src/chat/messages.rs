//! Messages of a chat.

use axum::Json;
use axum::extract::State;
use http::{StatusCode, Uri};
use portico_live::Say;
use portico_problem::Problem;
use portico_store::records::{Message, TagMap};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::caller::Caller;
use super::shapes::{Done, MessageAnswer, MessageList};
use super::wire::Names;
use super::{Answer, ids, wire};
use crate::path::{self, Id};
use crate::payload::{self, Shape};
use crate::problems::{self, not_found};
use crate::{Api, Shared, body, page};

/// A message to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewMessage {
    conversation_id: String,
    /// The message: its `type`, and the fields of that.
    #[schema(value_type = Object)]
    payload: Value,
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    metadata: Option<body::Metadata>,
}

/// Says a message; when it is answered, it is kept.
#[utoipa::path(post, path = "/messages", operation_id = "createMessage", tag = "messages",
    request_body = NewMessage, responses((status = 201, body = MessageAnswer)))]
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
#[utoipa::path(get, path = "/messages/{id}", operation_id = "getMessage", tag = "messages",
    params(("id" = String, Path)), responses((status = 200, body = MessageAnswer)))]
pub(crate) async fn get(State(api): State<Api>, caller: Caller, Id(id): Id) -> Answer {
    let (message, place) = addressed(&api, &caller, &id).await?;
    let user = Names::new(&caller.at, &caller.user).of(&api.live, &message.user).await;
    Ok(Json(json!({ "message": wire::message(&message, &place, &user) })))
}

/// Takes back a message of the caller's own.
#[utoipa::path(delete, path = "/messages/{id}", operation_id = "deleteMessage", tag = "messages",
    params(("id" = String, Path)), responses((status = 200, body = Done)))]
pub(crate) async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Answer {
    let (message, _) = addressed(&api, &caller, &id).await?;
    let deleted = api.live.delete_message(&caller.at, message.id, &caller.user.id);
    deleted.await.map_err(problems::live)?;
    Ok(Json(json!({})))
}

/// Messages of a conversation, newest first.
#[utoipa::path(get, path = "/conversations/{id}/messages", operation_id = "listMessages", tag = "conversations",
    params(("id" = String, Path), ("nextToken" = Option<String>, Query)), responses((status = 200, body = MessageList)))]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, Id(id): Id, uri: Uri) -> Answer {
    let conversation = caller.conversation(&api, &id).await?;
    let (messages, meta) = page::messages(&api, &caller.at, conversation.id, &uri).await?;
    let place = ids::of_conversation(&caller.at, &conversation);
    let mut names = Names::new(&caller.at, &caller.user);
    let mut shown = Vec::with_capacity(messages.len());
    for message in &messages {
        let user = names.of(&api.live, &message.user).await;
        shown.push(Value::Object(wire::message(message, &place, &user)));
    }
    Ok(Json(json!({ "messages": shown, "meta": meta })))
}
