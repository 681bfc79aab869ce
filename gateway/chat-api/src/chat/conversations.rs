//! Conversations of a chat: whoever makes one owns it.

use axum::Json;
use axum::extract::State;
use http::{StatusCode, Uri};
use portico_live::{LiveError, Opened};
use portico_problem::{Kind, Problem};
use portico_store::records::TagMap;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::caller::Caller;
use super::shapes::{ConversationAnswer, ConversationList, Done};
use super::{Answer, ids, wire};
use crate::path::Id;
use crate::problems::{self, forbidden};
use crate::{Api, Shared, body, page};

/// A conversation to make.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct NewConversation {
    id: Option<String>,
}

/// A conversation to find or make.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NamedConversation {
    id: String,
}

async fn open(api: &Shared, caller: &Caller, id: Option<&str>) -> Result<Opened, Problem> {
    let alias = &caller.at.alias;
    let mut tags = TagMap::from([(format!("{alias}:owner"), caller.user.id.to_string())]);
    if let Some(id) = id {
        tags.insert(format!("{alias}:fid"), id.to_owned());
    }
    let key = id.map(ids::key);
    let opened = api.live.open(&caller.at, key.as_deref(), &caller.user.id, tags);
    opened.await.map_err(problems::live)
}

/// The conversation of an id of a caller's choice, if it is there.
async fn named(
    api: &Shared,
    caller: &Caller,
    id: &str,
) -> Result<Option<portico_store::records::Conversation>, Problem> {
    ids::check("id", id)?;
    match ids::conversation(api, &caller.at, id).await {
        Ok(conversation) => Ok(Some(conversation)),
        Err(problem) if problem.kind() == Kind::ResourceNotFound => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// Makes a conversation.
#[utoipa::path(post, path = "/conversations", operation_id = "createConversation", tag = "conversations",
    request_body = NewConversation, responses((status = 201, body = ConversationAnswer)))]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    body::Json(new): body::Json<NewConversation>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let taken = || problems::live(LiveError::Taken("conversation"));
    if let Some(id) = &new.id
        && named(&api, &caller, id).await?.is_some()
    {
        return Err(taken());
    }
    let opened = open(&api, &caller, new.id.as_deref()).await?;
    if !opened.created {
        return Err(taken());
    }
    let shown = wire::conversation(&caller.at, &opened.conversation);
    Ok((StatusCode::CREATED, Json(json!({ "conversation": shown }))))
}

/// The conversation of an id, made if it is not there.
#[utoipa::path(post, path = "/conversations/get-or-create", operation_id = "getOrCreateConversation", tag = "conversations",
    request_body = NamedConversation, responses((status = 200, body = ConversationAnswer)))]
pub(crate) async fn get_or_create(
    State(api): State<Api>,
    caller: Caller,
    body::Json(NamedConversation { id }): body::Json<NamedConversation>,
) -> Answer {
    // The gateway's own ids name conversations that are there.
    let found = match ids::check("id", &id) {
        Ok(()) => named(&api, &caller, &id).await?,
        Err(wrong) => Some(ids::conversation(&api, &caller.at, &id).await.map_err(|_| wrong)?),
    };
    let conversation = match found {
        Some(conversation) => conversation,
        None => open(&api, &caller, Some(&id)).await?.conversation,
    };
    if !caller.owns(&conversation) {
        return Err(forbidden("the conversation belongs to another user"));
    }
    Ok(Json(json!({ "conversation": wire::conversation(&caller.at, &conversation) })))
}

/// A conversation that the caller takes part in.
#[utoipa::path(get, path = "/conversations/{id}", operation_id = "getConversation", tag = "conversations",
    params(("id" = String, Path)), responses((status = 200, body = ConversationAnswer)))]
pub(crate) async fn get(State(api): State<Api>, caller: Caller, Id(id): Id) -> Answer {
    let conversation = caller.conversation(&api, &id).await?;
    Ok(Json(json!({ "conversation": wire::conversation(&caller.at, &conversation) })))
}

/// Removes a conversation of the caller's own.
#[utoipa::path(delete, path = "/conversations/{id}", operation_id = "deleteConversation", tag = "conversations",
    params(("id" = String, Path)), responses((status = 200, body = Done)))]
pub(crate) async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Answer {
    let conversation = caller.own_conversation(&api, &id).await?;
    api.live.delete_conversation(&caller.at, conversation.id).await.map_err(problems::live)?;
    Ok(Json(json!({})))
}

/// Conversations of the caller's own, those with the newest activity first.
#[utoipa::path(get, path = "/conversations", operation_id = "listConversations", tag = "conversations",
    params(("nextToken" = Option<String>, Query)), responses((status = 200, body = ConversationList)))]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, uri: Uri) -> Answer {
    let name = format!("{} conversations of {}", caller.at.id, caller.user.id);
    let cursor = page::cursor(&api, &uri, &name)?;
    let found = api.live.conversations_of(&caller.at, &caller.user.id, cursor, page::SIZE);
    let found = found.await.map_err(problems::live)?;
    let own = found.items.iter().map(|overview| &overview.conversation).filter(|one| caller.owns(one));
    let shown: Vec<Value> = own.map(|one| wire::conversation(&caller.at, one)).collect();
    let meta = page::meta(&api, &name, found.next.as_ref());
    Ok(Json(json!({ "conversations": shown, "meta": meta })))
}
