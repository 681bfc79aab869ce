//! Who takes part in a conversation.

use axum::extract::State;
use portico_contract::ConversationId;
use portico_problem::Problem;
use portico_store::records::{User, user_json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::Api;
use crate::body::Json;
use crate::caller::Caller;
use crate::page::Paging;
use crate::path::{self, Segments};
use crate::problems::{self, not_found};
use crate::query::Query;
use crate::wire::{self, Done, Meta};

/// Who is to take part.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewParticipant {
    user_id: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ParticipantAnswer {
    #[schema(value_type = wire::User)]
    participant: Value,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ParticipantList {
    #[schema(value_type = Vec<wire::User>)]
    participants: Vec<Value>,
    meta: Meta,
}

type Answer<T> = Result<axum::Json<T>, Problem>;

/// Who takes part, in the order of ids.
#[utoipa::path(get, path = "/v1/chat/conversations/{id}/participants", operation_id = "listParticipants",
    tag = "participants",
    params(("id" = String, Path), ("nextToken" = Option<String>, Query), ("pageSize" = Option<u32>, Query)),
    responses((status = 200, body = ParticipantList)))]
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Segments(id): Segments<String>,
    query: Query,
) -> Answer<ParticipantList> {
    let conversation = crate::conversations::addressed(&caller, &id).await?.value.id;
    let paging = Paging::read(&api, &caller.bot, format!("participants {conversation}"), &query)?;
    let records = &caller.records;
    let page =
        records.participants(conversation, paging.key(), paging.size).await.map_err(problems::store)?;
    let mut participants = Vec::with_capacity(page.items.len());
    for id in page.items {
        if let Some(user) = records.user(&id).await.map_err(problems::store)? {
            participants.push(user_json(&user.value, caller.view()));
        }
    }
    let meta = paging.meta(page.next.as_ref().map(|key| key.0.as_slice()));
    Ok(axum::Json(ParticipantList { participants, meta }))
}

/// Lets a user take part.
#[utoipa::path(post, path = "/v1/chat/conversations/{id}/participants", operation_id = "addParticipant",
    tag = "participants", params(("id" = String, Path)), request_body = NewParticipant,
    responses((status = 200, body = ParticipantAnswer)))]
pub(crate) async fn add(
    State(api): State<Api>,
    caller: Caller,
    Segments(id): Segments<String>,
    body: Json<NewParticipant>,
) -> Answer<ParticipantAnswer> {
    let conversation = crate::conversations::addressed(&caller, &id).await?.value.id;
    let user = crate::users::referenced(&caller, &body.value.user_id, "userId").await?.value;
    join(&api, &caller, conversation, &user).await?;
    Ok(axum::Json(ParticipantAnswer { participant: user_json(&user, caller.view()) }))
}

/// A user that takes part.
#[utoipa::path(get, path = "/v1/chat/conversations/{id}/participants/{userId}", operation_id = "getParticipant",
    tag = "participants", params(("id" = String, Path), ("userId" = String, Path)),
    responses((status = 200, body = ParticipantAnswer)))]
pub(crate) async fn get(
    caller: Caller,
    Segments((id, user)): Segments<(String, String)>,
) -> Answer<ParticipantAnswer> {
    let user = participant(&caller, &id, &user).await?.1;
    Ok(axum::Json(ParticipantAnswer { participant: user_json(&user, caller.view()) }))
}

/// Lets a user take part no longer.
#[utoipa::path(delete, path = "/v1/chat/conversations/{id}/participants/{userId}",
    operation_id = "removeParticipant", tag = "participants",
    params(("id" = String, Path), ("userId" = String, Path)), responses((status = 200, body = Done)))]
pub(crate) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    Segments((id, user)): Segments<(String, String)>,
) -> Answer<Done> {
    let (conversation, user) = participant(&caller, &id, &user).await?;
    set(&api, &caller, conversation, &user, false).await?;
    Ok(axum::Json(Done {}))
}

async fn participant(caller: &Caller, id: &str, user: &str) -> Result<(ConversationId, User), Problem> {
    let conversation = crate::conversations::addressed(caller, id).await?.value.id;
    let missing = || not_found("participant");
    let user = path::user(user).map_err(|_| missing())?;
    if !caller.records.is_participant(conversation, &user).await.map_err(problems::store)? {
        return Err(missing());
    }
    let user = caller.records.user(&user).await.map_err(problems::store)?.ok_or_else(missing)?;
    Ok((conversation, user.value))
}

/// Makes sure that a user takes part.
pub(crate) async fn join(
    api: &Api,
    caller: &Caller,
    conversation: ConversationId,
    user: &User,
) -> Result<(), Problem> {
    set(api, caller, conversation, user, true).await
}

async fn set(
    api: &Api,
    caller: &Caller,
    conversation: ConversationId,
    user: &User,
    joins: bool,
) -> Result<(), Problem> {
    let outbox = &api.outbox;
    outbox.set_participant(&caller.bot, conversation, &user.id, joins).await.map_err(problems::store)?;
    Ok(())
}
