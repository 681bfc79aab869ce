//! The port through which outbound, the runtime API and the turn processor reach people who are connected to the
//! gateway itself. `portico-live` stands behind it; without live installations nobody does.

use std::sync::Arc;

use portico_contract::{ConversationId, UserId};
use portico_store::records::{Message, StreamItem};
use serde_json::Value;

/// Tag of a message that names the draft that it ends.
pub const DRAFT_TAG: &str = "portico:draft";

/// An item of a conversation's stream, told after the commit that stored it.
#[derive(Clone, Debug)]
pub struct ShownItem {
    /// Number in the stream.
    pub seq: u64,
    /// What the stream holds.
    pub item: StreamItem,
    /// The message that the item is about, as the same commit stored it. Without it the row is read.
    pub message: Option<Arc<Message>>,
}

/// Something for whoever has the conversation open at this moment; see `portico_contract::Effect::Signal`.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// What.
    pub name: String,
    /// With what.
    pub data: Value,
    /// Milliseconds after which it means nothing any more.
    pub ttl_ms: u32,
    /// Who shows it: the bot's own user, where nothing else is said.
    pub by: UserId,
}

/// What happens to a message that grows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DraftStep {
    /// This text comes behind what is there; the first one begins the draft.
    Append(String),
    /// The whole text so far is this.
    Replace(String),
    /// It will not become a message.
    Abort,
}

/// Why a draft did not grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DraftRefused {
    /// Nobody shows drafts here: the conversation belongs to no live installation.
    #[error("the conversation's channel shows no drafts")]
    Unsupported,
    /// A draft of this id is another user's.
    #[error("the draft belongs to another user")]
    Taken,
    /// More text than a message may have.
    #[error("a draft may have at most {limit} bytes of text")]
    TooLong {
        /// How much is allowed, in bytes.
        limit: usize,
    },
    /// More drafts at a time than a conversation may have.
    #[error("a conversation may have at most {limit} drafts at a time")]
    TooMany {
        /// How many are allowed.
        limit: usize,
    },
}

/// Where what happens in live conversations is told to those who listen. Calls return at once.
pub trait Outlet: Send + Sync {
    /// An item was stored in a conversation's stream. Items may be told out of order, and one may be told late.
    fn shown(&self, conversation: ConversationId, item: ShownItem);

    /// Something to show now or never.
    fn signal(&self, conversation: ConversationId, signal: Signal);

    /// A message grows, or will not be.
    ///
    /// # Errors
    /// [`DraftRefused`]; then nothing changed.
    fn draft(
        &self,
        conversation: ConversationId,
        id: &str,
        by: &UserId,
        step: DraftStep,
    ) -> Result<(), DraftRefused>;

    /// A conversation is gone.
    fn ended(&self, conversation: ConversationId);
}

/// Nobody listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoOutlet;

impl Outlet for NoOutlet {
    fn shown(&self, _: ConversationId, _: ShownItem) {}

    fn signal(&self, _: ConversationId, _: Signal) {}

    fn draft(&self, _: ConversationId, _: &str, _: &UserId, _: DraftStep) -> Result<(), DraftRefused> {
        Err(DraftRefused::Unsupported)
    }

    fn ended(&self, _: ConversationId) {}
}
