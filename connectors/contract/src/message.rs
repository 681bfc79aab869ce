//! What goes out: messages to deliver, and things a bot asks a connector to do.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Content, MessageId, Party, Tags, Thread};

/// The action by which the gateway has a live connector tell what happened to the address that its manifest names in
/// `signals_to`. Input: `{ "signal": … }`, in the form that the installation's clients get.
pub const TELL_SIGNAL: &str = "tellSignal";

/// A message that waits in the outbox, as `deliver` gets it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutboundMessage {
    /// Portico's id; the same for every attempt. Use it where the provider takes an idempotency key.
    pub id: MessageId,
    /// Where to send it.
    pub thread: Thread,
    /// The person the thread is with, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<Party>,
    /// What to say, in order. Blocs are taken apart, and kinds that the channel can't carry are replaced,
    /// before the connector sees them; limits of a kind are the connector's to keep.
    pub parts: Vec<Content>,
    /// The provider's id of the message to answer, where the bot named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// Tags that the bot set, in the connector's view (without prefix).
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// 1 for the first attempt.
    pub attempt: u32,
}

/// What the provider said of a delivered message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Delivered {
    /// The provider's message ids, one per part that it knows as a message, in order.
    pub external_ids: Vec<String>,
    /// Message tags to keep, in the connector's view.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

/// An earlier message that an action is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MessageRef {
    /// The provider's ids of it, in order.
    pub external_ids: Vec<String>,
    /// Its tags, in the connector's view.
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
    /// What it said, where the gateway still knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
}

/// Something a bot or operator asks a connector to do.
///
/// Besides the names in its manifest, every connector may be asked for these, and answers `unsupported`
/// where the provider has no such thing:
/// `startTypingIndicator`, `stopTypingIndicator`, `markAsRead`, `addReaction` and `removeReaction`
/// (input `reaction`), `editMessage` (input `type`, `payload`), `deleteMessage`; and `media` (input `handle`):
/// fetch what [`crate::MEDIA_SCHEME`] names, with the bytes kept as a blob, output `{"blob": id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionCall {
    /// Name without prefix.
    pub name: String,
    /// Input, checked against the manifest's schema.
    pub input: Value,
    /// The thread of `input.conversationId`, where that is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Thread>,
    /// The message of `input.messageId`, where that is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageRef>,
    /// The same for every attempt of one call.
    pub idempotency_key: String,
}
