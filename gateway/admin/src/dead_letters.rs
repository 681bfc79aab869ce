//! Dead letters: list, try again, drop.

use axum::Json;
use axum::extract::{Path, State};
use portico_problem::{Kind, Problem};
use portico_store::{Change, Commit, DeadLetter};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::page::Params;
use crate::{Admin, done, events, page, store_problem};

/// Query of `GET /dead-letters`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeadQuery {
    bot: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

fn shown(dead: &DeadLetter) -> Value {
    let mut shown = events::summary(&dead.event);
    shown["reason"] = json!(dead.reason);
    shown["diedAt"] = portico_store::records::iso(dead.at).into();
    shown["last"] = json!(dead.last.as_ref().map(page::attempt));
    shown
}

/// `GET /dead-letters`
pub(crate) async fn list(
    State(admin): State<Admin>,
    Params(query): Params<DeadQuery>,
) -> Result<Json<Value>, Problem> {
    let bot = query.bot.as_deref().map(page::bot_id).transpose()?;
    let cursor = page::cursor(query.cursor.as_deref())?;
    let dead = admin
        .store
        .dead_letters(bot.as_ref(), cursor, page::limit(query.limit))
        .await
        .map_err(store_problem)?;
    Ok(Json(page::answer(dead, |dead| shown(&dead))))
}

async fn change(
    admin: &Admin,
    id: &str,
    make: impl FnOnce(portico_contract::BotId, portico_contract::EventId) -> Change,
) -> Result<Json<Value>, Problem> {
    let id = page::event_id(id)?;
    let event = admin.store.event(id).await.map_err(store_problem)?;
    let event = event.ok_or_else(|| Problem::new(Kind::ResourceNotFound, "there is no such dead letter"))?;
    admin.store.commit(Commit::of([make(event.bot, id)])).await.map_err(store_problem)?;
    Ok(done())
}

/// `POST /dead-letters/{id}/retry`: puts it at the end of its conversation again.
pub(crate) async fn retry(
    State(admin): State<Admin>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    change(&admin, &id, |bot, event| Change::Unbury { bot, event }).await
}

/// `DELETE /dead-letters/{id}`
pub(crate) async fn remove(
    State(admin): State<Admin>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    change(&admin, &id, |bot, event| Change::DropDead { bot, event }).await
}
