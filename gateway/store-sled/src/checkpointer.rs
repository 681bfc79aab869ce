//! The thread "portico-index": the only writer of the engine, behind every answer.
//!
//! It takes frozen windows of memory, writes them tree by tree (events and dedupe keys in blocks), syncs, and
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
use portico_store::StoreError;

use crate::blocks::{self, Events};
use crate::checkpoint::Checkpoint;
use crate::decide::bad_row;
use crate::frame;
use crate::index::{Sum, Writer};
use crate::mem::Mem;
use crate::mend;
use crate::op::{Cell, Tree};
use crate::options::Options;
use crate::record::Names;
use crate::shared::Shared;
use crate::slices::{self, Running};

type Done = Vec<tokio::sync::oneshot::Sender<Result<(), StoreError>>>;
type Work = Box<dyn FnOnce(&Shared, &mut Indexer) + Send>;

pub(crate) enum Message {
    Nothing,
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
            let result = work(shared, indexer);
            if let Err(StoreError::Damaged(why)) = &result {
                indexer.doubt.get_or_insert_with(|| why.clone());
            }
            // Whoever asked may have gone.
            let _gone = answer.send(result);
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
    /// Why all rows are to be looked at before the next window is written.
    pub(crate) doubt: Option<String>,
    /// Why the engine is closed for good and must be made again.
    pub(crate) broken: Option<String>,
    /// The last snapshot could not be written, and the log says so.
    snapshot_failed: bool,
    /// The snapshot that is being written.
    pub(crate) snapshot: Option<Running>,
}

/// Bytes of rows up to which a snapshot is written at once, since nothing has to wait for it long.
const SMALL: u64 = 8 * 1024 * 1024;

/// How far the thread stands back, so that on a busy processor answers go first.
const STANDS_BACK: i32 = 10;

/// Pause between two tries to write a window.
const RETRY: Duration = Duration::from_secs(1);
/// The longest pause after tries that failed though there was room: two to this power.
const LONGEST: u32 = 5;
/// Failures of an engine whose rows are all whole, after which it is made again.
const PATIENCE: u32 = 3;

impl Indexer {
    pub(crate) fn new(writer: Writer, checkpoint: Checkpoint, options: &Options) -> Self {
        let (path, cache_bytes) = (options.path.clone(), options.cache_bytes);
        Self {
            writer,
            checkpoint,
            path,
            cache_bytes,
            doubt: None,
            broken: None,
            snapshot_failed: false,
            snapshot: None,
        }
    }

    /// Whether rows that were read are those that were written.
    pub(crate) fn compare(&self, found: Sum) -> Result<(), StoreError> {
        if found == self.writer.sum {
            return Ok(());
        }
        let (found, written) = (found.count, self.writer.sum.count);
        Err(StoreError::Damaged(if found == written {
            format!("of the {found} rows of the index some are not as they were written")
        } else {
            format!("the index holds {found} rows, {written} were written")
        }))
    }

    pub(crate) fn engine_folder(&self, generation: u32) -> PathBuf {
        engine_folder(&self.path, generation)
    }

