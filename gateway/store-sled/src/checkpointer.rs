//! The thread "portico-index": the only writer of the engine, behind every answer.
//!
//! It takes frozen windows of memory, writes them row by row (events and dedupe keys in blocks), syncs, and
//! writes the checkpoint. What else writes the engine, sweeping and copying it, runs here between windows.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use parking_lot::Mutex;
use portico_contract::EventId;
use portico_store::{DiskLevel, StoreError};

use crate::blocks::{self, Events};
use crate::checkpoint::Checkpoint;
use crate::decide::bad_row;
use crate::frame;
use crate::index::Writer;
use crate::mem::Mem;
use crate::op::Tree;
use crate::record::Names;
use crate::shared::Shared;
use crate::sled_engine::Sled;

type Done = Vec<tokio::sync::oneshot::Sender<Result<(), StoreError>>>;
type Work = Box<dyn FnOnce(&Shared, &mut Indexer) + Send>;

pub(crate) enum Message {
    Flush(Arc<Mem>, Done),
    Run(Work),
    Stop,
}

/// The other threads' way to the index thread.
pub(crate) struct IndexThread {
    sender: Mutex<mpsc::Sender<Message>>,
    unowned: AtomicBool,
}

impl IndexThread {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Message>) {
        let (sender, receiver) = mpsc::channel();
        (Self { sender: Mutex::new(sender), unowned: AtomicBool::new(true) }, receiver)
    }

    /// True once: whether nobody has held the shards since the start.
    pub(crate) fn first_owner(&self) -> bool {
        self.unowned.swap(false, Ordering::Relaxed)
    }

    fn send(&self, message: Message) {
        if self.sender.lock().send(message).is_err() {
            tracing::error!("the index thread of the store has ended");
        }
    }

    pub(crate) fn flush(&self, mem: Arc<Mem>, done: Done) {
        self.send(Message::Flush(mem, done));
    }

    pub(crate) fn stop(&self) {
        self.send(Message::Stop);
    }

    /// Runs something that reads or writes the engine, between windows.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared, &mut Indexer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, wait) = tokio::sync::oneshot::channel();
        self.send(Message::Run(Box::new(move |shared, indexer| {
            // Whoever asked may have gone.
            let _gone = answer.send(work(shared, indexer));
        })));
        wait.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the store is closing".into())))
    }
}

/// The engine's one writer and what it keeps in order.
pub(crate) struct Indexer {
    pub(crate) writer: Writer,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) path: PathBuf,
    pub(crate) cache_bytes: u64,
}

/// Pause between two tries to write a window.
const RETRY: Duration = Duration::from_secs(1);

impl Indexer {
    pub(crate) fn engine_folder(&self, generation: u32) -> PathBuf {
        engine_folder(&self.path, generation)
    }

    fn checkpoint_path(&self) -> PathBuf {
        self.path.join("checkpoint")
    }

    /// Says that the engine's rows are about to change.
    pub(crate) fn begin(&mut self) -> Result<(), StoreError> {
        if self.checkpoint.clean {
            self.checkpoint.clean = false;
            self.checkpoint.write(&self.checkpoint_path())?;
        }
        Ok(())
    }

    /// Syncs the engine and writes the checkpoint.
    pub(crate) fn finish(&mut self, position: u64, version: u64) -> Result<(), StoreError> {
        self.writer.engine.flush()?;
        self.checkpoint.position = position;
        self.checkpoint.version = version;
        self.checkpoint.sum = self.writer.sum;
        self.checkpoint.clean = true;
        let written = self.checkpoint.write(&self.checkpoint_path());
        self.checkpoint.clean = written.is_ok();
        written
    }

    /// Writes a window into the engine. May be done again after it failed half-way.
    pub(crate) fn flush(&mut self, mem: &Mem) -> Result<(), StoreError> {
        self.begin()?;
        for tree in Tree::ALL {
            for (key, cell) in mem.tree(tree) {
                match cell {
                    Some(cell) => self.writer.put(tree, key, cell.version, &cell.data)?,
                    None => {
                        self.writer.delete(tree, key)?;
                    }
                }
            }
        }
        self.put_events(&mem.events)?;
        self.put_seen(&mem.seen, mem.upto)?;
        self.finish(mem.upto, mem.version)
    }

