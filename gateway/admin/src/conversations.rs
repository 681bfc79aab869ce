//! Conversations and their messages, as a bot sees them, with what operators want to know besides.

use axum::Json;
use axum::extract::{Path, State};
use portico_problem::{Kind, Problem};
use portico_store::records::{MessageFilter, Records, View, conversation_json, message_json};
use portico_store::{Change, Commit, Lane, LaneHead};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::page::Params;
use crate::{Admin, done, page, store_problem};

/// Query of lists.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    cursor: Option<String>,
    limit: Option<usize>,
}

fn records(admin: &Admin, bot: &str) -> Result<Records, Problem> {
    let bot = page::bot_id(bot)?;
    if !admin.operations.bots().contains(&bot) {
        return Err(Problem::new(Kind::ResourceNotFound, "there is no such bot"));
    }
    Ok(Records::of(admin.store.clone(), bot))
}

/// `GET /bots/{bot}/conversations`
pub(crate) async fn list(
    State(admin): State<Admin>,
    Path(bot): Path<String>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Value>, Problem> {
    let cursor = page::cursor(query.cursor.as_deref())?;
    let found = records(&admin, &bot)?
        .conversations(cursor, page::limit(query.limit))
        .await
        .map_err(store_problem)?;
    Ok(Json(page::answer(found, |row| conversation_json(&row.value, View::Bot))))
}

fn lane(head: Option<LaneHead>) -> Value {
    match head {
        Some(head) => json!({
            "waiting": head.next - head.head,
            "state": format!("{:?}", head.state).to_lowercase(),
            "attempts": head.attempts,
            "dueAt": (head.due > 0).then(|| portico_store::records::iso(head.due)),
        }),
        None => json!({ "waiting": 0 }),
    }
}

/// `GET /bots/{bot}/conversations/{id}`: with what waits in its mailbox and outbox.
pub(crate) async fn show(
    State(admin): State<Admin>,
    Path((bot, id)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let id = page::conversation_id(&id)?;
    let found = records(&admin, &bot)?.conversation(id).await.map_err(store_problem)?;
    let found = found.ok_or_else(|| Problem::new(Kind::ResourceNotFound, "there is no such conversation"))?;
    let mut shown = conversation_json(&found.value, View::Bot);
    shown["installation"] = json!(found.value.installation);
    shown["mailbox"] = lane(admin.store.lane(Lane::inbound(id)).await.map_err(store_problem)?);
    shown["outbox"] = lane(admin.store.lane(Lane::outbound(id)).await.map_err(store_problem)?);
    Ok(Json(shown))
}

/// `GET /bots/{bot}/conversations/{id}/messages`: with the way of each outgoing message.
pub(crate) async fn messages(
    State(admin): State<Admin>,
    Path((bot, id)): Path<(String, String)>,
    Params(query): Params<ListQuery>,
) -> Result<Json<Value>, Problem> {
    let id = page::conversation_id(&id)?;
    let cursor = page::cursor(query.cursor.as_deref())?;
    let found = records(&admin, &bot)?
        .messages(id, &MessageFilter::default(), cursor, page::limit(query.limit))
        .await
        .map_err(store_problem)?;
    Ok(Json(page::answer(found, |row| {
        let mut shown = message_json(&row.value, View::Bot);
        shown["delivery"] = json!(row.value.delivery.as_ref().map(page::delivery));
        shown
    })))
}

/// `POST /bots/{bot}/conversations/{id}/release`: tries a held or waiting conversation again at once.
pub(crate) async fn release(
    State(admin): State<Admin>,
    Path((bot, id)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    records(&admin, &bot)?;
    let id = page::conversation_id(&id)?;
    for lane in [Lane::inbound(id), Lane::outbound(id)] {
        if admin.store.lane(lane).await.map_err(store_problem)?.is_some() {
            admin.store.commit(Commit::of([Change::Release { lane }])).await.map_err(store_problem)?;
        }
    }
    Ok(done())
}
