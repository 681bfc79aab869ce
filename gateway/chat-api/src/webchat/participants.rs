//! Who takes part in a conversation, the bot included once it has spoken.

use axum::Json;
use axum::extract::State;
use portico_contract::UserId;
use portico_problem::Problem;
use portico_store::records::User;
use serde::Deserialize;
use serde_json::{Value, json};

use super::caller::Caller;
use super::{Answer, wire};
use crate::path::{Id, IdAndUser};
use crate::problems::{self, not_found};
use crate::{Api, Shared, body};

/// Somebody to take part.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NewParticipant {
    user_id: String,
}

/// Everybody who takes part.
pub(crate) async fn list(State(api): State<Api>, caller: Caller, Id(id): Id) -> Answer {
    let conversation = caller.conversation(&api, &id).await?;
    let found = api.live.participants(&caller.at, conversation.id).await.map_err(problems::live)?;
    let shown: Vec<Value> = found.iter().map(|user| wire::user(&caller.at, user)).collect();
    Ok(Json(json!({ "participants": shown, "meta": {} })))
}

/// Makes a user take part.
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
pub(crate) async fn get(State(api): State<Api>, caller: Caller, path: IdAndUser) -> Answer {
    let IdAndUser(id, user) = path;
    let conversation = caller.conversation(&api, &id).await?;
    let found = api.live.participants(&caller.at, conversation.id).await.map_err(problems::live)?;
    let user = found.iter().find(|one| one.id.as_str() == user).ok_or_else(|| not_found("participant"))?;
    Ok(Json(json!({ "participant": wire::user(&caller.at, user) })))
}

/// Makes a user not take part any more.
pub(crate) async fn remove(State(api): State<Api>, caller: Caller, path: IdAndUser) -> Answer {
    let IdAndUser(id, user) = path;
    let conversation = caller.own_conversation(&api, &id).await?;
    let user = named(&api, &caller, &user).await?;
    if user.id == caller.user.id {
        return Err(Problem::field("userId", "whoever began the conversation can't be removed; delete it"));
    }
    api.live.remove_participant(&caller.at, conversation.id, &user.id).await.map_err(problems::live)?;
    Ok(Json(json!({})))
}

async fn named(api: &Shared, caller: &Caller, id: &str) -> Result<User, Problem> {
    let id = UserId::parse(id).map_err(|_| not_found("user"))?;
    api.live.user(&caller.at, &id).await.map_err(problems::live)?.ok_or_else(|| not_found("user"))
}