    /// Puts events into their blocks.
    fn put_events(&mut self, events: &Events) -> Result<(), StoreError> {
        let mut rest = events.iter().map(|(id, row)| (*id, row.clone())).peekable();
        let mut names = Names::default();
        while let Some((first, _)) = rest.peek() {
            let first = first.0;
            let before = self.one(Bound::Unbounded, Bound::Included(&first[..]), true)?;
            let after = self.one(Bound::Excluded(&first[..]), Bound::Unbounded, false)?;
            let end = after.map(|(key, _)| key);
            let mut block = match &before {
                Some((key, value)) => {
                    blocks::decode(value, &mut names).map_err(|_| bad_row(Tree::Event, key))?
                }
                None => Events::new(),
            };
            // A window that was not completed may have left rows here that the next block holds, too.
            if let Some(end) = end.as_deref().and_then(block_id) {
                block.retain(|id, _| *id < end);
            }
            // In slices, so that one window of many events needs little memory.
            for _ in 0..4096 {
                match rest.next_if(|(id, _)| end.as_deref().is_none_or(|end| &id.0[..] < end)) {
                    Some((id, row)) => block.insert(id, row),
                    None => break,
                };
            }
            self.replace_block(before.map(|(key, _)| key), &block)?;
        }
        Ok(())
    }

    fn one(&self, from: Bound<&[u8]>, to: Bound<&[u8]>, reverse: bool) -> Result<Option<Pair>, StoreError> {
        let row = self.writer.engine.range(Tree::Event, from, to, reverse).next().transpose()?;
        let Some((key, _)) = row else { return Ok(None) };
        let index = crate::index::Index::new(self.writer.engine.clone());
        Ok(index.get(Tree::Event, &key)?.map(|cell| (key, cell.data.to_vec())))
    }

    /// Writes events in place of a block.
    pub(crate) fn replace_block(&mut self, old: Option<Vec<u8>>, events: &Events) -> Result<(), StoreError> {
        let blocks = blocks::encode(events);
        // The last first: a reader between two writes finds each event in its old block or in its new one.
        for (first, block) in blocks.iter().rev() {
            self.writer.put(Tree::Event, &first.0, 0, block)?;
        }
        if let Some(old) = old.filter(|old| blocks.iter().all(|(first, _)| first.0[..] != old[..])) {
            self.writer.delete(Tree::Event, &old)?;
        }
        Ok(())
    }

    fn put_seen(&mut self, seen: &[([u8; 16], u32)], upto: u64) -> Result<(), StoreError> {
        let mut days: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        for (key, day) in seen {
            days.entry(*day).or_default().extend_from_slice(key);
        }
        for (day, keys) in days {
            for (number, part) in keys.chunks(SEEN_BLOCK).enumerate() {
                self.writer.put(Tree::Seen, &seen_key(day, upto, number as u32), 0, part)?;
            }
        }
        Ok(())
    }

    /// Opens the engine again after it failed, for instance on a full disk.
    fn reopen(&mut self, shared: &Shared) -> Result<(), StoreError> {
        shared.index.set(None);
        let folder = self.engine_folder(self.checkpoint.generation);
        // sled lets go of its lock with its last handle; readers may hold one for a moment.
        self.writer.engine = Arc::new(crate::engine::Closed);
        let mut opened = Sled::open(&folder, self.cache_bytes);
        for _ in 0..20 {
            if opened.is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
            opened = Sled::open(&folder, self.cache_bytes);
        }
        let engine: Arc<dyn crate::engine::Engine> = Arc::new(opened?);
        let mut sum = crate::index::Sum::default();
        for tree in Tree::ALL {
            for row in engine.range(tree, Bound::Unbounded, Bound::Unbounded, false) {
                let (key, value) = row?;
                crate::index::check(tree, &key, &value)?;
                sum.add(tree, &key, &value);
            }
        }
        self.writer = Writer { engine: engine.clone(), sum };
        shared.index.set(Some(engine));
        Ok(())
    }
}

