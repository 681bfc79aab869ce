//! Conversations of a visitor.

use axum::Json;
use axum::extract::State;
use http::{StatusCode, Uri};
use portico_problem::Problem;
use portico_store::records::TagMap;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::caller::Caller;
use super::{Answer, wire};
use crate::path::Id;
use crate::{Api, body, page, problems};

/// Begins a conversation.
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    _: body::Json<IgnoredAny>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let opened = api.live.open(&caller.at, None, &caller.user.id, TagMap::new());
    let opened = opened.await.map_err(problems::live)?;
    let shown = wire::conversation(&opened.conversation);
    Ok((StatusCode::CREATED, Json(json!({ "conversation": shown }))))
}

/// A conversation that the visitor takes part in.
pub(crate) async fn get(State(api): State<Api>, caller: Caller, Id(id): Id) -> Answer {
    let conversation = caller.conversation(&api, &id).await?;
    Ok(Json(json!({ "conversation": wire::conversation(&conversation) })))
}

/// Removes a conversation that the visitor began.
pub(crate) async fn delete(State(api): State<Api>, caller: Caller, Id(id): Id) -> Answer {
    let conversation = caller.own_conversation(&api, &id).await?;
    api.live.delete_conversation(&caller.at, conversation.id).await.map_err(problems::live)?;
    Ok(Json(json!({})))
}

/// Conversations that the visitor takes part in, those with the newest activity first.
pub(crate) async fn list(State(api): State<Api>, caller: Caller, uri: Uri) -> Answer {
    let name = format!("{} conversations of {}", caller.at.id, caller.user.id);
    let cursor = page::cursor(&api, &uri, &name)?;
    let found = api.live.conversations_of(&caller.at, &caller.user.id, cursor, page::SIZE);
    let found = found.await.map_err(problems::live)?;
    let shown: Vec<Value> = found.items.iter().map(|one| wire::overview(&caller.at, one)).collect();
    let meta = page::meta(&api, &name, found.next.as_ref());
    Ok(Json(json!({ "conversations": shown, "meta": meta })))
}
