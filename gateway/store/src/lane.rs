//! Lanes: one conversation's queue in one direction, and the shards that group them.

use portico_contract::{ConversationId, Millis};

use crate::StoredEvent;

/// Direction of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Dir {
    /// From the provider to the core: the mailbox.
    Inbound = 0,
    /// From the core to the provider: the outbox.
    Outbound = 1,
}

/// One of 256 fixed groups of lanes. The number of a lane's shard never changes.
pub type Shard = u8;

/// One conversation's queue in one direction. Entries are numbered 1, 2, 3… without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    /// Direction.
    pub dir: Dir,
    /// The conversation; its bytes are a digest of bot and conversation key, so they spread evenly.
    pub conversation: ConversationId,
}

impl Lane {
    /// The mailbox of a conversation.
    pub fn inbound(conversation: ConversationId) -> Self {
        Self { dir: Dir::Inbound, conversation }
    }

    /// The outbox of a conversation.
    pub fn outbound(conversation: ConversationId) -> Self {
        Self { dir: Dir::Outbound, conversation }
    }

    /// The group that this lane belongs to; both directions of a conversation share it.
    pub fn shard(&self) -> Shard {
        self.conversation.0[0]
    }
}

/// What the head of a lane is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LaneState {
    /// It may be worked on.
    Ready = 0,
    /// It waits until its due time.
    Deferred = 1,
    /// It waits for an operator.
    Held = 2,
}

/// A lane with unsettled entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneHead {
    /// Which lane.
    pub lane: Lane,
    /// Number of the oldest unsettled entry.
    pub head: u64,
    /// Number that the next appended entry will get; `next - head` entries are unsettled.
    pub next: u64,
    /// What the head is doing.
    pub state: LaneState,
    /// Attempts made on the head so far.
    pub attempts: u32,
    /// When the head may be tried again; 0 when it is ready.
    pub due: Millis,
}

/// An unsettled entry with its event.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Number within the lane.
    pub seq: u64,
    /// Whether the event came back by a replay.
    pub replay: bool,
    /// Attempts made before (kept over a replay).
    pub attempts: u32,
    /// Whether it surely came in since this store was opened, so that no earlier process has worked on it.
    pub fresh: bool,
    /// The event, with its body.
    pub event: StoredEvent,
}