type Pair = (Vec<u8>, Vec<u8>);

/// Dedupe keys of one block, in bytes.
const SEEN_BLOCK: usize = 500 * 16;

pub(crate) fn seen_key(day: u32, position: u64, number: u32) -> Vec<u8> {
    [&day.to_be_bytes()[..], &position.to_be_bytes(), &number.to_be_bytes()].concat()
}

pub(crate) fn engine_folder(path: &std::path::Path, generation: u32) -> PathBuf {
    path.join("sled").join(format!("{generation:08}"))
}

/// What the thread does until it is stopped.
pub(crate) fn run(shared: &Shared, mut indexer: Indexer, messages: &mpsc::Receiver<Message>) {
    for message in messages {
        match message {
            Message::Flush(mem, done) => {
                let result = flush(shared, &mut indexer, &mem);
                drop(mem);
                for done in done {
                    let _gone = done.send(result.clone());
                }
            }
            Message::Run(work) => work(shared, &mut indexer),
            Message::Stop => return,
        }
    }
}

/// Room that a window may need in the engine.
fn has_room(shared: &Shared, mem: &Mem) -> bool {
    match shared.segments.disk.space(&shared.options.path) {
        Ok(space) => space.free > 3 * mem.bytes as u64 + 1024 * 1024,
        Err(_) => true,
    }
}

/// Writes a snapshot once the log has grown enough since the last one.
fn snapshot_if_due(shared: &Shared, indexer: &mut Indexer) -> Result<(), StoreError> {
    let last =
        crate::snapshot::list(&indexer.path)?.last().and_then(|path| crate::snapshot::position_of(path));
    let (from, to) = (frame::split(last.unwrap_or(1 << 32)).0, frame::split(indexer.checkpoint.position).0);
    let grown = u64::from(to.saturating_sub(from)) * u64::from(shared.segments.bytes);
    // A large index is written less often, so that snapshots stay a small part of all writing.
    if grown < shared.options.snapshot_bytes.max(2 * indexer.writer.sum.live) {
        return Ok(());
    }
    crate::sweep::take_snapshot(shared, indexer)
}

/// Writes a window, again and again until it is written: it stays readable in memory meanwhile.
fn flush(shared: &Shared, indexer: &mut Indexer, mem: &Mem) -> Result<(), StoreError> {
    let mut tries = 0;
    loop {
        // A full disk is waited for, whatever the levels are set to; sled would not survive it.
        let waits = !has_room(shared, mem);
        shared.index_waits.store(waits, Ordering::Relaxed);
        if waits && shared.level() < DiskLevel::RefuseHooks {
            shared.set_level(DiskLevel::RefuseHooks);
        }
        let result = if waits { Err(shared.disk_full()) } else { indexer.flush(mem) };
        match result {
            Ok(()) => {
                *shared.index_problem.lock() = None;
                shared.checkpointed.store(mem.upto, Ordering::Relaxed);
                shared.state.write().thaw();
                shared.queue.nudge();
                if let Err(error) = snapshot_if_due(shared, indexer) {
                    tracing::error!("no snapshot of the index was written: {error}");
                }
                return Ok(());
            }
            Err(error) => {
                tries += 1;
                if tries == 1 {
                    tracing::error!("the index cannot be written, the log goes on: {error}");
                }
                *shared.index_problem.lock() = Some(format!("the index is behind: {error}"));
                if shared.queue.is_closed() && tries > 3 || shared.is_failed.load(Ordering::Acquire) {
                    return Err(error);
                }
                if !waits && let Err(error) = indexer.reopen(shared) {
                    tracing::error!("the index cannot be opened again: {error}");
                    *shared.index_problem.lock() = Some(format!("{error}; a restart rebuilds the index"));
                }
                std::thread::sleep(RETRY);
            }
        }
    }
}

/// First event id of a block's key.
pub(crate) fn block_id(key: &[u8]) -> Option<EventId> {
    key.try_into().ok().map(EventId)
}
