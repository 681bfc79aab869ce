//! The public objects of the runtime API, as one viewer sees them.
//!
//! A bot sees every tag under its full name; an integration sees its own, without the prefix
//! (Botpress protocol, "Namespaces"). Dates are ISO 8601 in UTC and end in `Z`.

use portico_contract::{BotId, Event, ReceiptStage};
use serde_json::{Map, Value, json};

use super::{Conversation, GatewayEvent, Message, TagMap, User};
use crate::{EventKind, EventOutcome, StoredEvent};

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View<'a> {
    /// The bot.
    Bot,
    /// The integration of this alias.
    Integration(&'a str),
}

impl View<'_> {
    /// Stored tags as this viewer names them.
    pub fn tags(&self, stored: &TagMap) -> Value {
        let mut shown = Map::new();
        for (name, value) in stored {
            match self {
                Self::Bot => {
                    shown.insert(name.clone(), value.clone().into());
                }
                Self::Integration(alias) => {
                    if let Some(own) = name.strip_prefix(alias).and_then(|rest| rest.strip_prefix(':')) {
                        shown.insert(own.to_owned(), value.clone().into());
                    }
                }
            }
        }
        Value::Object(shown)
    }

    /// A tag's name as it is stored, from the name that this viewer gave.
    pub fn stored_name(&self, name: &str) -> String {
        match self {
            Self::Bot => name.to_owned(),
            Self::Integration(alias) => format!("{alias}:{name}"),
        }
    }
}

/// A time as ISO 8601 with milliseconds, ending in `Z`.
pub fn iso(millis: u64) -> String {
    match i64::try_from(millis).ok().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok()) {
        Some(time) => format!("{time:.3}"),
        None => "1970-01-01T00:00:00.000Z".to_owned(),
    }
}

fn insert(object: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value.into());
    }
}

fn map(values: &TagMap) -> Value {
    Value::Object(values.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect())
}

/// A conversation.
pub fn conversation_json(conversation: &Conversation, view: View<'_>) -> Value {
    let mut object = Map::new();
    object.insert("id".into(), conversation.id.to_string().into());
    object.insert("createdAt".into(), iso(conversation.created_at).into());
    object.insert("updatedAt".into(), iso(conversation.updated_at).into());
    object.insert("channel".into(), conversation.channel.clone().into());
    object.insert("integration".into(), conversation.integration.clone().into());
    object.insert("tags".into(), view.tags(&conversation.tags));
    object.insert("messageCount".into(), conversation.message_count.into());
    object.insert("properties".into(), map(&conversation.properties));
    insert(&mut object, "currentTaskId", conversation.current_task.clone());
    Value::Object(object)
}

/// A user.
pub fn user_json(user: &User, view: View<'_>) -> Value {
    let mut object = Map::new();
    object.insert("id".into(), user.id.as_str().into());
    object.insert("createdAt".into(), iso(user.created_at).into());
    object.insert("updatedAt".into(), iso(user.updated_at).into());
    object.insert("tags".into(), view.tags(&user.tags));
    insert(&mut object, "name", user.name.clone());
    insert(&mut object, "pictureUrl", user.picture_url.clone());
    object.insert("properties".into(), map(&user.properties));
    object.insert("attributes".into(), map(&user.attributes));
    Value::Object(object)
}

/// A message. An outgoing message's way shows as the tag `portico:status` (and `portico:failure`).
pub fn message_json(message: &Message, view: View<'_>) -> Value {
    let mut tags = view.tags(&message.tags);
    if let (View::Bot, Some(delivery), Value::Object(shown)) = (view, &message.delivery, &mut tags) {
        shown.insert("portico:status".into(), delivery.status.as_str().into());
        insert(shown, "portico:failure", delivery.reason.clone());
        if delivery.possible_duplicate {
            shown.insert("portico:possibleDuplicate".into(), "true".into());
        }
    }
    let mut object = Map::new();
    object.insert("id".into(), message.id.to_string().into());
    object.insert("createdAt".into(), iso(message.created_at).into());
    object.insert("updatedAt".into(), iso(message.updated_at).into());
    object.insert("type".into(), message.kind.clone().into());
    object.insert("payload".into(), message.payload.clone());
    object.insert("direction".into(), json!(message.direction));
    object.insert("userId".into(), message.user.as_str().into());
    object.insert("conversationId".into(), message.conversation.to_string().into());
    object.insert("tags".into(), tags);
    insert(&mut object, "origin", message.origin.clone());
    Value::Object(object)
}

