//! Bots and installations: what is set up, how it is, and what gets it going again.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use portico_problem::{Kind, Problem};
use portico_turns::Installation;
use serde_json::{Value, json};

use crate::{Admin, done, page};

fn shown(installation: &Installation) -> Value {
    let manifest = installation.connector.manifest();
    json!({
        "id": installation.id,
        "bot": installation.bot,
        "alias": &*installation.alias,
        "connector": manifest.name,
        "version": manifest.version,
        "title": manifest.title,
        "webhookUrl": &*installation.webhook_url,
        "channels": manifest.channels.keys().collect::<Vec<_>>(),
        "attention": installation.attention(),
    })
}

fn find(admin: &Admin, id: &str) -> Result<Arc<Installation>, Problem> {
    admin.installations.find(id).ok_or_else(|| {
        Problem::new(Kind::ResourceNotFound, "there is no such installation, or it is switched off")
    })
}

/// `GET /installations`
pub(crate) async fn list(State(admin): State<Admin>) -> Json<Value> {
    let items: Vec<Value> = admin.installations.all().iter().map(|one| shown(one)).collect();
    Json(json!({ "items": items }))
}

/// `GET /installations/{id}`: also its configuration, without secrets.
pub(crate) async fn show(State(admin): State<Admin>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let installation = find(&admin, &id)?;
    let mut shown = shown(&installation);
    shown["config"] = installation.config.json().clone();
    Ok(Json(shown))
}

/// `POST /installations/{id}/register`
pub(crate) async fn register(
    State(admin): State<Admin>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let installation = find(&admin, &id)?;
    admin.operations.register(&installation.id).await?;
    Ok(done())
}

/// `POST /installations/{id}/resume`: ends a pause, and tries again what waits.
pub(crate) async fn resume(
    State(admin): State<Admin>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let installation = find(&admin, &id)?;
    installation.unpause();
    installation.is_well();
    admin.operations.resume_installation(&installation.id);
    Ok(done())
}

/// `GET /bots`
pub(crate) async fn bots(State(admin): State<Admin>) -> Json<Value> {
    let items: Vec<Value> = admin
        .operations
        .bots()
        .iter()
        .map(|bot| json!({ "id": bot, "dispatch": admin.operations.dispatch_state(bot) }))
        .collect();
    Json(json!({ "items": items }))
}

/// `POST /bots/{bot}/resume`
pub(crate) async fn resume_bot(
    State(admin): State<Admin>,
    Path(bot): Path<String>,
) -> Result<Json<Value>, Problem> {
    let bot = page::bot_id(&bot)?;
    if !admin.operations.bots().contains(&bot) {
        return Err(Problem::new(Kind::ResourceNotFound, "there is no such bot"));
    }
    admin.operations.resume_bot(&bot);
    Ok(done())
}

/// `POST /reload`
pub(crate) async fn reload(State(admin): State<Admin>) -> Result<Json<Value>, Problem> {
    admin.operations.reload().await?;
    Ok(done())
}
