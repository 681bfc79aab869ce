//! The index is mended while the store runs: opened again, or made again from snapshot and log.
//!
//! Runs on "portico-index" between two tries to write a window, so nothing is frozen meanwhile and commits go
//! on in log and memory. An engine that failed is taken back only when its sum proves that no row is missing.
//! Else a new generation is made from the newest whole snapshot (or the first segment) and the log up to the
//! end of the pending window: it has that window then, and the rows of entries under keys of its own, which
//! the lanes in memory take over in the moment in which readers get the new engine.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use portico_store::{DiskLevel, Lane, StoreError};

use crate::checkpointer::Indexer;
use crate::disk::sync_folder;
use crate::engine::Closed;
use crate::index::{self, Writer};
use crate::lane::{LaneMem, chunk_key};
use crate::mem::Mem;
use crate::op::Tree;
use crate::packed;
use crate::recover::{Failure, Goal, attempt, highest_generation, io, rebuild};
use crate::segments::{self, gone};
use crate::shared::Shared;
use crate::sled_engine::folder_size;
use crate::snapshot;
use crate::state::State;

/// Room that sled is left beyond what it is given, for its own pages and tables.
pub(crate) const MARGIN: u64 = 8 * 1024 * 1024;
/// Bytes that sled may write for each byte of rows.
const GROWTH: u64 = 4;
/// Tries to get the lock of an engine that a reader may still hold, and the pause between them.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// Whether so many bytes of rows may be written into the engine.
pub(crate) fn has_room(shared: &Shared, bytes: u64) -> bool {
    match shared.segments.disk.space(&shared.options.path) {
        Ok(space) => space.free > GROWTH.saturating_mul(bytes).saturating_add(MARGIN),
        Err(_) => true,
    }
}

/// Whether a window may be written, or the index made again with it. What was set aside makes way first.
pub(crate) fn has_room_for(shared: &Shared, indexer: &Indexer, mem: &Mem) -> bool {
    let mut bytes = mem.bytes as u64;
    if indexer.broken.is_some() {
        // Rows in a snapshot take about as many bytes as rows in memory are counted with.
        let newest = snapshot::list(&indexer.path).ok().and_then(|mut found| found.pop());
        let length = newest.and_then(|path| std::fs::metadata(path).ok()).map_or(0, |facts| facts.len());
        bytes = bytes.saturating_add(length);
    }
    if has_room(shared, bytes) {
        return true;
    }
    let aside = indexer.path.join("sled.damaged");
    let mut removed = Vec::new();
    if aside.exists() {
        removed.push(aside);
    }
    if indexer.broken.is_some() && forget_checkpoint(indexer).is_ok() {
        removed.extend(generations(&indexer.path).unwrap_or_default());
    }
    if removed.is_empty() {
        return false;
    }
    for folder in removed {
        match std::fs::remove_dir_all(&folder).or_else(gone) {
            Ok(()) => tracing::warn!("{} is removed, its room is needed", folder.display()),
            Err(error) => tracing::error!("{} cannot be removed: {error}", folder.display()),
        }
    }
    has_room(shared, bytes)
}

/// What operators are told while the index is being made again.
pub(crate) fn problem(why: &str) -> String {
    format!("the index is being made again from the log, what only it holds can't be read yet: {why}")
}

/// Looks at all rows if anybody has met a damaged one.
pub(crate) fn look_into_doubts(shared: &Shared, indexer: &mut Indexer) {
    let met = shared.index.take_doubt().then(|| "a damaged row was read".to_owned());
    let Some(doubt) = indexer.doubt.take().or(met) else { return };
    if indexer.broken.is_none()
        && let Err(error) = index::sum_of(&*indexer.writer.engine).and_then(|sum| indexer.compare(sum))
    {
        close(shared, indexer);
        give_up(shared, indexer, format!("{error} (seen first: {doubt})"));
    }
}

/// Nobody gets at the engine any more, and it ends with its last reader.
fn close(shared: &Shared, indexer: &mut Indexer) {
    shared.index.set(None);
    indexer.writer.engine = Arc::new(Closed);
}

