//! What dispatch needs of others: where replies go, who is known under which name, what media are called.

use std::sync::Arc;

use async_trait::async_trait;
use portico_contract::{BotId, ConversationId, EventId, InstallationId};
use serde_json::Value;

/// One message of a core's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// Its place in the answer, from 0: with the event's id the key by which a repeat is known.
    pub index: usize,
    /// Type, as on the wire.
    pub kind: String,
    /// Payload, as on the wire.
    pub payload: Value,
    /// The draft that it ends: what the bot let grow before (`PUT /v1/chat/drafts/{draftId}`).
    pub draft: Option<String>,
}

/// Why replies were not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// Messages can't be sent as they are; the others were accepted. It is told to operators, never retried.
    #[error("reply {index}: {reason}")]
    Refused {
        /// Place of the first one.
        index: usize,
        /// Field and rule that it breaks; never its text.
        reason: String,
    },
    /// They could not be kept now; the event is offered again later.
    #[error("replies can't be kept now: {0}")]
    Unavailable(String),
}

/// Takes what a core says to an event into the outbox.
#[async_trait]
pub trait Replies: Send + Sync + 'static {
    /// Keeps replies to `origin` in their order. The same event and index again make no second message.
    ///
    /// # Errors
    /// [`ReplyError`].
    async fn accept(
        &self,
        bot: &BotId,
        conversation: ConversationId,
        replies: Vec<Reply>,
        origin: EventId,
    ) -> Result<(), ReplyError>;
}

/// What a connector says of a file that only it can open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaMeta<'a> {
    /// Media type.
    pub mime_type: Option<&'a str>,
    /// File name.
    pub filename: Option<&'a str>,
    /// Bytes.
    pub size: Option<u64>,
}

/// Gives files that only a connector can open an address that a bot can.
pub trait MediaLinks: Send + Sync + 'static {
    /// The address of an installation's file.
    fn link(&self, installation: &InstallationId, handle: &str, meta: &MediaMeta<'_>) -> String;
}

/// Knows under which name a bot knows an installation.
pub trait Aliases: Send + Sync + 'static {
    /// The alias; `None` when the installation is not configured any more.
    fn alias(&self, installation: &InstallationId) -> Option<Arc<str>>;
}

impl<F: Fn(&InstallationId) -> Option<Arc<str>> + Send + Sync + 'static> Aliases for F {
    fn alias(&self, installation: &InstallationId) -> Option<Arc<str>> {
        self(installation)
    }
}
