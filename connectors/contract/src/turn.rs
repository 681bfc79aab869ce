//! Turns: what a connector answers to a job.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Delivered, Event, Fault, OutboundRequest, Reply, Scope, Thread};

/// One entry of the connector's state to write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateWrite {
    /// Whose state.
    pub scope: Scope,
    /// Key, declared in the manifest's `states`.
    pub key: String,
    /// New value; `None` deletes.
    pub data: Option<Bytes>,
    /// When set, the turn is run again if the stored revision differs; `Some("")` means "not there yet".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<String>,
    /// Seconds after which the entry is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime_s: Option<u32>,
}

/// A timer to set or cancel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerSet {
    /// Name, unique within the installation.
    pub name: String,
    /// Milliseconds from now; `None` cancels.
    pub after_ms: Option<u32>,
}

/// Something a turn wants stored or shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every effect is an event; a box would cost each of them an allocation"
)]
pub enum Effect {
    /// An event for the bot.
    Emit(Event),
    /// A state entry.
    Write(StateWrite),
    /// A timer.
    Timer(TimerSet),
    /// A thread that exists from now on, without a message yet: its conversation is created, and an action's
    /// output gets its id as `conversationId`.
    Open(Thread),
    /// Something to show at once to whoever has the thread open; never stored, and lost on everybody else. Only
    /// for connectors whose manifest says `live`.
    ///
    /// Two names mean something to the gateway: `typing` (data `on`, and optionally `timeoutMs` and `userId`) and
    /// `draft` (data `id` with one of `append`, `text` or `abort: true`, and optionally `userId`): a message that
    /// grows. `event` is an event of the bot for the visitor's program (data as it is to be shown). Every other name
    /// is a command of the bot for the visitor's client, such as `open`.
    Signal {
        /// Where.
        thread: Thread,
        /// What, at most 100 bytes.
        name: String,
        /// With what, at most 64 KiB as JSON.
        data: Value,
        /// Milliseconds after which it means nothing any more.
        ttl_ms: u32,
    },
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing to say.
    #[default]
    Nothing,
    /// A message was delivered.
    Delivered(Delivered),
    /// An action's output.
    Output(Value),
}

/// Requests to send, one after the other in this order, before the run goes on.
/// After an answer that is no 2xx, or none at all, the rest is not sent and `resume` gets what there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// 1 to 8 requests.
    pub requests: Vec<OutboundRequest>,
    /// Private note handed back, untouched, with the answers; at most 256 KiB.
    pub memo: Bytes,
}

/// What comes after this turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum Next {
    /// Send requests, then `resume`.
    Ask(Ask),
    /// The run is over.
    Done(Outcome),
}

/// A connector's answer to a job. Effects are stored in one commit, or not at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// What to store; at most 1,000 events, 256 others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<Effect>,
    /// Answer for the waiting webhook caller, sent once the effects are stored. Counts in the first turn of
    /// a webhook run only; without one the gateway answers 200 with no body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Reply>,
    /// What comes next.
    pub next: Next,
}

impl Turn {
    /// Done, with nothing to store.
    pub fn done(outcome: Outcome) -> Self {
        Self { effects: Vec::new(), reply: None, next: Next::Done(outcome) }
    }

    /// Done, with events to store.
    pub fn emit(events: impl IntoIterator<Item = Event>) -> Self {
        Self {
            effects: events.into_iter().map(Effect::Emit).collect(),
            reply: None,
            next: Next::Done(Outcome::Nothing),
        }
    }

    /// Sends requests, then goes on with `memo`.
    pub fn ask(requests: Vec<OutboundRequest>, memo: impl Into<Bytes>) -> Self {
        Self { effects: Vec::new(), reply: None, next: Next::Ask(Ask { requests, memo: memo.into() }) }
    }

    /// Adds an answer for the waiting caller.
    #[must_use]
    pub fn with_reply(mut self, reply: Reply) -> Self {
        self.reply = Some(reply);
        self
    }

    /// Adds an effect.
    #[must_use]
    pub fn with_effect(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }
}

/// What a failed job returns instead of a turn.
pub type TurnResult = Result<Turn, Fault>;
