//! Messages: what the bot says goes out, what an integration brings comes in.

use std::collections::BTreeMap;

use axum::extract::State;
use portico_contract::{ConversationId, EventId, MessageId, UserId};
use portico_outbound::{AcceptError, MessageChange, NewMessage, OnceKey};
use portico_problem::Problem;
use portico_store::StoreError;
use portico_store::records::{
    Direction, Due, Message, MessageFilter, Scheduled, TagMap, Versioned, message_json, scheduled,
};
use portico_turns::DRAFT_TAG;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::body::Json;
use crate::caller::Caller;
use crate::listing::Span;
use crate::names::{self, TagInput};
use crate::page::Paging;
use crate::path::{self, Segments};
use crate::problems::{self, no_reference, not_found};
use crate::query::Query;
use crate::shared::{TRIES, now, too_busy};
use crate::wire::{self, Created, Done, Meta, Origin, Schedule};
use crate::{Api, Shared, drafts};

/// Messages of a conversation, newest first, that get-or-create looks through where nobody claimed the tags.
const LOOK_BACK: usize = 100;

/// A message to make or find.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageBody {
    pub(crate) conversation_id: String,
    /// Who says it. A bot may give its own id.
    pub(crate) user_id: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) payload: Map<String, Value>,
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub(crate) tags: TagInput,
    /// When it is to be sent, if not now.
    pub(crate) schedule: Option<Schedule>,
    /// The draft (`/v1/chat/drafts`) that it ends, for messages of the bot that are said now.
    pub(crate) draft_id: Option<String>,
    pub(crate) origin: Option<Origin>,
    /// For get-or-create: the tags that must equal; without it all must.
    pub(crate) discriminate_by_tags: Option<Vec<String>>,
}

/// What to change about a message; a tag that is `null` is removed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct MessageUpdate {
    #[schema(value_type = Option<std::collections::BTreeMap<String, Option<String>>>)]
    tags: TagInput,
    /// The whole new payload.
    payload: Option<Map<String, Value>>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MessageAnswer {
    #[schema(value_type = wire::Message)]
    message: Value,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct FoundMessage {
    #[schema(value_type = wire::Message)]
    message: Value,
    meta: Created,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct MessageList {
    #[schema(value_type = Vec<wire::Message>)]
    messages: Vec<Value>,
    meta: Meta,
}

type Answer<T> = Result<axum::Json<T>, Problem>;

fn answer(caller: &Caller, message: &Message) -> axum::Json<MessageAnswer> {
    axum::Json(MessageAnswer { message: message_json(message, caller.view()) })
}

/// Says something: the answer comes when it is kept for good, and sending follows.
#[utoipa::path(post, path = "/v1/chat/messages", operation_id = "createMessage", tag = "messages",
    params(("idempotency-key" = Option<String>, Header, description = "the same key with the same body gives the first answer for 48 h")),
    request_body = MessageBody, responses((status = 200, body = MessageAnswer)))]
pub(crate) async fn create(
    State(api): State<Api>,
    caller: Caller,
    body: Json<MessageBody>,
) -> Answer<MessageAnswer> {
    let once = caller.once("createMessage", body.digest);
    let mut new = new_message(&caller, &body.value, "", once).await?;
    if let Some(draft) = &body.value.draft_id {
        if caller.via.is_some() || body.value.schedule.is_some() {
            return Err(Problem::field("draftId", "is for messages of the bot that are said now"));
        }
        new.tags.insert(DRAFT_TAG.to_owned(), drafts::checked_id(draft)?.to_owned());
    }
    let message = match &body.value.schedule {
        Some(schedule) if caller.via.is_none() => {
            let due = schedule.due(now())?;
            api.outbox.schedule(new, due).await
        }
        Some(_) => {
            return Err(Problem::field("schedule", "is for messages of the bot, not of an integration"));
        }
        None if caller.via.is_none() => api.outbox.accept(new).await,
        None => api.outbox.incoming(new).await,
    };
    Ok(answer(&caller, &message.map_err(problems::accept)?))
}

/// Finds a message of the conversation by its tags, or says it; at once from many sides it is said once.
#[utoipa::path(post, path = "/v1/chat/messages/get-or-create", operation_id = "getOrCreateMessage",
    tag = "messages", request_body = MessageBody, responses((status = 200, body = FoundMessage)))]
pub(crate) async fn get_or_create(
    State(api): State<Api>,
    caller: Caller,
    body: Json<MessageBody>,
) -> Answer<FoundMessage> {
    if body.value.schedule.is_some() {
        return Err(Problem::field("schedule", "is not for get-or-create"));
    }
    let direction = if caller.via.is_some() { Direction::Incoming } else { Direction::Outgoing };
    let (message, created) = found(&api, &caller, &body.value, "", direction).await?;
    Ok(axum::Json(FoundMessage { message: message_json(&message, caller.view()), meta: Created { created } }))
}

