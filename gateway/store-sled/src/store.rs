//! The store behind the port.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use portico_contract::{BotId, EventId, Millis};
use portico_store::{
    Attempt, Change, Commit, Committed, DeadLetter, Dir, Entry, EventFilter, EventSummary, Expect, Fence,
    Health, Key, KeyRange, Lane, LaneHead, Lease, NodeId, Page, Row, Shard, Signals, Stats, Store,
    StoreError, StoredEvent, SweepReport, Table, VerifyReport,
};

use crate::checkpointer::{self, IndexThread};
use crate::committer::Committer;
use crate::decide::{Hints, row_key};
use crate::fill::{self, Filler};
use crate::frame;
use crate::index::Index;
use crate::lock;
use crate::op::{Op, Tree};
use crate::options::Options;
use crate::packed_log;
use crate::queue::{Job, Task};
use crate::recover::{Recovered, recover};
use crate::relay::{Slot, Wait};
use crate::shared::{Handle, Shared, Threads, now};

/// What a commit survives, for operators.
const DURABILITY: &str =
    "one disk, synced before the answer: survives kill -9 and a power cut, not the loss of the disk";
/// A lease of a single node is renewed for ever.
const LEASE: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Epochs after a restore begin so much higher, so that whoever held one before is fenced.
const RESTORED: u64 = 1000;

/// An open embedded store. Dropping it syncs what was answered and lets go of the folder; [`Store::close`]
/// besides writes a checkpoint, which makes the next start quick.
pub struct SledStore {
    pub(crate) shared: Handle,
    threads: Arc<Threads>,
    lock: Mutex<Option<std::fs::File>>,
}

impl SledStore {
    /// Opens a folder, recovering what the last process left. An empty or missing folder becomes a new store.
    ///
    /// # Errors
    /// `Unavailable` when the folder is in use or can't be written, `Damaged` when the log is broken with
    /// whole commits behind the place; the text names segment and offset.
    pub fn open(options: Options) -> Result<Self, StoreError> {
        let lock = lock::take(&options.path)?;
        let restored = options.path.join("restored");
        let restored_at = std::fs::read_to_string(&restored).ok();
        let Recovered { state, mut indexer, segments, file, segment, offset, filled, mut notice } =
            recover(&options)?;
        if restored_at.is_some() {
            notice = Some("the store was restored from a backup".into());
        }
        let epoch = state.epoch + 1 + if restored_at.is_some() { RESTORED } else { 0 };
        let version = state.version + 1;
        let (thread, messages) = IndexThread::new();
        let index = Index::new(indexer.writer.engine.clone());
        let position = frame::position(segment, offset);
        let checkpointed = indexer.checkpoint.position;
        let snapshotted = crate::snapshot::prune(&options.path)?;
        indexer.path.clone_from(&options.path);
        let filler = Filler::new(segment, filled);
        let shared = Shared::new(options, segments, state, index, filler, thread, position, checkpointed);
        shared.snapshotted.store(snapshotted, std::sync::atomic::Ordering::Relaxed);
        *shared.notice.lock() = notice;
        let shared = Arc::new(shared);
        let store = Self {
            shared: shared.clone(),
            threads: Arc::new(Threads::default()),
            lock: Mutex::new(Some(lock)),
        };
        let upkeep = shared.clone();
        store.threads.start("portico-upkeep", move || fill::run(&upkeep))?;
        let tidied = shared.clone();
        store.threads.start("portico-tidy", move || packed_log::run(&tidied))?;
        let behind = shared.clone();
        store.threads.start("portico-index", move || checkpointer::run(&behind, indexer, &messages))?;
        let mut committer = Committer::new(shared.clone(), file, segment, offset);
        let mut ops = vec![Op::Epoch { epoch }];
        if let Some(at) = &restored_at {
            // For whoever holds back what is older than this: the outside world is ahead of a restored store.
            let key = row_key(Table::Meta, &Key::new().text("restored_at").0);
            let data = Some(at.trim().as_bytes().to_vec().into());
            ops.push(Op::Cell { tree: Tree::Rows, key, version, data });
        }
        let started = committer.start(ops);
        store.threads.start("portico-commit", move || committer.run())?;
        started?;
        if restored_at.is_some() {
            crate::recover::io("remove the mark of the restore", std::fs::remove_file(restored))?;
        }
        if store.shared.path("salvaged").exists() {
            // The new numbers are in the index only, so it must have them before the mark goes.
            store.checkpoint_now()?;
            crate::recover::io(
                "remove the mark of the salvage",
                std::fs::remove_file(store.shared.path("salvaged")),
            )?;
        }
        Ok(store)
    }

