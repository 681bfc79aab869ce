//! Who takes part in a conversation. The owner decides; the bot is there always and is not listed.

use axum::Json;
use axum::extract::State;
use portico_contract::UserId;
use portico_problem::Problem;
use portico_store::records::User;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::caller::{Caller, is_owner};
use super::shapes::{Done, ParticipantAnswer, ParticipantList};
use super::{Answer, ids, wire};
use crate::path::{Id, IdAndUser};
use crate::problems::{self, not_found};
use crate::{Api, Shared, body};

/// Somebody to take part.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewParticipant {
    user_id: String,
}

/// Everybody who takes part, for those who do.
#[utoipa::path(get, path = "/conversations/{id}/participants", operation_id = "listParticipants", tag = "participants",
    params(("id" = String, Path)), responses((status = 200, body = ParticipantList)))]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, Id(id): Id) -> Answer {
    let conversation = caller.conversation(&api, &id).await?;
    let bot = UserId::of_bot(&caller.at.bot);
    let found = api.live.participants(&caller.at, conversation.id).await.map_err(problems::live)?;
    let people = found.iter().filter(|user| user.id != bot);
    let shown: Vec<Value> = people.map(|user| wire::user(&caller.at, user)).collect();
    Ok(Json(json!({ "participants": shown, "meta": {} })))
}

/// Makes a user take part.
#[utoipa::path(post, path = "/conversations/{id}/participants", operation_id = "addParticipant", tag = "participants",
    params(("id" = String, Path)), request_body = NewParticipant, responses((status = 200, body = ParticipantAnswer)))]
pub(crate) async fn add(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    body::Json(new): body::Json<NewParticipant>,
) -> Answer {
    let conversation = caller.own_conversation(&api, &id).await?;
    let user = named(&api, &caller, &new.user_id).await?;
    api.live.add_participant(&caller.at, conversation.id, &user.id).await.map_err(problems::live)?;
    Ok(Json(json!({ "participant": wire::user(&caller.at, &user) })))
}

/// Somebody who takes part.
#[utoipa::path(get, path = "/conversations/{id}/participants/{userId}", operation_id = "getParticipant", tag = "participants",
    params(("id" = String, Path), ("userId" = String, Path)), responses((status = 200, body = ParticipantAnswer)))]
pub(crate) async fn get(State(api): State<Api>, caller: Caller, path: IdAndUser) -> Answer {
    let IdAndUser(id, user) = path;
    let conversation = caller.own_conversation(&api, &id).await?;
    let user = named(&api, &caller, &user).await?;
    let takes_part = api.live.takes_part(&caller.at, conversation.id, &user.id);
    if !takes_part.await.map_err(problems::live)? {
        return Err(not_found("participant"));
    }
    Ok(Json(json!({ "participant": wire::user(&caller.at, &user) })))
}

/// Makes a user not take part any more.
#[utoipa::path(delete, path = "/conversations/{id}/participants/{userId}", operation_id = "removeParticipant", tag = "participants",
    params(("id" = String, Path), ("userId" = String, Path)), responses((status = 200, body = Done)))]
pub(crate) async fn remove(State(api): State<Api>, caller: Caller, path: IdAndUser) -> Answer {
    let IdAndUser(id, user) = path;
    let conversation = caller.own_conversation(&api, &id).await?;
    let user = named(&api, &caller, &user).await?;
    if is_owner(&caller.at, &conversation, &user) {
        return Err(Problem::field("userId", "the owner can't be removed; delete the conversation"));
    }
    api.live.remove_participant(&caller.at, conversation.id, &user.id).await.map_err(problems::live)?;
    Ok(Json(json!({})))
}

async fn named(api: &Shared, caller: &Caller, id: &str) -> Result<User, Problem> {
    ids::user(api, &caller.at, id).await?.ok_or_else(|| not_found("user"))
}
