//! Events: what a verified webhook turned out to say.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Content, Millis, Tags};

/// Something that happened at the provider. In the JSON form of the contract everything but `message` and
/// `receipt` is a custom event under the reserved name given at each case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// Somebody wrote to the bot.
    Message(InboundMessage),
    /// `message_updated`: a message was edited.
    Edit(Edit),
    /// `message_deleted`: a message was taken back.
    Deletion(Deletion),
    /// `reaction_added` or `reaction_removed`.
    Reaction(Reaction),
    /// The provider's word on a message that the bot sent.
    Receipt(Receipt),
    /// `identity_changed`: a conversation or person is known by another id from now on.
    Identity(IdentityChange),
    /// Anything else, under a name that the manifest declares; bots see `connector:name`.
    Custom(CustomEvent),
}

impl Event {
    /// Reads the JSON form, as [`serde_json::from_slice`] does. Messages, which are nearly all, are read without the
    /// copy that telling kinds apart costs.
    ///
    /// # Errors
    /// When it is not the JSON of an event.
    pub fn read(json: &[u8]) -> serde_json::Result<Self> {
        // That it is text is seen once, not string by string; where it is not, the reader says where.
        let Ok(text) = str::from_utf8(json) else { return serde_json::from_slice(json) };
        if text.starts_with(r#"{"kind":"message","#) {
            return serde_json::from_str(text).map(Self::Message);
        }
        serde_json::from_str(text)
    }

    /// The thread whose order this event belongs to; without one it belongs to the installation's own.
    pub fn thread(&self) -> Option<&Thread> {
        match self {
            Self::Message(message) => Some(&message.thread),
            Self::Edit(edit) => Some(&edit.thread),
            Self::Deletion(deletion) => Some(&deletion.thread),
            Self::Reaction(reaction) => Some(&reaction.thread),
            Self::Receipt(receipt) => receipt.thread.as_ref(),
            Self::Identity(change) => Some(&change.thread),
            Self::Custom(event) => event.thread.as_ref(),
        }
    }

    /// What makes a provider's repeat of this event recognisable, together with the installation.
    /// `None`: the provider gives nothing to tell a repeat by.
    pub fn dedupe_key(&self) -> Option<Cow<'_, str>> {
        self.dedupe_parts().map(|parts| Cow::Owned(parts.concat()))
    }

    /// [`Event::dedupe_key`] in pieces that follow one another.
    pub fn dedupe_parts(&self) -> Option<[&str; 4]> {
        Some(match self {
            Self::Message(message) => ["m:", message.dedupe_id(), "", ""],
            Self::Edit(edit) => ["e:", &edit.event_id, "", ""],
            Self::Deletion(deletion) => ["d:", &deletion.event_id, "", ""],
            Self::Reaction(reaction) => ["r:", &reaction.event_id, "", ""],
            Self::Receipt(receipt) => ["s:", receipt.stage.as_str(), ":", &receipt.external_id],
            Self::Identity(change) => ["i:", &change.event_id, "", ""],
            Self::Custom(event) => ["c:", &event.name, ":", event.external_id.as_deref()?],
        })
    }
}

/// A place where people talk with the bot: one conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thread {
    /// Kind of conversation, declared in the manifest (`dm`, `channel`, `thread`).
    pub channel: Cow<'static, str>,
    /// What tells this thread from all others of the installation and channel: the values of the channel's
    /// `identity` tags, joined by [`Thread::key_of`]. At most 500 bytes.
    pub key: String,
    /// What is known of the thread, under the tag names that the manifest declares.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

impl Thread {
    /// A thread told apart by some of its tags, in the order in which the manifest's `identity` names them.
    /// The API gives the same key to a conversation that a bot creates with those tags.
    pub fn new(channel: impl Into<Cow<'static, str>>, identity: &[&'static str], tags: Tags) -> Self {
        let key = Self::key_of(identity.iter().map(|name| tags.get(name).unwrap_or_default()));
        Self { channel: channel.into(), key, tags }
    }

    /// Joins identity values into a key: `%` and `/` inside a value are escaped, `/` stands between values.
    pub fn key_of<'a>(values: impl Iterator<Item = &'a str>) -> String {
        let mut key = String::with_capacity(40);
        for (index, value) in values.enumerate() {
            if index > 0 {
                key.push('/');
            }
            if !value.contains(['%', '/']) {
                key.push_str(value);
                continue;
            }
            for letter in value.chars() {
                match letter {
                    '%' => key.push_str("%25"),
                    '/' => key.push_str("%2F"),
                    other => key.push(other),
                }
            }
        }
        key
    }
}

/// A person or bot at the provider.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Party {
    /// The provider's id, unique within the installation.
    pub id: String,
    /// Name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Address of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture_url: Option<String>,
    /// Whether the provider says that it is a bot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_bot: bool,
    /// What else is known, under the user tags that the manifest declares.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

