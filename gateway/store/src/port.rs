//! The port itself: what every adapter offers and promises.

use std::path::Path;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use portico_contract::{BotId, EventId, Millis};

use crate::{
    Attempt, Commit, Committed, DeadLetter, Dir, Entry, EventFilter, EventSummary, Fence, Key, KeyRange,
    Lane, LaneHead, Shard, StoreError, StoredEvent, Table,
};

/// A node of the gateway: random, made at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(pub [u8; 16]);

/// The right to work a shard for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Shard and epoch.
    pub fence: Fence,
    /// Until when, on this machine's monotonic clock, counted from before the store was asked.
    pub until: Instant,
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The value.
    pub value: Bytes,
    /// Grows with every write of this row; never 0.
    pub version: u64,
}

/// One page of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<Key>,
}

/// Wake-up calls: lanes that got work. One may be lost or come twice; a poll each second stands behind them.
#[async_trait]
pub trait Signals: Send {
    /// Waits for lanes with new work; several at once when they come fast. `None` when the store has closed.
    async fn recv(&mut self) -> Option<Vec<Lane>>;
}

/// How full the disk is; the levels refuse more and more (failure matrix).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskLevel {
    /// Room enough.
    Fine,
    /// 85%: settled bodies are kept half as long.
    Warn,
    /// 92%, or less than 1 GiB: no new webhooks.
    RefuseHooks,
    /// 97%, or less than 512 MiB: nothing but settling.
    SettleOnly,
}

/// How the store is.
#[derive(Clone, Debug)]
pub struct Health {
    /// Whether commits are taken.
    pub writable: bool,
    /// Why not, or what else is wrong, for operators.
    pub problem: Option<String>,
    /// How full the disk is.
    pub disk: DiskLevel,
    /// What a synced commit survives, in words.
    pub durability: String,
}

/// Figures for metrics and `portico store`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// Unsettled entries, inbound and outbound.
    pub backlog: [u64; 2],
    /// Received time of the oldest unsettled entry, inbound and outbound.
    pub oldest: [Option<Millis>; 2],
    /// Dead letters.
    pub dead_letters: u64,
    /// Commits since start.
    pub commits: u64,
    /// Syncs since start.
    pub syncs: u64,
    /// Time of the last syncs, median and 99th percentile.
    pub sync_p50: Duration,
    /// Time of the last syncs, 99th percentile.
    pub sync_p99: Duration,
    /// Bytes of the log.
    pub log_bytes: u64,
    /// Bytes of the index on disk.
    pub index_bytes: u64,
    /// Dedupe keys in the window.
    pub dedupe_keys: u64,
    /// Free bytes of the disk.
    pub free_bytes: u64,
}

/// What one call of [`Store::sweep`] removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Rows and events removed.
    pub removed: u64,
    /// Bytes given back.
    pub freed_bytes: u64,
    /// Whether more is left for the next call.
    pub more: bool,
}

/// What [`Store::verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Things looked at.
    pub checked: u64,
    /// What is wrong, each naming file and offset or table and key.
    pub faults: Vec<String>,
}

/// The store. One object stands for all ports, since one commit may touch them all.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Makes a list of changes happen, entirely or not at all. Order inside a lane is the order of commits.
    /// The same dedupe key twice, even at the same moment, gives one [`crate::Appended::New`].
    /// A call that is dropped half-way may still happen.
    ///
    /// # Errors
    /// [`StoreError`]; nothing happened unless it is `Unavailable`, after which nothing is known.
    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError>;

    /// A row, with all commits answered before this call.
    ///
    /// # Errors
    /// `Unavailable`, `Damaged`.
    async fn get(&self, table: Table, key: &Key) -> Result<Option<Row>, StoreError>;

    /// As [`Store::get`], for callers that can't wait: `None` when the adapter would have to.
    fn get_local(&self, table: Table, key: &Key) -> Option<Result<Option<Row>, StoreError>>;

    /// Rows of a stretch of keys, in order.
    ///
    /// # Errors
    /// `Unavailable`, `Damaged`.
    async fn scan(&self, table: Table, range: KeyRange) -> Result<Vec<(Key, Row)>, StoreError>;

    /// As [`Store::scan`], for callers that can't wait.
    fn scan_local(&self, table: Table, range: KeyRange) -> Option<Result<Vec<(Key, Row)>, StoreError>>;

    /// Lanes of a direction and shard with unsettled entries, in stable order, after a lane.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn backlog(
        &self,
        dir: Dir,
        shard: Shard,
        after: Option<Lane>,
        n: usize,
    ) -> Result<Vec<LaneHead>, StoreError>;

    /// One lane, if it has unsettled entries.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn lane(&self, lane: Lane) -> Result<Option<LaneHead>, StoreError>;

    /// Up to `n` unsettled entries of a lane, ascending from its head, at most 1 MiB of bodies (one at least).
    ///
    /// # Errors
    /// `Unavailable`, `Damaged`.
    async fn peek(&self, lane: Lane, n: usize) -> Result<Vec<Entry>, StoreError>;

    /// Deferred lanes of a direction whose time has come, earliest first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn due(&self, dir: Dir, now: Millis, n: usize) -> Result<Vec<LaneHead>, StoreError>;

    /// When the next deferred lane of a direction is due.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn next_due(&self, dir: Dir) -> Result<Option<Millis>, StoreError>;

    /// A journaled event with its bodies.
    ///
    /// # Errors
    /// `Unavailable`, `Damaged`.
    async fn event(&self, id: EventId) -> Result<Option<StoredEvent>, StoreError>;

    /// Events newest first; `cursor` is where the page before ended.
    ///
    /// # Errors
    /// `Unavailable`, `Damaged`.
    async fn events(
        &self,
        filter: &EventFilter,
        cursor: Option<Key>,
        n: usize,
    ) -> Result<Page<EventSummary>, StoreError>;

    /// All attempts on an event, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn attempts(&self, id: EventId) -> Result<Vec<Attempt>, StoreError>;

    /// Dead letters newest first, of one bot or all.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn dead_letters(
        &self,
        bot: Option<&BotId>,
        cursor: Option<Key>,
        n: usize,
    ) -> Result<Page<DeadLetter>, StoreError>;

    /// Takes or renews leases, `want` shards at most. One node: all of them, for ever, at an epoch one higher
    /// than at the last start.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn hold(&self, node: NodeId, want: usize) -> Result<Vec<Lease>, StoreError>;

    /// Gives leases back.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn release(&self, node: NodeId) -> Result<(), StoreError>;

    /// Wake-up calls for one direction, from now on.
    fn signals(&self, dir: Dir) -> Box<dyn Signals>;

    /// Removes what retention no longer keeps, a bounded amount per call.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn sweep(&self, now: Millis) -> Result<SweepReport, StoreError>;

    /// Reads everything and reports what is damaged.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn verify(&self) -> Result<VerifyReport, StoreError>;

    /// Writes a copy of one point in commit order into an empty folder, while writing goes on.
    ///
    /// # Errors
    /// `Unavailable` with the cause.
    async fn backup(&self, folder: &Path) -> Result<(), StoreError>;

    /// How the store is.
    fn health(&self) -> Health;

    /// Figures.
    fn stats(&self) -> Stats;

    /// Takes no further commits, writes what is behind, and returns when everything is on disk.
    ///
    /// # Errors
    /// `Unavailable` with the cause.
    async fn close(&self) -> Result<(), StoreError>;
}
