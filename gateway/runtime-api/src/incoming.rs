//! What integrations bring in one call: a message with its user and conversation, or a history.

use axum::extract::State;
use portico_contract::{MessageId, Millis, UserId};
use portico_problem::Problem;
use portico_store::records::{
    Conversation, Direction, Message, TagMap, User, conversation_json, message_json, user_json,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::body::Json;
use crate::caller::Caller;
use crate::conversations::{self, NewConversation};
use crate::messages::{self, Known, MessageBody};
use crate::names::{self, TagInput};
use crate::shared::{TRIES, now, too_busy};
use crate::users::{self, NewUser};
use crate::wire::{self, Origin};
use crate::{Api, Shared};

/// Messages of one import.
const MAX_IMPORT: usize = 200;
/// How far ahead of ours a clock may be.
const SKEW: Millis = 5 * 60 * 1000;

/// A message that came in, with whom and where. Each of user and conversation is named or described.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Incoming {
    user_id: Option<String>,
    user: Option<NewUser>,
    conversation_id: Option<String>,
    conversation: Option<NewConversation>,
    message: Option<IncomingMessage>,
}

/// What was said.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IncomingMessage {
    #[serde(rename = "type")]
    kind: String,
    payload: Map<String, Value>,
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    tags: TagInput,
    origin: Option<Origin>,
    /// The tags that must equal for it to be known already; without it all must.
    discriminate_by_tags: Option<Vec<String>>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct IncomingAnswer {
    #[schema(value_type = wire::User)]
    user: Value,
    #[schema(value_type = wire::Conversation)]
    conversation: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<wire::Message>)]
    message: Option<Value>,
}

/// Finds or makes user, conversation and message in one call. A message with tags is brought once.
#[utoipa::path(post, path = "/v1/chat/initialize-incoming-message", operation_id = "initializeIncomingMessage",
    tag = "messages", request_body = Incoming, responses((status = 200, body = IncomingAnswer)))]
pub(crate) async fn initialize(
    State(api): State<Api>,
    caller: Caller,
    body: Json<Incoming>,
) -> Result<axum::Json<IncomingAnswer>, Problem> {
    let body = body.value;
    let user: User = match (&body.user_id, &body.user) {
        (Some(id), None) => users::referenced(&caller, id, "userId").await?.value,
        (None, Some(new)) => users::found(&api, &caller, new, "user.").await?.0,
        _ => return Err(Problem::field("user", "give either user or userId")),
    };
    let conversation: Conversation = match (&body.conversation_id, &body.conversation) {
        (Some(id), None) => conversations::referenced(&caller, id, "conversationId").await?.value,
        (None, Some(new)) => conversations::found(&api, &caller, new, "conversation.").await?.0,
        _ => return Err(Problem::field("conversation", "give either conversation or conversationId")),
    };
    crate::participants::join(&api, &caller, conversation.id, &user).await?;
    let message = match body.message {
        Some(message) => Some(bring(&api, &caller, &user, &conversation, message).await?),
        None => None,
    };
    // Counted anew by its first message.
    let conversation =
        conversations::visible(&caller, conversation.id).await?.map_or(conversation, |row| row.value);
    Ok(axum::Json(IncomingAnswer {
        user: user_json(&user, caller.view()),
        conversation: conversation_json(&conversation, caller.view()),
        message: message.map(|message| message_json(&message, caller.view())),
    }))
}

async fn bring(
    api: &Shared,
    caller: &Caller,
    user: &User,
    conversation: &Conversation,
    message: IncomingMessage,
) -> Result<Message, Problem> {
    let is_told_apart = message.discriminate_by_tags.as_ref().is_some_and(|by| !by.is_empty());
    let body = MessageBody {
        conversation_id: conversation.id.to_string(),
        user_id: user.id.to_string(),
        kind: message.kind,
        payload: message.payload,
        tags: message.tags,
        schedule: None,
        draft_id: None,
        origin: message.origin,
        discriminate_by_tags: message.discriminate_by_tags,
    };
    if body.tags.is_empty() && !is_told_apart {
        let new = messages::new_message(caller, &body, "message.", None).await?;
        return api.outbox.incoming(new).await.map_err(crate::problems::accept);
    }
    Ok(messages::found(api, caller, &body, "message.", Direction::Incoming).await?.0)
}

/// A message of the past.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PastMessage {
    /// When it was said, ISO 8601.
    created_at: String,
    #[serde(flatten)]
    message: MessageBody,
}

