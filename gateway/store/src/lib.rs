//! The storage ports, their promises, and the tests that prove them on every adapter.
//!
//! Everything durable goes through one door, [`Store::commit`]: a list of changes that happens entirely or
//! not at all, and has happened, synced, when the call returns. Webhooks are appended to the *journal* and
//! wait in a *lane*; messages to a provider wait in a lane of the other direction; conversations, users and
//! messages are rows of ordered [`Table`]s, written in the same commits.
//!
//! ```text
//! inbound ──Append──▶ journal + lane(in) ──peek──▶ dispatch ──Settle──▶ gone from the lane, kept by retention
//! runtime-api ──Append + Write(message)──▶ lane(out) ──peek──▶ outbound ──Settle / Defer / Bury
//! ```
//!
//! [`records`] gives the rows their types, once for all adapters. [`memory`] is an adapter for tests,
//! [`suite`] the contract suite; adapters that keep data live in crates of their own.

mod change;
mod error;
mod event;
mod files;
mod lane;
mod port;
mod retention;
mod sealed;
mod table;

#[cfg(any(test, feature = "memory"))]
pub mod memory;
pub mod records;
#[cfg(feature = "suite")]
pub mod suite;

pub use change::{
    Append, Appended, Change, Commit, Committed, DedupeKey, Durability, Expect, Fence, IdempotencyKey, Once,
};
pub use error::StoreError;
pub use event::{
    Attempt, DeadLetter, DeadReason, EventFilter, EventKind, EventOutcome, EventSummary, NewEvent,
    StoredEvent,
};
pub use files::{FileWriter, Files, Written};
pub use lane::{Dir, Entry, Lane, LaneHead, LaneState, Shard};
pub use port::{
    DiskLevel, Health, Lease, NodeId, Page, Row, Signals, Stats, Store, SweepReport, VerifyReport,
};
pub use retention::Retention;
pub use sealed::{SealError, Sealed, SealingKey};
pub use table::{Key, KeyRange, Table};