/// A message, also one whose time has not come.
#[utoipa::path(get, path = "/v1/chat/messages/{id}", operation_id = "getMessage", tag = "messages",
    params(("id" = String, Path)), responses((status = 200, body = MessageAnswer)))]
pub(crate) async fn get(caller: Caller, Segments(id): Segments<String>) -> Answer<MessageAnswer> {
    let id = path::message(&id)?;
    if let Some(message) = visible(&caller, id).await? {
        return Ok(answer(&caller, &message.value));
    }
    let (_, message) = waiting(&caller, id).await?.ok_or_else(|| not_found("message"))?;
    Ok(answer(&caller, &message))
}

/// Changes a message; a new payload of the bot's message reaches the provider where the channel can edit.
#[utoipa::path(put, path = "/v1/chat/messages/{id}", operation_id = "updateMessage", tag = "messages",
    params(("id" = String, Path)), request_body = MessageUpdate, responses((status = 200, body = MessageAnswer)))]
pub(crate) async fn update(
    State(api): State<Api>,
    caller: Caller,
    Segments(id): Segments<String>,
    body: Json<MessageUpdate>,
) -> Answer<MessageAnswer> {
    let id = path::message(&id)?;
    visible(&caller, id).await?.ok_or_else(|| not_found("message"))?;
    let tags: BTreeMap<String, Option<String>> = names::stored(caller.view(), &body.value.tags, "tags")?;
    let change = MessageChange { payload: body.value.payload.map(Value::Object), tags };
    let message = api.outbox.edit(&caller.bot, id, change).await.map_err(problems::accept)?;
    Ok(answer(&caller, &message))
}

/// Removes a message; the bot's is taken back at the provider where the channel can.
#[utoipa::path(delete, path = "/v1/chat/messages/{id}", operation_id = "deleteMessage", tag = "messages",
    params(("id" = String, Path)), responses((status = 200, body = Done)))]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    Segments(id): Segments<String>,
) -> Answer<Done> {
    let id = path::message(&id)?;
    if visible(&caller, id).await?.is_some() {
        api.outbox.delete(&caller.bot, id).await.map_err(problems::accept)?;
        return Ok(axum::Json(Done {}));
    }
    let (due, _) = waiting(&caller, id).await?.ok_or_else(|| not_found("message"))?;
    if !api.commit(due.done_changes().into()).await? {
        // Its time came this moment.
        api.outbox.delete(&caller.bot, id).await.map_err(problems::accept)?;
    }
    Ok(axum::Json(Done {}))
}

/// Messages newest first: of one conversation, or of all, conversation by conversation.
#[utoipa::path(get, path = "/v1/chat/messages", operation_id = "listMessages", tag = "messages",
    params(
        ("nextToken" = Option<String>, Query), ("pageSize" = Option<u32>, Query),
        ("conversationId" = Option<String>, Query),
        ("tags" = Option<std::collections::BTreeMap<String, String>>, Query, description = "as tags.name=value"),
        ("afterDate" = Option<String>, Query), ("beforeDate" = Option<String>, Query),
    ),
    responses((status = 200, body = MessageList)))]
pub(crate) async fn list(State(api): State<Api>, caller: Caller, query: Query) -> Answer<MessageList> {
    let tags = names::filter(caller.view(), query.tags());
    // Reads the dates once for the store and once for what it does not filter.
    let span = Span::read(&query)?;
    let filter = MessageFilter {
        tags: tags.is.clone(),
        after: query.time("afterDate")?,
        before: query.time("beforeDate")?,
    };
    let conversation = query.one("conversationId");
    let paging = Paging::read(&api, &caller.bot, format!("messages {conversation:?}"), &query)?;
    let records = &caller.records;
    let page = match conversation {
        Some(id) => {
            let id = crate::conversations::addressed(&caller, id).await?.value.id;
            records.messages(id, &filter, paging.key(), paging.size).await
        }
        None => records.all_messages(&filter, paging.key(), paging.size).await,
    }
    .map_err(problems::store)?;
    let mut seen: BTreeMap<ConversationId, bool> = BTreeMap::new();
    let mut messages = Vec::with_capacity(page.items.len());
    for message in &page.items {
        let message = &message.value;
        if caller.via.is_some() && !seen.contains_key(&message.conversation) {
            let is_ours = crate::conversations::visible(&caller, message.conversation).await?.is_some();
            seen.insert(message.conversation, is_ours);
        }
        let is_ours = seen.get(&message.conversation).copied().unwrap_or(caller.via.is_none());
        if is_ours && names::passes(&message.tags, &tags) && span.has(message.created_at, message.updated_at)
        {
            messages.push(message_json(message, caller.view()));
        }
    }
    let meta = paging.meta(page.next.as_ref().map(|key| key.0.as_slice()));
    Ok(axum::Json(MessageList { messages, meta }))
}