/// A history.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct Import {
    /// At most 200.
    messages: Vec<PastMessage>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Imported {
    #[schema(value_type = Vec<wire::Message>)]
    messages: Vec<Value>,
}

/// Takes messages of the past into the history. They are neither sent nor dispatched; what the bot's own user
/// said counts as outgoing. A message with tags is taken once.
#[utoipa::path(post, path = "/v1/chat/messages/import-messages", operation_id = "importMessages", tag = "messages",
    request_body = Import, responses((status = 200, body = Imported)))]
pub(crate) async fn import(
    State(api): State<Api>,
    caller: Caller,
    body: Json<Import>,
) -> Result<axum::Json<Imported>, Problem> {
    let messages = body.value.messages;
    if messages.len() > MAX_IMPORT {
        return Err(Problem::field("messages", format!("must have at most {MAX_IMPORT} entries")));
    }
    // All are checked before the first is kept.
    let mut checked = Vec::with_capacity(messages.len());
    for (index, past) in messages.iter().enumerate() {
        let place = format!("messages[{index}].");
        let at = crate::query::time(&past.created_at).filter(|at| *at <= now() + SKEW);
        let at = at.ok_or_else(|| {
            Problem::field(
                format!("{place}createdAt"),
                "must be an ISO 8601 time such as 2026-01-02T03:04:05Z, not ahead of now",
            )
        })?;
        let new = messages::new_message(&caller, &past.message, &place, None).await?;
        portico_contract::Content::from_parts(&new.kind, new.payload.clone())
            .map_err(|error| Problem::field(format!("{place}{}", error.field), error.reason))?;
        let by = past.message.discriminate_by_tags.as_deref();
        let telling = if new.tags.is_empty() && by.is_none_or(<[String]>::is_empty) {
            TagMap::new()
        } else {
            names::telling(&new.tags, |name| caller.view().stored_name(name), by, &place)?
        };
        checked.push((at, new, telling));
    }
    let mut shown = Vec::with_capacity(checked.len());
    for (at, new, telling) in checked {
        let is_bot = new.user == UserId::of_bot(&caller.bot);
        let message = Message {
            id: id_of_time(at),
            conversation: new.conversation,
            user: new.user,
            direction: if is_bot { Direction::Outgoing } else { Direction::Incoming },
            kind: new.kind,
            payload: new.payload,
            tags: new.tags,
            delivery: None,
            origin: new.origin,
            created_at: at,
            updated_at: at,
        };
        let message = take(&api, &caller, message, &telling).await?;
        shown.push(message_json(&message, caller.view()));
    }
    Ok(axum::Json(Imported { messages: shown }))
}

/// Keeps one message of the past, unless it is there.
async fn take(api: &Shared, caller: &Caller, message: Message, telling: &TagMap) -> Result<Message, Problem> {
    let records = &caller.records;
    let kind = format!("message:{}", message.conversation);
    let _turn = api.turn(&format!("{} {kind} {telling:?}", caller.bot)).await;
    for _ in 0..TRIES {
        let mut changes = Vec::new();
        if !telling.is_empty() {
            match messages::known(caller, &kind, telling, message.conversation).await? {
                Known::Message(known) => return Ok(*known),
                Known::Nothing(version) => {
                    let claim = names::claim_of(telling);
                    changes.push(records.claim_change(&kind, &claim, &message.id.to_string(), version));
                }
            }
        }
        let place = conversations::visible(caller, message.conversation)
            .await?
            .ok_or_else(|| crate::problems::no_reference("conversationId", "the conversation"))?;
        let mut counted = place.value.clone();
        counted.message_count += 1;
        changes.extend(records.conversation_changes(Some(&place), &counted));
        changes.extend(records.message_changes(None, &message));
        changes.extend(records.participant_changes(message.conversation, &message.user, true));
        if api.commit(changes).await? {
            return Ok(message);
        }
    }
    Err(too_busy())
}

/// A new id that stands where messages of that time stand: ids lead with their milliseconds.
fn id_of_time(at: Millis) -> MessageId {
    let mut bytes = *uuid::Uuid::now_v7().as_bytes();
    let time = at.to_be_bytes();
    if let (Some(lead), Some(time)) = (bytes.get_mut(..6), time.get(2..)) {
        lead.copy_from_slice(time);
    }
    MessageId(bytes)
}