/// From here on the engine's files are not opened again.
fn give_up(shared: &Shared, indexer: &mut Indexer, why: String) {
    tracing::error!("the index is broken and is made again from the log: {why}");
    *shared.index_problem.lock() = Some(problem(&why));
    indexer.broken = Some(why);
}

/// Opens the engine again after it failed, for instance on a full disk. The answer is whether it is whole;
/// otherwise, and when it has failed so often that this does not help, it counts as broken from now on.
pub(crate) fn reopen(shared: &Shared, indexer: &mut Indexer, failure: &StoreError, often: bool) -> bool {
    close(shared, indexer);
    if often && matches!(failure, StoreError::Damaged(_)) {
        give_up(shared, indexer, failure.to_string());
        return false;
    }
    match open_whole(indexer) {
        Ok(writer) => {
            shared.index.set(Some(writer.engine.clone()));
            indexer.writer = writer;
            true
        }
        Err(error) => {
            give_up(shared, indexer, error.to_string());
            false
        }
    }
}

/// The engine as the last checkpoint left it, or with everything that was written since. Something between the
/// two can't be told from one that has lost rows.
fn open_whole(indexer: &Indexer) -> Result<Writer, StoreError> {
    let folder = indexer.engine_folder(indexer.checkpoint.generation);
    let mut opened = packed::open(&folder, indexer.cache_bytes);
    for _ in 0..LOCK_TRIES {
        match opened {
            // sled lets go of its lock with its last handle; readers may hold one for a moment.
            Err(StoreError::Unavailable(_)) => std::thread::sleep(LOCK_PAUSE),
            _ => break,
        }
        opened = packed::open(&folder, indexer.cache_bytes);
    }
    let engine = opened?;
    let sum = index::sum_of(&*engine)?;
    if sum != indexer.checkpoint.sum {
        indexer.compare(sum)?;
    }
    Ok(Writer::new(engine, sum))
}

/// Makes the index again, the pending window included, and lets readers in. May be tried again after it failed.
pub(crate) fn make_again(
    shared: &Shared,
    indexer: &mut Indexer,
    mem: &Mem,
    why: &str,
) -> Result<(), StoreError> {
    let (options, segments) = (&shared.options, &shared.segments);
    let may = |bytes| {
        if shared.queue.is_closed() {
            return Err(StoreError::Unavailable("the store is closing".into()));
        }
        if has_room(shared, bytes) { Ok(()) } else { Err(shared.disk_full()) }
    };
    let goal = Goal { end: mem.upto, may: &may };
    clear_the_place(shared, indexer)?;
    let numbers = io("list the log", segments::list(&segments.folder))?;
    let mut generation = indexer.checkpoint.generation.max(highest_generation(&options.path)?);
    let mut failed = Vec::new();
    // Newest first; last of all the log alone.
    for source in snapshot::list(&options.path)?.into_iter().rev().map(Some).chain([None]) {
        may(0)?;
        generation += 1;
        let made = rebuild(options, segments, &numbers, source.as_deref(), generation)
            .map_err(Failure::Index)
            .and_then(|base| attempt(options, segments, &numbers, base, Some(&goal)))
            .and_then(|(state, made, _)| {
                finish(shared, indexer, mem, state, made, &goal).map_err(Failure::Index)
            });
        let error = match made {
            Ok(()) => {
                let from = source.map_or("the whole log".to_owned(), |path| path.display().to_string());
                tracing::warn!("the index was made again from {from}, nothing is lost; the cause: {why}");
                return Ok(());
            }
            Err(Failure::Index(error) | Failure::Log(error)) => error,
        };
        // A half-made one must never be taken for whole, and holds room.
        forget_checkpoint(indexer)?;
        let folder = indexer.engine_folder(generation);
        io("remove a half-made index", std::fs::remove_dir_all(folder).or_else(gone))?;
        may(0)?;
        failed.push(error.to_string());
    }
    Err(StoreError::Damaged(failed.join("; ")))
}