/// The type under which a bot sees a connector's event; `alias` is the installation's.
pub fn event_type(event: &Event, alias: &str) -> String {
    match event {
        Event::Message(_) => "message_created".into(),
        Event::Edit(_) => "message_updated".into(),
        Event::Deletion(_) => "message_deleted".into(),
        Event::Reaction(reaction) => {
            if reaction.added { "reaction_added" } else { "reaction_removed" }.into()
        }
        Event::Receipt(receipt) => match receipt.stage {
            ReceiptStage::Accepted => "message_sent",
            ReceiptStage::Delivered => "message_delivered",
            ReceiptStage::Read => "message_read",
            ReceiptStage::Failed => "message_failed",
        }
        .into(),
        Event::Identity(_) => format!("{alias}:identity_changed"),
        Event::Custom(event) => format!("{alias}:{}", event.name),
    }
}

/// A journaled event as the runtime API shows it. The payload is the event's own; the objects that a
/// dispatch adds for the core are left out.
pub fn event_json(stored: &StoredEvent, bot: &BotId, alias: &str) -> Value {
    let status = match stored.outcome {
        EventOutcome::Pending => "pending",
        EventOutcome::Done => "processed",
        EventOutcome::Ignored | EventOutcome::Dropped => "ignored",
        EventOutcome::Dead => "failed",
    };
    let mut object = Map::new();
    object.insert("id".into(), stored.id.to_string().into());
    object.insert("createdAt".into(), iso(stored.received_at).into());
    object.insert("status".into(), status.into());
    object.insert("failureReason".into(), Value::Null);
    match stored.kind {
        EventKind::Connector => {
            if let Ok(event) = serde_json::from_slice::<Event>(&stored.body) {
                object.insert("type".into(), event_type(&event, alias).into());
                if event.thread().is_some() {
                    object.insert("conversationId".into(), stored.lane.conversation.to_string().into());
                }
                let author = match &event {
                    Event::Message(message) => Some(&message.author),
                    Event::Edit(edit) => Some(&edit.author),
                    Event::Reaction(reaction) => Some(&reaction.author),
                    Event::Deletion(deletion) => deletion.author.as_ref(),
                    Event::Custom(event) => event.author.as_ref(),
                    Event::Receipt(_) | Event::Identity(_) => None,
                };
                if let Some(author) = author {
                    let id = portico_contract::UserId::of_party(bot, &stored.installation, &author.id);
                    object.insert("userId".into(), id.as_str().into());
                }
                let payload = match event {
                    Event::Message(message) => {
                        let id = portico_contract::MessageId::of_event(stored.id).to_string();
                        object.insert("messageId".into(), id.into());
                        let (kind, payload) = message.content.into_parts();
                        json!({ "type": kind, "payload": payload })
                    }
                    Event::Custom(event) => event.data,
                    other => serde_json::to_value(&other).unwrap_or_default(),
                };
                object.insert("payload".into(), payload);
            }
        }
        EventKind::Gateway => {
            if let Ok(event) = serde_json::from_slice::<GatewayEvent>(&stored.body) {
                object.insert("type".into(), event.kind.into());
                object.insert("payload".into(), event.payload);
                insert(&mut object, "conversationId", event.conversation_id.map(|id| id.to_string()));
                insert(&mut object, "userId", event.user_id.map(|id| id.as_str().to_owned()));
                insert(&mut object, "messageId", event.message_id.map(|id| id.to_string()));
                insert(&mut object, "workflowId", event.workflow_id);
            }
        }
        EventKind::Unread | EventKind::Outgoing => {}
    }
    object.entry("type").or_insert_with(|| "unread".into());
    object.entry("payload").or_insert_with(|| json!({}));
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_shown_in_the_viewers_names() {
        let stored: TagMap = [("slack:id", "C1"), ("mine", "x"), ("slacker:id", "no")]
            .map(|(n, v)| (n.into(), v.into()))
            .into();
        assert_eq!(View::Bot.tags(&stored), json!({ "mine": "x", "slack:id": "C1", "slacker:id": "no" }));
        assert_eq!(View::Integration("slack").tags(&stored), json!({ "id": "C1" }));
        assert_eq!(View::Integration("slack").stored_name("id"), "slack:id");
    }

    #[test]
    fn dates_end_in_z() {
        assert_eq!(iso(1_767_322_985_007), "2026-01-02T03:03:05.007Z");
        assert_eq!(iso(u64::MAX), "1970-01-01T00:00:00.000Z");
    }
}
