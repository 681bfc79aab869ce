//! The rows themselves.

use std::collections::BTreeMap;

use portico_contract::{Content, ConversationId, InstallationId, MessageId, Millis, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Tags under their full names: `slack:id` for a connector's, `mine` for the bot's own.
pub type TagMap = BTreeMap<String, String>;

/// A row as it was read, with the version to expect when it is written back.
#[derive(Clone, Debug, PartialEq)]
pub struct Versioned<T> {
    /// The row.
    pub value: T,
    /// Its version.
    pub version: u64,
}

/// One conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// Id.
    pub id: ConversationId,
    /// The installation that carries it; `None` for one that a bot made for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installation: Option<InstallationId>,
    /// Name of the integration as the bot knows it: the installation's alias.
    pub integration: String,
    /// Kind of conversation.
    pub channel: String,
    /// Key of the provider's thread, as the connector builds it.
    #[serde(default)]
    pub key: String,
    /// Tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: TagMap,
    /// The bot's own properties.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: TagMap,
    /// The person it is with, where it is with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<UserId>,
    /// Messages so far.
    #[serde(default)]
    pub message_count: u64,
    /// The bot's current task, if it set one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_task: Option<String>,
    /// When it was made.
    pub created_at: Millis,
    /// When it last changed.
    pub updated_at: Millis,
}

/// One user of a bot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// Name to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Address of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture_url: Option<String>,
    /// Tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: TagMap,
    /// The bot's own properties.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: TagMap,
    /// Attributes (deprecated by Botpress).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: TagMap,
    /// The provider's id of the person, where one stands behind the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub party: Option<String>,
    /// When it was made.
    pub created_at: Millis,
    /// When it last changed.
    pub updated_at: Millis,
}

/// Direction of a message, seen from the bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To the bot.
    Incoming,
    /// From the bot.
    Outgoing,
}

/// How far an outgoing message got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryStatus {
    /// In the outbox.
    Pending,
    /// The provider took it.
    Sent,
    /// It reached a device.
    Delivered,
    /// It was seen.
    Read,
    /// It will not arrive.
    Failed,
}

impl DeliveryStatus {
    /// The status in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
        }
    }
}

/// What is known of a message's way: of the bot's to its people, of a live conversation's to the bot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageDelivery {
    /// How far it got.
    pub status: DeliveryStatus,
    /// When that was learnt.
    pub at: Millis,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The provider's ids of it, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external_ids: Vec<String>,
    /// It was sent again after an unknown outcome, so the person may have it twice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub possible_duplicate: bool,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Id.
    pub id: MessageId,
    /// Its conversation.
    pub conversation: ConversationId,
    /// Who said it.
    pub user: UserId,
    /// Which way it went.
    pub direction: Direction,
    /// Type, as on the wire.
    #[serde(rename = "type")]
    pub kind: String,
    /// Payload, as on the wire.
    pub payload: Value,
    /// Tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: TagMap,
    /// The way out, for outgoing messages; how far it got, for those of visitors of live conversations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<MessageDelivery>,
    /// `synthetic` for messages that nobody typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// When it was made.
    pub created_at: Millis,
    /// When it last changed.
    pub updated_at: Millis,
}

impl Message {
    /// What it says, as typed content.
    ///
    /// # Errors
    /// The content's own error, for payloads that are not of their type.
    pub fn content(&self) -> Result<Content, portico_contract::ContentError> {
        Content::from_parts(&self.kind, self.payload.clone())
    }
}

/// Whose state it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateType {
    /// A conversation's.
    Conversation,
    /// A user's.
    User,
    /// The bot's.
    Bot,
    /// An integration's.
    Integration,
    /// A workflow's.
    Workflow,
}

impl StateType {
    /// Reads the path segment of the API.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "conversation" => Self::Conversation,
            "user" => Self::User,
            "bot" => Self::Bot,
            "integration" => Self::Integration,
            "workflow" => Self::Workflow,
            _ => return None,
        })
    }

    /// The path segment of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Conversation => "conversation",
            Self::User => "user",
            Self::Bot => "bot",
            Self::Integration => "integration",
            Self::Workflow => "workflow",
        }
    }
}

/// A named state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Id.
    pub id: String,
    /// Whose kind.
    #[serde(rename = "type")]
    pub kind: StateType,
    /// Whose.
    pub owner: String,
    /// Name.
    pub name: String,
    /// Value.
    pub payload: Value,
    /// Milliseconds without use after which it is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<u64>,
    /// When that will be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
    /// When it was made.
    pub created_at: Millis,
    /// When it last changed.
    pub updated_at: Millis,
}