/// Writes what is left of the window, and puts the new engine in place of the old one.
fn finish(
    shared: &Shared,
    indexer: &mut Indexer,
    mem: &Mem,
    mut state: State,
    mut made: Indexer,
    goal: &Goal<'_>,
) -> Result<(), StoreError> {
    state.version = state.version.max(mem.version);
    let rest = state.freeze(mem.upto, usize::MAX);
    (goal.may)(rest.bytes as u64)?;
    made.flush(&rest)?;
    let mut live = shared.state.write();
    live.take_over(state.lanes)?;
    shared.checkpointed.store(mem.upto, Ordering::Relaxed);
    shared.index.set(Some(made.writer.engine.clone()));
    live.thaw();
    drop(live);
    *indexer = made;
    Ok(())
}

/// Folders below `sled/`.
fn generations(path: &Path) -> Result<Vec<std::path::PathBuf>, StoreError> {
    let mut found = Vec::new();
    for entry in io("list sled/", std::fs::read_dir(path.join("sled")))? {
        let path = io("list sled/", entry)?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    Ok(found)
}

/// A start that finds no checkpoint makes the index again, whatever lies in `sled/`.
fn forget_checkpoint(indexer: &Indexer) -> Result<(), StoreError> {
    io("remove the checkpoint", std::fs::remove_file(indexer.checkpoint_path()).or_else(gone))?;
    io("sync the store's folder", sync_folder(&indexer.path))
}

/// Sets the broken generation aside where there is room enough for both, and removes what else is there.
fn clear_the_place(shared: &Shared, indexer: &Indexer) -> Result<(), StoreError> {
    forget_checkpoint(indexer)?;
    let broken = indexer.engine_folder(indexer.checkpoint.generation);
    let aside = indexer.path.join("sled.damaged");
    if broken.is_dir() {
        if aside.exists() {
            io("remove an older damaged index", std::fs::remove_dir_all(&aside))?;
        }
        if shared.level() == DiskLevel::Fine && has_room(shared, folder_size(&broken)) {
            io("make sled.damaged/", std::fs::create_dir_all(&aside))?;
            let name = broken.file_name().unwrap_or_default();
            io("move the index aside", std::fs::rename(&broken, aside.join(name)))?;
        }
    }
    for folder in generations(&indexer.path)? {
        io("remove a broken index", std::fs::remove_dir_all(folder))?;
    }
    io("sync the store's folder", sync_folder(&indexer.path))
}

impl State {
    /// Refers to the entries' rows of an engine that was made again up to the end of the frozen window.
    ///
    /// Entries that came later are all in memory. Nothing is changed when an entry would be missing.
    fn take_over(&mut self, mut made: BTreeMap<Lane, LaneMem>) -> Result<(), StoreError> {
        let none = VecDeque::new();
        for (at, lane) in &self.lanes {
            let chunks = made.get(at).map_or(&none, |made| &made.chunks);
            if let Some(seq) = first_hole(lane, chunks) {
                return Err(StoreError::Damaged(format!(
                    "entry {seq} of the lane of {} is missing in the index that was made again",
                    at.conversation
                )));
            }
        }
        // Only deletions stand here, of rows that the old engine had under keys of its own.
        self.mem.clear(Tree::Chunk);
        for (at, lane) in &mut self.lanes {
            lane.chunks = made.remove(at).map(|made| made.chunks).unwrap_or_default();
            while let Some((first, last)) = lane.chunks.front().copied()
                && last < lane.head
            {
                lane.chunks.pop_front();
                self.mem.put(Tree::Chunk, chunk_key(*at, first), None);
            }
        }
        for (at, settled) in made {
            for (first, _) in settled.chunks {
                self.mem.put(Tree::Chunk, chunk_key(at, first), None);
            }
        }
        Ok(())
    }
}

/// The first unsettled number of a lane that neither its memory nor a row holds.
fn first_hole(lane: &LaneMem, chunks: &VecDeque<(u64, u64)>) -> Option<u64> {
    let mut rows = chunks.iter().copied().peekable();
    let mut seq = lane.head;
    while seq < lane.next {
        while rows.next_if(|(_, last)| *last < seq).is_some() {}
        match rows.peek() {
            Some((first, last)) if *first <= seq => seq = last + 1,
            _ if lane.find(seq).is_some() => seq += 1,
            _ => return Some(seq),
        }
    }
    None
}
