//! Changes and commits: the one way in.

use bytes::Bytes;
use portico_contract::{BotId, EventId, Millis};

use crate::{Attempt, DeadReason, EventOutcome, Key, Lane, NewEvent, Shard, Table};

/// First sixteen bytes of SHA-256 over installation and event key: what a provider's repeat is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DedupeKey(pub [u8; 16]);

/// First sixteen bytes of SHA-256 over caller and key: what an API caller's repeat is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdempotencyKey(pub [u8; 16]);

/// An owner's right to work a shard's lanes. Changes of an owner whose epoch is no longer the newest are
/// refused with [`crate::StoreError::Fenced`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The shard.
    pub shard: Shard,
    /// Epoch of the owner's lease.
    pub epoch: u64,
}

/// An event to journal at the end of a lane.
#[derive(Clone, Debug)]
pub struct Append {
    /// What a repeat is known by; `None` for events that can't be told from a repeat.
    pub key: Option<DedupeKey>,
    /// Days for which the key is kept, at least 3.
    pub keep_days: u8,
    /// The lane.
    pub lane: Lane,
    /// The event.
    pub event: NewEvent,
}

/// What became of an [`Append`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is journaled under this number of its lane.
    New(u64),
    /// An event of this key was journaled before; nothing was stored.
    Already,
}

/// What a row must be for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Anything.
    Any,
    /// Not there.
    Absent,
    /// Of this version.
    Version(u64),
}

/// Makes a whole commit happen once: the same key with the same hash answers what the first one answered.
#[derive(Clone, Debug)]
pub struct Once {
    /// The caller's key.
    pub key: IdempotencyKey,
    /// First sixteen bytes of SHA-256 over the request.
    pub hash: [u8; 16],
    /// What the first caller gets, at most 64 KiB; kept 48 h.
    pub answer: Bytes,
}

/// One change of a commit.
#[derive(Clone, Debug)]
pub enum Change {
    /// Journals an event.
    Append(Append),
    /// Puts an old event at the end of its lane again; attempts go on counting. Nothing happens when the
    /// event still waits. Refused with `NotFound` when the journal no longer has it.
    Replay {
        /// The event.
        event: EventId,
    },
    /// Removes entries up to and including `through`.
    Settle {
        /// Right to do so.
        fence: Fence,
        /// The lane.
        lane: Lane,
        /// Number of the last entry to remove.
        through: u64,
        /// How those events ended.
        outcome: EventOutcome,
    },
    /// Lets the head wait.
    Defer {
        /// Right to do so.
        fence: Fence,
        /// The lane.
        lane: Lane,
        /// Number of the head.
        seq: u64,
        /// When to try again; `None` holds the lane until an operator releases it.
        due: Option<Millis>,
        /// The attempt that failed; counted when `counts`.
        attempt: Attempt,
        /// Whether the attempt is counted against the head.
        counts: bool,
    },
    /// Makes the head a dead letter; the lane goes on.
    Bury {
        /// Right to do so.
        fence: Fence,
        /// The lane.
        lane: Lane,
        /// Number of the head.
        seq: u64,
        /// Why.
        reason: DeadReason,
        /// The last attempt, if one was made.
        attempt: Option<Attempt>,
    },
    /// Puts a dead letter at the end of its lane again.
    Unbury {
        /// The bot.
        bot: BotId,
        /// The event.
        event: EventId,
    },
    /// Forgets a dead letter; its event's outcome becomes `Dropped`.
    DropDead {
        /// The bot.
        bot: BotId,
        /// The event.
        event: EventId,
    },
    /// Makes a deferred or held lane ready now.
    Release {
        /// The lane.
        lane: Lane,
    },
    /// Writes or deletes a row.
    Write {
        /// Its table.
        table: Table,
        /// Its key.
        key: Key,
        /// New value, at most 1 MiB (values above 8 KiB are kept in the log); `None` deletes.
        value: Option<Bytes>,
        /// What must be there now; else the whole commit is refused with `Conflict`.
        expect: Expect,
    },
}

/// When a commit is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Once it is synced: it survives kill -9 and a power cut.
    #[default]
    Synced,
    /// Once its order among all commits is fixed and reads see it; it is written and synced soon after, and
    /// never later than any commit that comes after it. For what can be made again from what is synced.
    Ordered,
}

/// A list of changes that happens entirely or not at all.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// Makes the commit happen once for an API caller's key.
    pub once: Option<Once>,
    /// When to answer.
    pub durability: Durability,
}

impl Commit {
    /// A synced commit of changes.
    pub fn of(changes: impl IntoIterator<Item = Change>) -> Self {
        Self { changes: changes.into_iter().collect(), once: None, durability: Durability::Synced }
    }

    /// Answered as soon as its order is fixed.
    #[must_use]
    pub fn ordered(mut self) -> Self {
        self.durability = Durability::Ordered;
        self
    }

    /// Made once for a caller's key.
    #[must_use]
    pub fn once(mut self, once: Once) -> Self {
        self.once = Some(once);
        self
    }
}

impl Change {
    /// Writes a row, whatever is there.
    pub fn put(table: Table, key: impl Into<Key>, value: impl Into<Bytes>) -> Self {
        Self::Write { table, key: key.into(), value: Some(value.into()), expect: Expect::Any }
    }

    /// Deletes a row, whatever is there.
    pub fn delete(table: Table, key: impl Into<Key>) -> Self {
        Self::Write { table, key: key.into(), value: None, expect: Expect::Any }
    }
}

/// What a commit did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// It happened. One entry for each [`Change::Append`], in order.
    Done(Vec<Appended>),
    /// A commit of the same [`Once`] happened before; this is its answer, and nothing was stored now.
    Same(Bytes),
}