    /// As [`Self::checkpoint`], for a thread that may wait.
    fn checkpoint_now(&self) -> Result<(), StoreError> {
        let (done, wait) = tokio::sync::oneshot::channel();
        let job = Job { task: Task::Checkpoint(done), slot: Slot::new() };
        drop(self.shared.queue.push(job).ok_or_else(closed)?);
        match std::thread::spawn(move || wait.blocking_recv()).join() {
            Ok(Ok(result)) => result,
            _ => Err(closed()),
        }
    }

    /// Queues a task and waits for its answer.
    pub(crate) async fn submit(&self, task: Task) -> Result<Committed, StoreError> {
        let slot = Slot::new();
        let Some(call) = self.shared.queue.push(Job { task, slot: slot.clone() }) else {
            return Err(self.shared.failure().unwrap_or_else(closed));
        };
        if call.is_due() {
            // Tasks that are ready now go first, and what they commit is taken by the same wake.
            tokio::task::yield_now().await;
        }
        drop(call);
        Wait(slot).await
    }

    /// Returns when everything committed before is in the index, synced.
    pub(crate) async fn checkpoint(&self) -> Result<(), StoreError> {
        let (done, wait) = tokio::sync::oneshot::channel();
        let job = Job { task: Task::Checkpoint(done), slot: Slot::new() };
        drop(self.shared.queue.push(job).ok_or_else(closed)?);
        wait.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Looks up the versions that the commit expects, so that the committer need not read the engine.
    fn hints(&self, commit: &Commit) -> Result<Hints, StoreError> {
        let mut hints = Hints::default();
        for (place, change) in commit.changes.iter().enumerate() {
            let Change::Write { table, key, expect, .. } = change else { continue };
            if *expect == Expect::Any {
                continue;
            }
            let key = row_key(*table, &key.0);
            let generation = {
                let state = self.shared.state.read();
                if state.cell(Tree::Rows, &key).is_some() {
                    continue;
                }
                state.generation
            };
            if hints.versions.is_empty() {
                hints.generation = generation;
            } else if hints.generation != generation {
                return Ok(Hints::default());
            }
            hints.versions.push((place, self.shared.below(generation, &key)?.map(|cell| cell.version)));
        }
        Ok(hints)
    }

    fn stop(shared: &Shared) {
        shared.queue.close();
        shared.hub.close();
        shared.filler.close();
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store has been closed".into())
}

impl Drop for SledStore {
    fn drop(&mut self) {
        Self::stop(&self.shared);
        self.threads.join();
    }
}

#[async_trait]
impl Store for SledStore {
    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        if let Some(error) = self.shared.failure() {
            return Err(error);
        }
        let hints = self.hints(&commit)?;
        self.submit(Task::Commit(commit, hints)).await
    }

    async fn get(&self, table: Table, key: &Key) -> Result<Option<Row>, StoreError> {
        self.shared.row(table, key)
    }

    fn get_local(&self, table: Table, key: &Key) -> Option<Result<Option<Row>, StoreError>> {
        Some(self.shared.row(table, key))
    }

    async fn scan(&self, table: Table, range: KeyRange) -> Result<Vec<(Key, Row)>, StoreError> {
        self.shared.rows(table, &range)
    }

    fn scan_local(&self, table: Table, range: KeyRange) -> Option<Result<Vec<(Key, Row)>, StoreError>> {
        Some(self.shared.rows(table, &range))
    }

    async fn backlog(
        &self,
        dir: Dir,
        shard: Shard,
        after: Option<Lane>,
        n: usize,
    ) -> Result<Vec<LaneHead>, StoreError> {
        Ok(self.shared.lanes_of(dir, shard, after, n))
    }

    async fn lane(&self, lane: Lane) -> Result<Option<LaneHead>, StoreError> {
        Ok(self.shared.state.read().lanes.get(&lane).map(|known| known.as_head(lane)))
    }

    async fn peek(&self, lane: Lane, n: usize) -> Result<Vec<Entry>, StoreError> {
        loop {
            if let Some(entries) = self.shared.entries(lane, n)? {
                return Ok(entries);
            }
            // Its order is fixed, its bytes are on their way: what is offered to a core must be synced.
            self.submit(Task::Commit(Commit::default(), Hints::default())).await?;
        }
    }

    async fn due(&self, dir: Dir, now: Millis, n: usize) -> Result<Vec<LaneHead>, StoreError> {
        Ok(self.shared.due_lanes(dir, now, n))
    }

    async fn next_due(&self, dir: Dir) -> Result<Option<Millis>, StoreError> {
        Ok(self.shared.first_due(dir))
    }

    async fn event(&self, id: EventId) -> Result<Option<StoredEvent>, StoreError> {
        self.shared.stored_event(id)
    }

    async fn events(
        &self,
        filter: &EventFilter,
        cursor: Option<Key>,
        n: usize,
    ) -> Result<Page<EventSummary>, StoreError> {
        self.shared.list_events(filter, cursor, n)
    }

    async fn attempts(&self, id: EventId) -> Result<Vec<Attempt>, StoreError> {
        self.shared.attempts_on(id)
    }

    async fn dead_letters(
        &self,
        bot: Option<&BotId>,
        cursor: Option<Key>,
        n: usize,
    ) -> Result<Page<DeadLetter>, StoreError> {
        self.shared.list_dead(bot, cursor, n)
    }

    async fn hold(&self, node: NodeId, want: usize) -> Result<Vec<Lease>, StoreError> {
        let asked = Instant::now();
        self.submit(Task::Hold(node)).await?;
        let state = self.shared.state.read();
        if state.owner != Some(node) {
            return Ok(Vec::new());
        }
        let lease = |shard| Lease { fence: Fence { shard, epoch: state.epoch }, until: asked + LEASE };
        Ok((0..=Shard::MAX).take(want).map(lease).collect())
    }

    async fn release(&self, node: NodeId) -> Result<(), StoreError> {
        self.submit(Task::Release(node)).await.map(|_| ())
    }

    fn signals(&self, dir: Dir) -> Box<dyn Signals> {
        self.shared.hub.listen(dir)
    }

    async fn sweep(&self, now: Millis) -> Result<SweepReport, StoreError> {
        self.sweep_once(now).await
    }

    async fn verify(&self) -> Result<VerifyReport, StoreError> {
        self.verify_all().await
    }

    async fn backup(&self, folder: &Path) -> Result<(), StoreError> {
        self.back_up(folder).await
    }

    fn health(&self) -> Health {
        let failed = self.shared.failed.lock().clone();
        let index = self.shared.index_problem.lock().clone();
        Health {
            writable: failed.is_none() && !self.shared.queue.is_closed(),
            problem: failed.or(index).or_else(|| self.shared.notice.lock().clone()),
            disk: self.shared.level(),
            durability: DURABILITY.into(),
        }
    }

    fn stats(&self) -> Stats {
        self.shared.figures()
    }

    async fn close(&self) -> Result<(), StoreError> {
        if self.shared.queue.is_closed() {
            return Ok(());
        }
        self.shared.closing.store(true, std::sync::atomic::Ordering::Relaxed);
        let done = self.checkpoint().await;
        Self::stop(&self.shared);
        let (threads, (joined, wait)) = (self.threads.clone(), tokio::sync::oneshot::channel());
        let join = move || {
            threads.join();
            // Whoever asked may have gone.
            let _gone = joined.send(());
        };
        if std::thread::Builder::new().name("portico-close".into()).spawn(join).is_ok() {
            let _joined = wait.await;
        }
        self.shared.index.set(None);
        drop(self.lock.lock().take());
        tracing::debug!(at = now(), "the store is closed");
        done
    }
}
