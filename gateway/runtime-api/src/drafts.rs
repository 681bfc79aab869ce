//! Messages that grow while a bot writes them, such as the words of a language model.
//!
//! Shown at once to whoever has the conversation open in a live channel, and kept by nobody: the message that ends
//! a draft (`draftId` of createMessage) says all of it. Other channels show nothing of a draft and lose nothing.

use axum::extract::State;
use portico_contract::{ConversationId, UserId};
use portico_problem::{Kind, Problem};
use portico_turns::{DraftRefused, DraftStep};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Api;
use crate::body::Json;
use crate::caller::Caller;
use crate::path::Segments;
use crate::problems::no_reference;
use crate::query::Query;
use crate::wire::Done;

/// Longest id of a draft, in bytes.
const MAX_ID: usize = 100;

/// How a draft goes on: with more text, or with another text.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DraftBody {
    conversation_id: String,
    /// Text to put behind what is there. The first one begins the draft.
    append: Option<String>,
    /// The whole text so far, in place of what is there.
    text: Option<String>,
    /// Who writes it; the bot itself where nothing is said.
    user_id: Option<String>,
}

/// A draft.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Draft {
    id: String,
    conversation_id: String,
    /// Whether the conversation's channel shows drafts.
    shown: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DraftAnswer {
    draft: Draft,
}

/// Lets a draft grow, or begins it. It ends with a message that names it, or with `abortDraft`.
#[utoipa::path(put, path = "/v1/chat/drafts/{draftId}", operation_id = "appendDraft", tag = "drafts",
    params(("draftId" = String, Path, description = "chosen by the bot, unique in the conversation, up to 100 bytes")),
    request_body = DraftBody, responses((status = 200, body = DraftAnswer)))]
pub(crate) async fn append(
    State(api): State<Api>,
    caller: Caller,
    Segments(id): Segments<String>,
    body: Json<DraftBody>,
) -> Result<axum::Json<DraftAnswer>, Problem> {
    let id = checked_id(&id)?;
    let DraftBody { conversation_id, append, text, user_id } = body.value;
    let step = match (append, text) {
        (Some(text), None) => DraftStep::Append(text),
        (None, Some(text)) => DraftStep::Replace(text),
        _ => return Err(Problem::field("append", "give either append or text")),
    };
    let (conversation, is_shown) = place(&api, &caller, &conversation_id).await?;
    let by = writer(&caller, user_id.as_deref()).await?;
    if is_shown {
        api.outbox.outlet().draft(conversation, id, &by, step).map_err(refused)?;
    }
    let draft = Draft { id: id.to_owned(), conversation_id: conversation.to_string(), shown: is_shown };
    Ok(axum::Json(DraftAnswer { draft }))
}

/// Gives a draft up: it will not become a message. Nothing happens when there is none.
#[utoipa::path(delete, path = "/v1/chat/drafts/{draftId}", operation_id = "abortDraft", tag = "drafts",
    params(("draftId" = String, Path), ("conversationId" = String, Query), ("userId" = Option<String>, Query)),
    responses((status = 200, body = Done)))]
pub(crate) async fn abort(
    State(api): State<Api>,
    caller: Caller,
    Segments(id): Segments<String>,
    query: Query,
) -> Result<axum::Json<Done>, Problem> {
    let id = checked_id(&id)?;
    let named = query.one("conversationId");
    let named = named.ok_or_else(|| crate::problems::bad_query("conversationId", "is missing"))?;
    let (conversation, is_shown) = place(&api, &caller, named).await?;
    let by = writer(&caller, query.one("userId")).await?;
    if is_shown {
        api.outbox.outlet().draft(conversation, id, &by, DraftStep::Abort).map_err(refused)?;
    }
    Ok(axum::Json(Done {}))
}

/// The id of a draft, if it can be one.
pub(crate) fn checked_id(id: &str) -> Result<&str, Problem> {
    if id.is_empty() || id.len() > MAX_ID || id.chars().any(char::is_control) {
        return Err(Problem::field("draftId", "must have 1 to 100 bytes without control characters"));
    }
    Ok(id)
}

/// The conversation, and whether its channel shows drafts.
async fn place(api: &Api, caller: &Caller, id: &str) -> Result<(ConversationId, bool), Problem> {
    let place = crate::conversations::referenced(caller, id, "conversationId").await?.value;
    let carrier = place.installation.as_ref().and_then(|installation| api.installations.get(installation));
    Ok((place.id, carrier.is_some_and(|carrier| portico_outbound::is_live(&carrier))))
}

async fn writer(caller: &Caller, user: Option<&str>) -> Result<UserId, Problem> {
    let own = UserId::of_bot(&caller.bot);
    match user {
        None => Ok(own),
        Some(user) if user == own.as_str() => Ok(own),
        Some(user) => Ok(crate::users::referenced(caller, user, "userId").await?.value.id),
    }
}

fn refused(refused: DraftRefused) -> Problem {
    match refused {
        DraftRefused::Taken => Problem::field("userId", "the draft belongs to another user"),
        DraftRefused::TooMany { .. } => Problem::new(Kind::RateLimited, refused.to_string()).retry_after(5),
        DraftRefused::TooLong { .. } => Problem::new(Kind::PayloadTooLarge, refused.to_string()),
        DraftRefused::Unsupported => no_reference("conversationId", "a conversation that shows drafts"),
    }
}
