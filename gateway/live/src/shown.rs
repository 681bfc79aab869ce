//! What people see: items of a stream with the rows they point at, and signals that nobody keeps.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use portico_contract::{EventId, MessageId, Millis, UserId};
use portico_store::records::{Conversation, Message, StreamStatus, User};
use serde_json::Value;

/// Wires that may keep their own form of an item with it.
const WIRES: usize = 4;

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// The user's id; the bot's own user has the bot's id.
    pub user: String,
    /// Whether it is the bot.
    pub is_bot: bool,
}

/// One item of a stream, with what it points at.
#[derive(Debug)]
pub struct Shown {
    /// Number in the conversation's stream.
    pub seq: u64,
    /// When.
    pub at: Millis,
    /// What.
    pub what: What,
    wires: [OnceLock<Bytes>; WIRES],
}

/// What an item says.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A message was said, by either side (`direction` tells which).
    Message {
        /// The message as it is now; an edit since then shows here already.
        message: Arc<Message>,
        /// The id under which the visitor's program sent it.
        client_id: Option<String>,
    },
    /// A message says something else from now on.
    Updated {
        /// The message as it is now.
        message: Arc<Message>,
    },
    /// A message is gone. Also shown in place of a message that is not there any more.
    Deleted {
        /// The message.
        id: MessageId,
        /// Who said it, where that is still known.
        user: Option<UserId>,
    },
    /// A visitor's own message got somewhere.
    Status {
        /// The message.
        id: MessageId,
        /// Where.
        status: StreamStatus,
        /// Why it failed.
        reason: Option<String>,
    },
    /// Somebody takes part, or not any more.
    Participant {
        /// Who.
        user: UserId,
        /// The user's row, where it is still there.
        person: Option<Arc<User>>,
        /// Whether they take part now.
        joined: bool,
    },
    /// The conversation's own facts changed.
    Conversation {
        /// The conversation as it is now; `None` once it is gone.
        conversation: Option<Arc<Conversation>>,
    },
    /// An event for the visitor's program.
    Event {
        /// Its id.
        id: EventId,
        /// Its name, without the integration's.
        name: String,
        /// Who caused it.
        user: UserId,
        /// Its data.
        data: Value,
        /// Whether the bot caused it.
        is_bot: bool,
        /// The id under which the visitor's program sent it.
        client_id: Option<String>,
    },
}

/// Something for whoever has the conversation open; not stored, not numbered.
#[derive(Clone, Debug, PartialEq)]
pub enum Signal {
    /// Somebody writes, or stopped.
    Typing {
        /// Who.
        by: Speaker,
        /// Whether they write.
        on: bool,
        /// Milliseconds after which to stop showing it.
        timeout_ms: u32,
    },
    /// A draft grew.
    Delta {
        /// The draft.
        draft: String,
        /// 0, 1, 2 … over the deltas of a draft; after a gap wait for a full one.
        n: u64,
        /// What came behind, or with `full` all so far.
        text: String,
        /// Whether `text` is all so far.
        full: bool,
        /// Who writes it.
        by: Speaker,
        /// When the draft began.
        began_at: Millis,
    },
    /// A draft ended.
    DraftEnded {
        /// The draft.
        draft: String,
        /// The message that it became, which has been shown already; `None`: it was given up.
        message: Option<MessageId>,
    },
    /// A command of the bot for the visitor's client: `open`, `close`, `toggle`, `config` …
    Command {
        /// Its name.
        name: String,
        /// Its data.
        data: Value,
        /// Milliseconds after which it means nothing any more.
        ttl_ms: u32,
    },
    /// An event of the bot for the visitor's program that nobody keeps.
    Custom {
        /// Its data.
        data: Value,
        /// Who caused it.
        by: Speaker,
        /// When.
        at: Millis,
    },
}

impl Shown {
    /// An item.
    pub fn new(seq: u64, at: Millis, what: What) -> Self {
        Self { seq, at, what, wires: Default::default() }
    }

    /// A wire's own form of the item, made once for all who listen. `wire` is a number below 4 that belongs to
    /// the caller's form; above that nothing is kept.
    pub fn encoded(&self, wire: usize, make: impl FnOnce(&Self) -> Bytes) -> Bytes {
        match self.wires.get(wire) {
            Some(kept) => kept.get_or_init(|| make(self)).clone(),
            None => make(self),
        }
    }

    /// About how many bytes it takes on a wire.
    pub(crate) fn weight(&self) -> usize {
        const FRAME: usize = 256;
        FRAME
            + match &self.what {
                What::Message { message, .. } | What::Updated { message } => weight_of(&message.payload),
                What::Event { data, .. } => weight_of(data),
                _ => 0,
            }
    }
}

impl Signal {
    /// About how many bytes it takes on a wire.
    pub(crate) fn weight(&self) -> usize {
        const FRAME: usize = 128;
        FRAME
            + match self {
                Self::Delta { text, .. } => text.len(),
                Self::Command { data, .. } | Self::Custom { data, .. } => weight_of(data),
                Self::Typing { .. } | Self::DraftEnded { .. } => 0,
            }
    }
}

/// About how long a value is as JSON.
fn weight_of(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| weight_of(item) + 1).sum(),
        Value::Object(fields) => fields.iter().map(|(name, value)| name.len() + 4 + weight_of(value)).sum(),
    }
}