/// A message to the bot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InboundMessage {
    /// The provider's message id as later edits, reactions and replies name it.
    pub external_id: String,
    /// What a repeat is known by, where `external_id` is not unique in the whole installation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dedupe: Option<String>,
    /// Where it was said.
    pub thread: Thread,
    /// Who said it.
    pub author: Party,
    /// When, by the provider's clock.
    pub sent_at: Millis,
    /// What was said; several parts make a [`Content::Bloc`].
    pub content: Content,
    /// The provider's id of the message that this one answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Message tags that the manifest declares.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

impl InboundMessage {
    fn dedupe_id(&self) -> &str {
        self.dedupe.as_deref().unwrap_or(&self.external_id)
    }
}

/// New content of an earlier message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edit {
    /// What a repeat of this event is known by.
    pub event_id: String,
    /// The message that was edited.
    pub external_id: String,
    /// Where it stands.
    pub thread: Thread,
    /// Who edited it.
    pub author: Party,
    /// What it says now.
    pub content: Content,
    /// When, by the provider's clock.
    pub at: Millis,
}

/// A message that was taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deletion {
    /// What a repeat of this event is known by.
    pub event_id: String,
    /// The message that is gone.
    pub external_id: String,
    /// Where it stood.
    pub thread: Thread,
    /// Who took it back, where the provider tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Party>,
    /// When, by the provider's clock.
    pub at: Millis,
}

/// A reaction put on a message, or taken off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reaction {
    /// What a repeat of this event is known by.
    pub event_id: String,
    /// The message reacted to.
    pub external_id: String,
    /// Where it stands.
    pub thread: Thread,
    /// Who reacted.
    pub author: Party,
    /// The emoji, or the provider's name of it. Empty when the provider does not say which was removed.
    pub reaction: String,
    /// Whether it was put on; else it was taken off.
    pub added: bool,
    /// When, by the provider's clock.
    pub at: Millis,
}

/// How far a sent message got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptStage {
    /// The provider took it.
    Accepted,
    /// It reached a device.
    Delivered,
    /// It was seen.
    Read,
    /// It will not arrive.
    Failed,
}

impl ReceiptStage {
    /// The stage in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
        }
    }
}

/// The provider's word on a message that the bot sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// The provider's id of the sent message.
    pub external_id: String,
    /// Where it was sent; `None` when the receipt does not say (the message is found by its id).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Thread>,
    /// How far it got.
    pub stage: ReceiptStage,
    /// When, by the provider's clock.
    pub at: Millis,
    /// Why it failed: the provider's code and words, such as `131047: re-engagement message`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A thread or person that is known by another id from now on (Telegram group migration, WhatsApp number change).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IdentityChange {
    /// What a repeat of this event is known by.
    pub event_id: String,
    /// The thread under its old identity; its conversation is kept.
    pub thread: Thread,
    /// The thread's new identity, where the thread itself is renamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_thread: Option<Thread>,
    /// Old and new provider id of the person, where a person is renamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<(String, String)>,
    /// When, by the provider's clock.
    pub at: Millis,
}

/// An event under a name of the connector's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CustomEvent {
    /// Name declared in the manifest, without prefix.
    pub name: Cow<'static, str>,
    /// What a repeat is known by; `None` when the provider gives nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// The thread it belongs to, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Thread>,
    /// The person it is about or from, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Party>,
    /// The message it is about, by the provider's id, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The event's payload.
    pub data: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thread_keys_keep_their_values_apart() {
        let key = |values: &[&str]| Thread::key_of(values.iter().copied());
        assert_eq!(key(&["C1", "17.5"]), "C1/17.5");
        assert_ne!(key(&["a/b", "c"]), key(&["a", "b/c"]));
        assert_ne!(key(&["a%2Fb"]), key(&["a/b"]));
    }

    #[test]
    fn events_go_to_json_and_back() {
        let event = Event::Message(InboundMessage {
            external_id: "1".into(),
            dedupe: None,
            thread: Thread::new("dm", &["id"], Tags::new().with("id", "D1")),
            author: Party { id: "U1".into(), ..Party::default() },
            sent_at: 5,
            content: Content::text("hi"),
            reply_to: None,
            tags: Tags::new(),
        });
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(
            text,
            r#"{"kind":"message","external_id":"1","thread":{"channel":"dm","key":"D1","tags":{"id":"D1"}},"author":{"id":"U1"},"sent_at":5,"content":{"type":"text","payload":{"text":"hi"}}}"#
        );
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
        assert_eq!(Event::read(text.as_bytes()).unwrap(), event);
        let spaced = text.replacen(':', ": ", 1);
        assert_eq!(Event::read(spaced.as_bytes()).unwrap(), event);
        assert!(Event::read(br#"{"kind":"message","external_id":"1"}"#).is_err());
        let receipt = br#"{"kind":"receipt","external_id":"1","stage":"read","at":5}"#;
        assert!(matches!(Event::read(receipt), Ok(Event::Receipt(_))));
    }
}
