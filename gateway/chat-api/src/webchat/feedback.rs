//! What a visitor thinks of a message, and which message was selected: tags of the message.
//!
//! The bot hears of feedback as the event `<alias>:feedback`; everybody who listens sees the message updated.

use axum::Json;
use axum::extract::State;
use portico_live::{MessageEdit, Tell};
use portico_problem::{Kind, Problem};
use portico_store::records::{Direction, Message, TagMap};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Answer;
use super::caller::Caller;
use super::messages::addressed;
use crate::path::Id;
use crate::{Api, Shared, body, problems};

/// Longest comment, in characters.
const COMMENT: usize = 1000;

/// The verdict.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Positive,
    Negative,
}

/// What a visitor thinks.
#[derive(Debug, Deserialize)]
pub(crate) struct Feedback {
    value: Verdict,
    #[serde(default)]
    comment: Option<String>,
}

async fn tag(api: &Shared, caller: &Caller, message: &Message, tags: TagMap) -> Result<(), Problem> {
    let edit = MessageEdit { payload: None, tags };
    let edited = api.live.update_message(&caller.at, message.id, &caller.user.id, edit);
    edited.await.map(drop).map_err(problems::live)
}

fn tags(caller: &Caller, value: &str, comment: &str) -> TagMap {
    let name = |name: &str| format!("{}:{name}", caller.at.alias);
    TagMap::from([(name("feedback"), value.to_owned()), (name("feedbackComment"), comment.to_owned())])
}

async fn tell(api: &Shared, caller: &Caller, message: &Message, data: Value) -> Result<(), Problem> {
    let tell = Tell {
        conversation: message.conversation,
        user: caller.user.id.clone(),
        client_id: None,
        name: "feedback".into(),
        data,
        shown: false,
    };
    api.live.tell(&caller.at, tell).await.map(drop).map_err(problems::live)
}

/// Keeps what a visitor thinks of a message of the bot.
pub(crate) async fn add(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id,
    body::Json(feedback): body::Json<Feedback>,
) -> Answer {
    body::short("comment", feedback.comment.as_deref(), COMMENT)?;
    let message = addressed(&api, &caller, &id).await?;
    if message.direction == Direction::Incoming {
        return Err(problems::forbidden("feedback is for messages of the bot"));
    }
    let value = match feedback.value {
        Verdict::Positive => "positive",
        Verdict::Negative => "negative",
    };
    let comment = feedback.comment.unwrap_or_default();
    tag(&api, &caller, &message, tags(&caller, value, &comment)).await?;
    let mut data = json!({
        "userId": caller.user.id, "conversationId": message.conversation, "messageId": message.id,
        "value": value,
    });
    if let (Some(fields), false) = (data.as_object_mut(), comment.is_empty()) {
        fields.insert("comment".into(), comment.into());
    }
    tell(&api, &caller, &message, data).await?;
    Ok(Json(json!({})))
}

/// Forgets what a visitor thought of a message.
pub(crate) async fn remove(State(api): State<Api>, caller: Caller, Id(id): Id) -> Answer {
    let message = addressed(&api, &caller, &id).await?;
    tag(&api, &caller, &message, tags(&caller, "", "")).await?;
    let data = json!({
        "userId": caller.user.id, "conversationId": message.conversation, "messageId": message.id,
        "value": null,
    });
    tell(&api, &caller, &message, data).await?;
    Ok(Json(json!({})))
}

/// Marks a message as selected, once.
pub(crate) async fn select(State(api): State<Api>, caller: Caller, Id(id): Id) -> Answer {
    let message = addressed(&api, &caller, &id).await?;
    let name = format!("{}:selectedBy", caller.at.alias);
    if message.tags.contains_key(&name) {
        return Err(Problem::new(Kind::AlreadyExists, "the message was selected before"));
    }
    tag(&api, &caller, &message, TagMap::from([(name, caller.user.id.to_string())])).await?;
    Ok(Json(json!({})))
}
