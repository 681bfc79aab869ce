//! Objects as this API shows them.

use portico_live::Overview;
use portico_store::records::{Conversation, Message, User, iso};
use portico_turns::Installation;
use serde_json::{Map, Value, json};

use crate::payload::{self, Shape};

/// Tag of a message that names the one it answers, as the outbox writes it.
const REPLY_TO: &str = "replyTo";
/// Begins the tags that hold a user's attributes.
pub(crate) const ATTRIBUTE: &str = "attribute.";

/// A user.
pub(crate) fn user(at: &Installation, user: &User) -> Value {
    let mut fields = Map::new();
    fields.insert("id".into(), user.id.as_str().into());
    fields.insert("createdAt".into(), iso(user.created_at).into());
    fields.insert("updatedAt".into(), iso(user.updated_at).into());
    for (name, value) in [("name", &user.name), ("pictureUrl", &user.picture_url)] {
        if let Some(value) = value {
            fields.insert(name.into(), value.clone().into());
        }
    }
    let texts = |pairs: Vec<(&str, &String)>| -> Value {
        Value::Object(
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value.clone().into())).collect(),
        )
    };
    if !user.properties.is_empty() {
        fields.insert("data".into(), texts(user.properties.iter().map(|(n, v)| (n.as_str(), v)).collect()));
    }
    let prefix = format!("{}:{ATTRIBUTE}", at.alias);
    let attributes: Vec<(&str, &String)> =
        user.tags.iter().filter_map(|(name, value)| Some((name.strip_prefix(&prefix)?, value))).collect();
    if !attributes.is_empty() {
        fields.insert("attributes".into(), texts(attributes));
    }
    Value::Object(fields)
}

/// A conversation.
pub(crate) fn conversation(conversation: &Conversation) -> Value {
    json!({
        "id": conversation.id,
        "createdAt": iso(conversation.created_at),
        "updatedAt": iso(conversation.updated_at),
    })
}

/// A conversation in a list, with its last message.
pub(crate) fn overview(at: &Installation, overview: &Overview) -> Value {
    let mut shown = conversation(&overview.conversation);
    if let (Some(last), Some(fields)) = (&overview.last, shown.as_object_mut()) {
        fields.insert("lastMessage".into(), message(at, last));
    }
    shown
}

/// A message.
pub(crate) fn message(at: &Installation, message: &Message) -> Value {
    let shown = payload::show(Shape::Webchat, &message.kind, &message.payload);
    let mut fields = Map::new();
    fields.insert("id".into(), message.id.to_string().into());
    fields.insert("createdAt".into(), iso(message.created_at).into());
    fields.insert("payload".into(), shown.payload);
    fields.insert("userId".into(), message.user.as_str().into());
    fields.insert("conversationId".into(), message.conversation.to_string().into());
    if let Some(metadata) = shown.metadata {
        fields.insert("metadata".into(), metadata.into());
    }
    if let Some(answered) = message.tags.get(REPLY_TO) {
        fields.insert("replyTo".into(), answered.clone().into());
    }
    let tag = |name: &str| message.tags.get(&format!("{}:{name}", at.alias));
    if let Some(user) = tag("selectedBy") {
        fields.insert("selectedBy".into(), user.clone().into());
    }
    if let Some(value) = tag("feedback") {
        let mut feedback = json!({ "value": value });
        if let (Some(comment), Some(fields)) = (tag("feedbackComment"), feedback.as_object_mut()) {
            fields.insert("comment".into(), comment.clone().into());
        }
        fields.insert("feedback".into(), feedback);
    }
    Value::Object(fields)
}
