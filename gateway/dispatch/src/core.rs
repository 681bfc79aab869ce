//! The port of a bot core: what it is offered, and what it may answer. Adapters stand beside it, a file each.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use portico_contract::{BotId, ConversationId, EventId, InstallationId, Millis};
use portico_store::records::{Conversation, Message, User};
use serde_json::Value;

use crate::Reply;

/// An event as a core is offered it; every attempt carries the same id.
#[derive(Clone, Debug)]
pub struct Offer {
    /// The event.
    pub id: EventId,
    /// When it was kept.
    pub created_at: Millis,
    /// Type as the bot sees it: `message_created`, `slack:reacted`…
    pub kind: String,
    /// The bot.
    pub bot: BotId,
    /// The installation that it came through.
    pub installation: InstallationId,
    /// Name under which the bot knows that installation.
    pub integration: String,
    /// The conversation whose order it keeps; after a change of identity not the one that it belongs to.
    pub lane: ConversationId,
    /// Its number in that order.
    pub sequence: u64,
    /// Grows with every owner of that order; a lower one than seen before is a late ghost.
    pub epoch: u64,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Whether an operator asked for it again.
    pub replay: bool,
    /// The conversation it belongs to, if any.
    pub conversation: Option<Arc<Conversation>>,
    /// Who said or did it, if known.
    pub user: Option<Arc<User>>,
    /// The message it is about, if known.
    pub message: Option<Message>,
    /// The reaction, for `reaction_added` and `reaction_removed`.
    pub reaction: Option<String>,
    /// The event's own payload; null for `message_created` of a connector.
    pub payload: Value,
}

/// What became of an offer.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The core has it.
    Accepted {
        /// What the core says to it, in order.
        replies: Vec<Reply>,
        /// What is wrong with its answer, for operators.
        complaint: Option<String>,
    },
    /// A core of this kind has no use for such an event.
    NotForIt,
    /// The core was not reached, or something before it says that it is away: counted for the breaker.
    Down(Failure),
    /// The core failed this event.
    Failed(Failure),
    /// The core asks for it later; with a stated time no attempt is counted.
    Later(Failure, Option<Duration>),
    /// The core refuses it for good.
    Refused(Failure),
    /// The core is gone: the bot is paused.
    Gone(Failure),
    /// It could not be turned into a request.
    Unsendable(String),
}

/// Why an offer failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// Short machine-readable cause: `timed_out`, `http_500`…
    pub code: String,
    /// For operators: what the other side said, cut short.
    pub detail: String,
}

/// A bot core, as dispatch sees it.
#[async_trait]
pub trait Core: Send + Sync + 'static {
    /// Its kind, as in the configuration.
    fn kind(&self) -> &'static str;

    /// Hands an event over and waits until the core has done with it. Nothing is locked meanwhile: cores call
    /// back while they work.
    async fn offer(&self, offer: &Offer) -> Answer;

    /// Says hello when the bot is set up.
    ///
    /// # Errors
    /// What the core answered, for operators.
    async fn introduce(&self) -> Result<(), String> {
        Ok(())
    }
}
