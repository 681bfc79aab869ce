//! Journaled events: written once, never changed; only their place in a lane and their outcome change.

use bytes::Bytes;
use portico_contract::{BotId, EventId, InstallationId, Millis};
use serde::{Deserialize, Serialize};

use crate::Lane;

/// What a journaled event is, and with that how its body reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum EventKind {
    /// A connector's event; the body is the JSON of `portico_contract::Event`.
    Connector = 0,
    /// A genuine webhook that could not be understood; no body, `raw` is what came.
    Unread = 1,
    /// An event made through the API or by the gateway; the body is the JSON of `records::GatewayEvent`.
    Gateway = 2,
    /// A message or action on its way to the provider; the body is the JSON of `records::Outgoing`.
    Outgoing = 3,
}

impl EventKind {
    /// The kind of a stored byte.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Connector,
            1 => Self::Unread,
            2 => Self::Gateway,
            3 => Self::Outgoing,
            _ => return None,
        })
    }
}

/// An event to journal.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Its id; ascending with time.
    pub id: EventId,
    /// The bot that it is for, or from.
    pub bot: BotId,
    /// The installation that it came through, or goes to.
    pub installation: InstallationId,
    /// What it is.
    pub kind: EventKind,
    /// When it arrived.
    pub received_at: Millis,
    /// Normalized form; see [`EventKind`]. At most 4 MiB together with `raw`.
    pub body: Bytes,
    /// The request as received (`records::RawRequest`); empty when there is none.
    pub raw: Bytes,
    /// The event that holds the raw request, where several events came in one.
    pub raw_of: Option<EventId>,
}

/// How far an event got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum EventOutcome {
    /// It waits in its lane.
    Pending = 0,
    /// Accepted by the core, or by the provider.
    Done = 1,
    /// Settled without being offered: nothing to do.
    Ignored = 2,
    /// Given up; it is a dead letter.
    Dead = 3,
    /// Dropped by an operator.
    Dropped = 4,
}

impl EventOutcome {
    /// The outcome of a stored byte.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Pending,
            1 => Self::Done,
            2 => Self::Ignored,
            3 => Self::Dead,
            4 => Self::Dropped,
            _ => return None,
        })
    }
}

/// A journaled event as it is read back.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    /// Its id.
    pub id: EventId,
    /// The bot.
    pub bot: BotId,
    /// The installation.
    pub installation: InstallationId,
    /// What it is.
    pub kind: EventKind,
    /// When it arrived.
    pub received_at: Millis,
    /// Lane and number given when it was appended.
    pub lane: Lane,
    /// Number in the lane given when it was first appended.
    pub seq: u64,
    /// Normalized form.
    pub body: Bytes,
    /// The request as received; empty when there is none.
    pub raw: Bytes,
    /// The event that holds the raw request.
    pub raw_of: Option<EventId>,
    /// How far it got.
    pub outcome: EventOutcome,
}

/// A row of the journal's index, without bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSummary {
    /// Its id.
    pub id: EventId,
    /// The bot.
    pub bot: BotId,
    /// The installation.
    pub installation: InstallationId,
    /// What it is.
    pub kind: EventKind,
    /// When it arrived.
    pub received_at: Millis,
    /// Its lane.
    pub lane: Lane,
    /// Its number in the lane.
    pub seq: u64,
    /// How far it got.
    pub outcome: EventOutcome,
}

impl StoredEvent {
    /// The event's row of the index.
    pub fn summary(&self) -> EventSummary {
        EventSummary {
            id: self.id,
            bot: self.bot.clone(),
            installation: self.installation.clone(),
            kind: self.kind,
            received_at: self.received_at,
            lane: self.lane,
            seq: self.seq,
            outcome: self.outcome,
        }
    }
}

/// Which events to list. All given conditions must hold.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Of this bot.
    pub bot: Option<BotId>,
    /// Of this installation.
    pub installation: Option<InstallationId>,
    /// Of this lane.
    pub lane: Option<Lane>,
    /// Of these kinds; empty means all.
    pub kinds: Vec<EventKind>,
    /// With this outcome.
    pub outcome: Option<EventOutcome>,
    /// Received at or after.
    pub since: Option<Millis>,
    /// Received before.
    pub until: Option<Millis>,
}

/// One try to hand an event over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Number of the attempt, from 1.
    pub number: u32,
    /// When it ended.
    pub at: Millis,
    /// How long it took, in milliseconds.
    pub duration_ms: u32,
    /// HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// Short machine-readable cause: `timeout`, `refused`, `http_500`, `rate_limited` …
    pub code: String,
    /// For operators: what the other side said, at most 2 KiB, without secrets.
    pub detail: String,
}

/// Why something became a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadReason {
    /// All attempts failed.
    Exhausted,
    /// Older than the longest age that it may wait.
    Expired,
    /// The other side refused it for good.
    Refused,
    /// It could not be turned into a request.
    Unsendable,
}

/// What was given up, with its reason, for a person to send again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The event.
    pub event: EventSummary,
    /// Why.
    pub reason: DeadReason,
    /// When.
    pub at: Millis,
    /// The last attempt, if one was made.
    pub last: Option<Attempt>,
}