    pub(crate) fn checkpoint_path(&self) -> PathBuf {
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
            let rows = mem.tree(tree).iter();
            self.writer
                .write(tree, rows.map(|(key, cell)| (key.as_slice(), cell.as_ref().map(Cell::as_pair))))?;
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
    crate::shared::stand_back(STANDS_BACK);
    loop {
        // A snapshot goes on while nothing else is to be done, and by a slice after each thing that is.
        let message = match indexer.snapshot {
            None => messages.recv().ok(),
            Some(_) => match messages.try_recv() {
                Err(mpsc::TryRecvError::Empty) => Some(Message::Nothing),
                other => other.ok(),
            },
        };
        let Some(message) = message else { return };
        match message {
            Message::Nothing => {}
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
        go_on(shared, &mut indexer);
    }
}

/// Copies a slice of the snapshot that is under way.
fn go_on(shared: &Shared, indexer: &mut Indexer) {
    let Some(mut snapshot) = indexer.snapshot.take() else { return };
    match snapshot.go_on(&mut indexer.writer) {
        Ok(false) => indexer.snapshot = Some(snapshot),
        Ok(true) => {
            let pruned = crate::snapshot::prune(&indexer.path)
                .map(|oldest| shared.snapshotted.store(oldest, Ordering::Relaxed));
            note_snapshot(indexer, pruned);
        }
        Err(error) => {
            indexer.writer.watch = None;
            note_snapshot(indexer, Err(error));
        }
    }
}

/// Remembers whether the last snapshot could be written; a failure is told once.
fn note_snapshot(indexer: &mut Indexer, written: Result<(), StoreError>) {
    let failed = written.is_err();
    if let Err(error) = written {
        if !indexer.snapshot_failed {
            tracing::error!("no snapshot of the index was written: {error}");
        }
        if let StoreError::Damaged(why) = error {
            indexer.doubt.get_or_insert(why);
        }
    }
    indexer.snapshot_failed = failed;
}

/// Writes a snapshot when it is time; the next window tries again where that failed.
fn snapshot_if_due(shared: &Shared, indexer: &mut Indexer) {
    if indexer.snapshot.is_some() {
        return;
    }
    match is_snapshot_due(shared, indexer) {
        Ok(false) => note_snapshot(indexer, Ok(())),
        // The numbers that a salvage gave must be in a snapshot before its mark goes.
        Ok(true) if indexer.writer.sum.live <= SMALL || shared.path("salvaged").exists() => {
            let written = crate::sweep::take_snapshot(shared, indexer);
            note_snapshot(indexer, written);
        }
        Ok(true) => match slices::begin(indexer) {
            Ok(snapshot) => indexer.snapshot = Some(snapshot),
            Err(error) => note_snapshot(indexer, Err(error)),
        },
        Err(error) => note_snapshot(indexer, Err(error)),
    }
}

/// Whether the log has grown enough since the last snapshot.
fn is_snapshot_due(shared: &Shared, indexer: &Indexer) -> Result<bool, StoreError> {
    // The numbers that a salvage gave are in no log.
    if shared.path("salvaged").exists() {
        return Ok(true);
    }
    let last =
        crate::snapshot::list(&indexer.path)?.last().and_then(|path| crate::snapshot::position_of(path));
    let (from, to) = (frame::split(last.unwrap_or(1 << 32)).0, frame::split(indexer.checkpoint.position).0);
    let grown = u64::from(to.saturating_sub(from)) * u64::from(shared.segments.bytes);
    // A large index is written less often, so that snapshots stay a small part of all writing.
    Ok(grown >= shared.options.snapshot_bytes.max(2 * indexer.writer.sum.live))
}

/// Writes a window, again and again until it is written: it stays readable in memory meanwhile.
fn flush(shared: &Shared, indexer: &mut Indexer, mem: &Mem) -> Result<(), StoreError> {
    let mut tries = 0;
    let mut failed = 0;
    mend::look_into_doubts(shared, indexer);
    loop {
        // A full disk is waited for, whatever the levels are set to; sled would not survive it.
        let waits = !mend::has_room_for(shared, indexer, mem);
        shared.set_index_waits(waits);
        let result = match indexer.broken.clone() {
            _ if waits => Err(shared.disk_full()),
            Some(why) => mend::make_again(shared, indexer, mem, &why),
            None => indexer.flush(mem).map(|()| {
                shared.checkpointed.store(mem.upto, Ordering::Relaxed);
                shared.state.write().thaw();
            }),
        };
        let Err(error) = result else {
            *shared.index_problem.lock() = None;
            shared.queue.nudge();
            snapshot_if_due(shared, indexer);
            return Ok(());
        };
        tries += 1;
        let closes = shared.queue.is_closed() || shared.closing.load(Ordering::Relaxed);
        let closing = closes && (tries > 3 || indexer.broken.is_some());
        if closing || shared.is_failed.load(Ordering::Acquire) {
            return Err(error);
        }
        if let Some(why) = &indexer.broken {
            failed += u32::from(!waits && !matches!(error, StoreError::DiskFull { .. }));
            if tries == 1 {
                tracing::warn!("the index could not be made again yet, it is tried until it is: {error}");
            }
            *shared.index_problem.lock() = Some(format!("{}; the last try: {error}", mend::problem(why)));
        } else {
            if tries == 1 {
                tracing::error!("the index cannot be written, the log goes on: {error}");
            }
            *shared.index_problem.lock() = Some(format!("the index is behind: {error}"));
            failed += u32::from(!waits);
            if !waits && !mend::reopen(shared, indexer, &error, failed > PATIENCE) {
                // Nothing to wait for: what is broken stays so.
                (tries, failed) = (0, 0);
                continue;
            }
        }
        pause(shared, if indexer.broken.is_some() && !waits { failed } else { 0 });
    }
}

/// Waits before the next try: a second, longer after one that made the index again in vain; not longer than
/// until there is more room.
fn pause(shared: &Shared, failed: u32) {
    let free = || shared.segments.disk.space(&shared.options.path).map_or(0, |space| space.free);
    let before = free();
    for _ in 0..1 << failed.min(LONGEST) {
        std::thread::sleep(RETRY);
        if shared.queue.is_closed() || free() > before.saturating_add(mend::MARGIN) {
            return;
        }
    }
}

/// First event id of a block's key.
pub(crate) fn block_id(key: &[u8]) -> Option<EventId> {
    key.try_into().ok().map(EventId)
}