/// A message, if this caller may see it.
pub(crate) async fn visible(caller: &Caller, id: MessageId) -> Result<Option<Versioned<Message>>, Problem> {
    let Some(message) = caller.records.message(id).await.map_err(problems::store)? else { return Ok(None) };
    if caller.via.is_some()
        && crate::conversations::visible(caller, message.value.conversation).await?.is_none()
    {
        return Ok(None);
    }
    Ok(Some(message))
}

/// A message of the bot whose time has not come.
async fn waiting(caller: &Caller, id: MessageId) -> Result<Option<(Due, Message)>, Problem> {
    let thing = format!("message:{}", EventId(id.0));
    let due = scheduled(caller.records.store().as_ref(), &thing).await.map_err(problems::store)?;
    Ok(due.and_then(|due| match due.what.clone() {
        Scheduled::Message { bot, message } if bot == caller.bot && caller.via.is_none() => {
            Some((due, *message))
        }
        _ => None,
    }))
}

/// A message of a body, its ids looked up and its names as they are stored. `place` leads the fields' paths.
pub(crate) async fn new_message(
    caller: &Caller,
    body: &MessageBody,
    place: &str,
    once: Option<OnceKey>,
) -> Result<NewMessage, Problem> {
    let field = |name: &str| format!("{place}{name}");
    let conversation = match ConversationId::parse(&body.conversation_id) {
        // The outbox itself looks whether it is there.
        Ok(id) if caller.via.is_none() && place.is_empty() => id,
        _ => {
            crate::conversations::referenced(caller, &body.conversation_id, &field("conversationId"))
                .await?
                .value
                .id
        }
    };
    let user = match UserId::parse(&body.user_id) {
        Ok(id) if place.is_empty() => id,
        Ok(_) => crate::users::referenced(caller, &body.user_id, &field("userId")).await?.value.id,
        Err(_) => return Err(no_reference(&field("userId"), "the user")),
    };
    Ok(NewMessage {
        bot: caller.bot.clone(),
        conversation,
        user,
        kind: body.kind.clone(),
        payload: Value::Object(body.payload.clone()),
        tags: names::set(names::stored(caller.view(), &body.tags, &field("tags"))?),
        origin: body.origin.map(|Origin::Synthetic| "synthetic".to_owned()),
        reply_to: None,
        once,
    })
}

/// Finds a message of a conversation by its tags, or makes it.
pub(crate) async fn found(
    api: &Shared,
    caller: &Caller,
    body: &MessageBody,
    place: &str,
    direction: Direction,
) -> Result<(Message, bool), Problem> {
    let new = new_message(caller, body, place, None).await?;
    let stored_name = |name: &str| caller.view().stored_name(name);
    let telling = names::telling(&new.tags, stored_name, body.discriminate_by_tags.as_deref(), place)?;
    let kind = format!("message:{}", new.conversation);
    let _turn = api.turn(&format!("{} {kind} {telling:?}", caller.bot)).await;
    for _ in 0..TRIES {
        let claimed = match known(caller, &kind, &telling, new.conversation).await? {
            Known::Message(message) => return Ok((*message, false)),
            Known::Nothing(version) => version,
        };
        let claim = names::claim_of(&telling);
        let claim = |id: MessageId| caller.records.claim_change(&kind, &claim, &id.to_string(), claimed);
        match api.outbox.claimed(new.clone(), direction, claim).await {
            Ok(message) => return Ok((message, true)),
            Err(AcceptError::Store(StoreError::Conflict { .. })) => {}
            Err(error) => return Err(problems::accept(error)),
        }
    }
    Err(too_busy())
}

pub(crate) enum Known {
    Message(Box<Message>),
    /// Nothing, and the version of a claim whose message is gone.
    Nothing(Option<u64>),
}

/// The message of a conversation that was made for these tags, or has them.
pub(crate) async fn known(
    caller: &Caller,
    kind: &str,
    telling: &TagMap,
    conversation: ConversationId,
) -> Result<Known, Problem> {
    let records = &caller.records;
    let has_all =
        |message: &Message| telling.iter().all(|(name, value)| message.tags.get(name) == Some(value));
    let claimed = records.claim(kind, &names::claim_of(telling)).await.map_err(problems::store)?;
    if let Some((id, _)) = &claimed
        && let Ok(id) = MessageId::parse(id)
        && let Some(message) = records.message_in(conversation, id).await.map_err(problems::store)?
        && has_all(&message.value)
    {
        return Ok(Known::Message(Box::new(message.value)));
    }
    let latest = MessageFilter::default();
    let page = records.messages(conversation, &latest, None, LOOK_BACK).await.map_err(problems::store)?;
    match page.items.into_iter().find(|message| has_all(&message.value)) {
        Some(message) => Ok(Known::Message(Box::new(message.value))),
        None => Ok(Known::Nothing(claimed.map(|(_, version)| version))),
    }
}
