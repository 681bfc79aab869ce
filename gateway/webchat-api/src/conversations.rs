//! A visitor's conversations over HTTP: listed, begun, read back, deleted; and the end of a session.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use portico_contract::ConversationId;
use portico_contract::UserId;
use portico_live::{Shown, What};
use portico_problem::{Kind, Problem};
use portico_store::Key;
use portico_store::records::{Direction, Message, TagMap};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::asked::{Asked, Named};
use crate::caller::Caller;
use crate::errors;
use crate::frame::Close;
use crate::seats::Order;
use crate::shared::Api;
use crate::show;
use crate::visit::Visit;

/// Messages of a page: usual, and at most.
const PAGE: usize = 50;
const MOST: usize = 100;

/// Which conversations.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Listing {
    limit: Option<usize>,
    cursor: Option<String>,
}

/// Which messages.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PageQuery {
    before: Option<u64>,
    limit: Option<usize>,
}

fn page_size(asked: Option<usize>) -> usize {
    asked.unwrap_or(PAGE).clamp(1, MOST)
}

/// The conversation of a path, if the caller takes part in it.
///
/// # Errors
/// `ResourceNotFound`, also for one that is somebody else's.
pub(crate) async fn addressed(api: &Api, visit: &Visit, id: &str) -> Result<ConversationId, Problem> {
    let missing = || Problem::new(Kind::ResourceNotFound, "conversation not found");
    let id = ConversationId::parse(id).map_err(|_| missing())?;
    match api.live.takes_part(&visit.channel.at, id, &visit.user).await.map_err(errors::problem)? {
        true => Ok(id),
        false => Err(missing()),
    }
}

/// A message with the name of its agent, where it has one.
pub(crate) async fn shown(api: &Api, visit: &Visit, message: &Message, client_id: Option<&str>) -> Value {
    let channel = &visit.channel;
    let is_agent =
        message.direction == Direction::Outgoing && message.user != UserId::of_bot(&channel.at.bot);
    let author = if is_agent { Some(api.author(channel, &message.user).await) } else { None };
    show::message(api, channel, message, client_id, &visit.user, author)
}

/// A message of a history, with its number.
async fn numbered(api: &Api, visit: &Visit, item: &Shown) -> Option<Value> {
    let What::Message { message, client_id } = &item.what else { return None };
    let mut value = shown(api, visit, message, client_id.as_deref()).await;
    if let Some(fields) = value.as_object_mut() {
        fields.insert("seq".into(), item.seq.into());
        fields.insert("conv".into(), message.conversation.to_string().into());
    }
    Some(value)
}

/// The caller's conversations, newest activity first.
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Asked(query): Asked<Listing>,
) -> Result<Response, Problem> {
    let visit = &caller.visit;
    let bad = || Problem::new(Kind::InvalidQuery, "cursor: take it from the page before");
    let cursor = match query.cursor.as_deref().filter(|cursor| !cursor.is_empty()) {
        Some(text) => Some(Key(URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?)),
        None => None,
    };
    let limit = page_size(query.limit);
    let page = api.live.conversations_of(&visit.channel.at, &visit.user, cursor, limit).await;
    let page = page.map_err(errors::problem)?;
    let mut conversations = Vec::with_capacity(page.items.len());
    for overview in &page.items {
        let row = &overview.conversation;
        let last_at = overview.last.as_ref().map_or(row.created_at, |message| message.created_at);
        let mut one = json!({ "id": row.id.to_string(), "updatedAt": last_at, "seq": overview.head });
        if let Some(fields) = one.as_object_mut() {
            if let Some(title) = row.tags.get(&visit.channel.tag("title")) {
                fields.insert("title".into(), title.clone().into());
            }
            if let Some(message) = &overview.last {
                let mut last = shown(&api, visit, message, None).await;
                if let Some(fields) = last.as_object_mut() {
                    fields.insert("conv".into(), row.id.to_string().into());
                }
                fields.insert("last".into(), last);
            }
        }
        conversations.push(one);
    }
    let mut answer = json!({ "conversations": conversations });
    if let (Some(fields), Some(next)) = (answer.as_object_mut(), page.next) {
        fields.insert("next".into(), URL_SAFE_NO_PAD.encode(next.0).into());
    }
    Ok(Json(answer).into_response())
}

/// Begins a conversation, and makes it the open one.
pub(crate) async fn create(State(api): State<Api>, mut caller: Caller) -> Result<Response, Problem> {
    let visit = &mut caller.visit;
    visit.channel.rates.event(&visit.session.id).map_err(errors::too_often)?;
    let opened = api.live.open(&visit.channel.at, None, &visit.user, TagMap::new()).await;
    let id = opened.map_err(errors::problem)?.conversation.id;
    visit.activate(id).await.map_err(errors::problem)?;
    api.seats.tell(&visit.session.id, Order::Follow(id, 0));
    Ok(Json(json!({ "id": id.to_string() })).into_response())
}

/// Deletes a conversation, where the channel lets visitors do that.
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named<String>,
) -> Result<Response, Problem> {
    let visit = &caller.visit;
    if !visit.channel.looks("deletion") {
        return Err(Problem::new(Kind::Forbidden, "the channel does not let visitors delete conversations"));
    }
    let id = addressed(&api, visit, &id).await?;
    api.live.delete_conversation(&visit.channel.at, id).await.map_err(errors::problem)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Messages of a conversation, newest first.
pub(crate) async fn messages(
    State(api): State<Api>,
    caller: Caller,
    Named(id): Named<String>,
    Asked(query): Asked<PageQuery>,
) -> Result<Response, Problem> {
    let visit = &caller.visit;
    let id = addressed(&api, visit, &id).await?;
    // The head first: what is said meanwhile comes as a frame, and is not in the page's number.
    let head = api.live.head(&visit.channel.at, id).await.map_err(errors::problem)?;
    let limit = page_size(query.limit);
    let found = api.live.history(&visit.channel.at, id, query.before, limit + 1).await;
    let found = found.map_err(errors::problem)?;
    let more = found.len() > limit;
    let mut messages = Vec::with_capacity(limit);
    for item in found.iter().take(limit) {
        messages.extend(numbered(&api, visit, item).await);
    }
    Ok(Json(json!({ "messages": messages, "more": more, "seq": head.last })).into_response())
}

/// Ends the session: its token is good for nothing any more, and its connections end.
pub(crate) async fn log_out(State(api): State<Api>, caller: Caller) -> Result<Response, Problem> {
    let visit = &caller.visit;
    visit.log_out().await.map_err(errors::problem)?;
    api.seats.tell(&visit.session.id, Order::Close(Close::Ended));
    Ok(StatusCode::NO_CONTENT.into_response())
}
