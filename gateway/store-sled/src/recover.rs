//! Opening: the index as of its checkpoint, and the log from there on.
//!
//! An index whose process ended while rows were written is made again where that is quick. A larger one is taken as it
//! is: each row has a checksum, but a row that went missing in that very window would not be noticed.
//!
//! The log is the truth. Where the index fails to open, fails a checksum, or lacks rows, it is moved aside and
//! made again from the newest snapshot, or from the first segment on; `mend` does so, with what stands here,
//! while the store runs. Where the log itself is broken with
//! whole frames behind, nothing is guessed: the store refuses to open and names the place.

use std::fs::File;
use std::path::Path;

use portico_store::StoreError;

use crate::checkpoint::{Checkpoint, Found};
use crate::checkpointer::{Indexer, engine_folder};
use crate::disk::sync_folder;
use crate::fill::FIRST_FILL;
use crate::frame;
use crate::index::{Index, Writer};
use crate::load;
use crate::op;
use crate::options::Options;
use crate::packed;
use crate::record::Names;
use crate::segments::{self, START, Segments, unavailable};
use crate::shared::now;
use crate::snapshot;
use crate::state::State;

/// What opening found.
pub(crate) struct Recovered {
    pub(crate) state: State,
    pub(crate) indexer: Indexer,
    pub(crate) segments: Segments,
    pub(crate) file: File,
    pub(crate) segment: u32,
    pub(crate) offset: u32,
    pub(crate) filled: u32,
    /// What operators should know.
    pub(crate) notice: Option<String>,
}

pub(crate) fn io<T>(what: &str, result: std::io::Result<T>) -> Result<T, StoreError> {
    result.map_err(|error| unavailable(what, &error))
}

pub(crate) fn recover(options: &Options) -> Result<Recovered, StoreError> {
    let path = &options.path;
    for folder in ["log", "sled", "snap", "files"] {
        io("make the store's folders", std::fs::create_dir_all(path.join(folder)))?;
    }
    io("sync the store's folder", sync_folder(path))?;
    let log = path.join("log");
    remove_leftovers(&log)?;
    let numbers = io("list the log", segments::list(&log))?;
    let found = Checkpoint::read(&path.join("checkpoint"))?;
    if numbers.is_empty() {
        return match found {
            Found::None if snapshot::list(path)?.is_empty() => create(options),
            _ => Err(StoreError::Damaged("the folder log/ is empty, but the store was used before".into())),
        };
    }
    let (store, bytes) = identity(&log, &numbers)?;
    let segments = Segments::new(log, bytes, store, options.disk.clone());
    let mut why = match found {
        Found::Whole(checkpoint) if checkpoint.store == store => {
            if !checkpoint.clean
                && let Some((state, indexer, end)) = made_anew(options, &segments, &numbers, checkpoint)
            {
                return finish(state, indexer, segments, end, None);
            }
            match attempt(options, &segments, &numbers, checkpoint, None) {
                Ok((state, indexer, end)) => return finish(state, indexer, segments, end, None),
                Err(Failure::Log(error)) => return Err(error),
                Err(Failure::Index(error)) => error.to_string(),
            }
        }
        Found::Whole(_) => "the checkpoint belongs to another store".to_owned(),
        Found::Damaged => "the checkpoint is damaged".to_owned(),
        Found::None => "the checkpoint is missing".to_owned(),
    };
    tracing::error!("the index is made again from the log: {why}");
    let mut generation = set_aside(path)?;
    // Newest first; last of all the log alone.
    for source in snapshot::list(path)?.into_iter().rev().map(Some).chain([None]) {
        generation += 1;
        let base = match rebuild(options, &segments, &numbers, source.as_deref(), generation) {
            Ok(checkpoint) => checkpoint,
            Err(error) => {
                tracing::error!("{error}");
                why = format!("{why}; {error}");
                continue;
            }
        };
        match attempt(options, &segments, &numbers, base, None) {
            Ok((state, indexer, end)) => {
                let from = source.map_or("the whole log".to_owned(), |path| path.display().to_string());
                let notice = format!("the index was made again from {from}, since {why}");
                tracing::warn!("{notice}");
                return finish(state, indexer, segments, end, Some(notice));
            }
            Err(Failure::Log(error)) => return Err(error),
            Err(Failure::Index(error)) => why = format!("{why}; {error}"),
        }
    }
    Err(StoreError::Damaged(format!("the index cannot be made again: {why}")))
}

/// Bytes of snapshot and log from which a new index is made in about a second.
const QUICK: u64 = 64 * 1024 * 1024;

/// An index whose process ended while rows were written has no sum by which missing rows would be noticed, so
/// where it is quick another is made. `None`: it is not, or it did not work, and the index is taken as it is.
fn made_anew(
    options: &Options,
    segments: &Segments,
    numbers: &[u32],
    checkpoint: Checkpoint,
) -> Option<(State, Indexer, End)> {
    let source = snapshot::list(&options.path).ok()?.pop();
    let (from, rows) = match &source {
        Some(path) => (snapshot::position_of(path)?, std::fs::metadata(path).ok()?.len()),
        None => (frame::position(1, START as u32), 0),
    };
    let ((first, begin), (last, end)) = (frame::split(from), frame::split(checkpoint.position));
    let log = u64::from(last.checked_sub(first)?) * u64::from(segments.bytes) + u64::from(end);
    if rows + log.saturating_sub(u64::from(begin)) > QUICK
        || (first..=last).any(|number| !numbers.contains(&number))
    {
        return None;
    }
    let made = || {
        let generation = highest_generation(&options.path)? + 1;
        let base = rebuild(options, segments, numbers, source.as_deref(), generation)?;
        let made = attempt(options, segments, numbers, base, None);
        made.map_err(|(Failure::Index(error) | Failure::Log(error))| error)
    };
    made().inspect_err(|error| tracing::warn!("no new index could be made: {error}")).ok()
}

/// Files that were being made when the process ended.
fn remove_leftovers(log: &Path) -> Result<(), StoreError> {
    for entry in io("list the log", std::fs::read_dir(log))? {
        let path = io("list the log", entry)?.path();
        if path.extension().is_some_and(|ending| ending == "tmp") {
            io("remove a half-made segment", std::fs::remove_file(path))?;
        }
    }
    Ok(())
}

/// A store's id and segment size, from the first header that is whole.
fn identity(log: &Path, numbers: &[u32]) -> Result<([u8; 16], u32), StoreError> {
    for number in numbers {
        if let Ok(head) = segments::read_start(&log.join(segments::file_name(*number)))
            && let Some(found) = segments::read_header(&head, *number)
        {
            return Ok(found);
        }
    }
    Err(StoreError::Damaged("no log segment has a whole header".into()))
}

fn create(options: &Options) -> Result<Recovered, StoreError> {
    let path = &options.path;
    let store = *uuid::Uuid::now_v7().as_bytes();
    let bytes = options.segment_bytes.clamp(256 * 1024, 1024 * 1024 * 1024) & !7;
    let folder = engine_folder(path, 1);
    if folder.exists() {
        io("clear sled/", std::fs::remove_dir_all(&folder))?;
    }
    let engine = packed::open(&folder, options.cache_bytes)?;
    let checkpoint = Checkpoint {
        store,
        segment_bytes: bytes,
        position: frame::position(1, START as u32),
        generation: 1,
        ..Checkpoint::default()
    };
    let writer = Writer::new(engine, Default::default());
    let mut indexer = Indexer::new(writer, checkpoint, options);
    let segments = Segments::new(path.join("log"), bytes, store, options.disk.clone());
    indexer.finish(checkpoint.position, 0)?;
    // Last, since a log makes the store one that was used.
    let filled = FIRST_FILL.min(bytes);
    let file = io("make the first log segment", segments.make(1, filled))?;
    let mut state = State::default();
    state.live = true;
    state.segments.entry(1).or_default();
    Ok(Recovered { state, indexer, segments, file, segment: 1, offset: START as u32, filled, notice: None })
}

/// How far an index is made again while the store runs, and whether it may go on.
pub(crate) struct Goal<'a> {
    /// Log position, synced, at which a frame ends.
    pub(crate) end: u64,
    /// Asked before each window with its bytes.
    pub(crate) may: &'a dyn Fn(u64) -> Result<(), StoreError>,
}

/// Where reading the log ended.
pub(crate) struct End {
    segment: u32,
    offset: usize,
    /// Something stands behind the end and must be wiped.
    torn: bool,
    length: usize,
}

pub(crate) enum Failure {
    Index(StoreError),
    Log(StoreError),
}

/// Loads the index of a checkpoint and applies the log after it, to its end or to a goal.
pub(crate) fn attempt(
    options: &Options,
    segments: &Segments,
    numbers: &[u32],
    checkpoint: Checkpoint,
    goal: Option<&Goal<'_>>,
) -> Result<(State, Indexer, End), Failure> {
    let folder = engine_folder(&options.path, checkpoint.generation);
    // sled would make an empty one, and a checkpoint that is not clean has no sum to tell it by.
    if !folder.is_dir() {
        let missing = format!("the index folder {} is missing", folder.display());
        return Err(Failure::Index(StoreError::Damaged(missing)));
    }
    let engine = packed::open(&folder, options.cache_bytes).map_err(Failure::Index)?;
    let (mut state, sum) = load::state_of(&engine, now()).map_err(Failure::Index)?;
    state.version = state.version.max(checkpoint.version);
    if checkpoint.clean && sum != checkpoint.sum {
        let missing = format!("the index holds {} rows, {} were written", sum.count, checkpoint.sum.count);
        return Err(Failure::Index(StoreError::Damaged(missing)));
    }
    let writer = Writer::new(engine.clone(), sum);
    let checkpoint = Checkpoint { sum, ..checkpoint };
    let mut indexer = Indexer::new(writer, checkpoint, options);
    let end = replay(options, segments, numbers, &mut state, &mut indexer, goal)?;
    if options.path.join("salvaged").exists() {
        let lost = load::close_holes(&mut state, &Index::new(engine.clone())).map_err(Failure::Index)?;
        tracing::warn!(lost, "the log was salvaged: {lost} unsettled entries are lost");
    }
    load::complete(&mut state, &Index::new(engine)).map_err(Failure::Index)?;
    Ok((state, indexer, end))
}

fn damage(segment: u32, offset: usize, what: &str) -> Failure {
    Failure::Log(StoreError::Damaged(format!(
        "log segment {} {what} at offset {offset}; `portico store salvage` keeps what is whole and reports the rest",
        segments::file_name(segment)
    )))
}

/// Applies all frames from the checkpoint on, or those up to a goal.
fn replay(
    options: &Options,
    segments: &Segments,
    numbers: &[u32],
    state: &mut State,
    indexer: &mut Indexer,
    goal: Option<&Goal<'_>>,
) -> Result<End, Failure> {
    let (mut segment, offset) = frame::split(indexer.checkpoint.position);
    let mut offset = offset as usize;
    let mut names = Names::default();
    let reached =
        |segment, offset: usize| goal.is_some_and(|goal| frame::position(segment, offset as u32) >= goal.end);
    loop {
        if reached(segment, offset) {
            return Ok(End { segment, offset, torn: false, length: offset });
        }
        if !numbers.contains(&segment) {
            return Err(damage(segment, 0, "is missing, needed"));
        }
        let bytes =
            segments.read_all(segment).map_err(|error| Failure::Log(unavailable("read the log", &error)))?;
        if segments::read_header(&bytes, segment).is_none_or(|(store, _)| store != segments.store) {
            return Err(damage(segment, 0, "has a broken header"));
        }
        state.segments.entry(segment).or_default();
        let ended = loop {
            if reached(segment, offset) {
                return Ok(End { segment, offset, torn: false, length: offset });
            }
            let frame = match frame::read(&bytes, offset, segment) {
                frame::Found::Whole(frame) => frame,
                frame::Found::Nothing | frame::Found::Broken => break false,
            };
            if frame.kind == frame::END {
                break true;
            }
            if frame.kind == frame::GAP {
                offset = frame.next;
                continue;
            }
            let payload = bytes.get(frame.payload..frame.payload + frame.length).unwrap_or_default();
            let ops = op::decode(payload, segment, frame.payload as u32, &mut names)
                .map_err(|_| damage(segment, offset, "holds a frame of an unknown format"))?;
            for op in ops {
                state.apply(op);
            }
            offset = frame.next;
            if state.mem.bytes > options.window_bytes() {
                let mem = state.freeze(frame::position(segment, offset as u32), usize::MAX);
                if let Some(goal) = goal {
                    (goal.may)(mem.bytes as u64).map_err(Failure::Index)?;
                }
                indexer.flush(&mem).map_err(Failure::Index)?;
                state.thaw();
            }
        };
        if ended {
            segment += 1;
            offset = START;
            continue;
        }
        if goal.is_some() {
            return Err(damage(segment, offset, "is damaged"));
        }
        // What was written later than the frame that is missing here proves that this one was synced.
        let mut at = offset;
        while let Some((found, frame)) = frame::search(&bytes, at, segment) {
            if frame.batch as usize > offset {
                return Err(damage(segment, offset, "is damaged"));
            }
            at = frame.next.max(found + 8);
        }
        for later in numbers.iter().filter(|number| **number > segment) {
            let bytes = segments
                .read_all(*later)
                .map_err(|error| Failure::Log(unavailable("read the log", &error)))?;
            if frame::search(&bytes, START, *later).is_some() {
                return Err(damage(segment, offset, "is damaged"));
            }
        }
        let torn = bytes.get(offset..).is_some_and(|rest| !frame::is_empty(rest));
        return Ok(End { segment, offset, torn, length: bytes.len() });
    }
}

fn finish(
    state: State,
    indexer: Indexer,
    segments: Segments,
    end: End,
    notice: Option<String>,
) -> Result<Recovered, StoreError> {
    let End { segment, offset, torn, length } = end;
    let file = io("open the log for writing", segments.open_for_writing(segment))?;
    if torn {
        tracing::warn!(segment, offset, "the last write of the log was not completed; it is cut off");
        // So that nothing of it can ever be taken for a frame again.
        io("cut the log", segments.disk.fill(&file, offset as u64, length as u64))?;
        io("sync the log", file.sync_data())?;
    }
    for generation in other_generations(&indexer)? {
        io("remove an old index", std::fs::remove_dir_all(generation))?;
    }
    let (offset, filled) = (offset as u32, (length as u32).min(segments.bytes));
    Ok(Recovered { state, indexer, segments, file, segment, offset, filled, notice })
}

fn other_generations(indexer: &Indexer) -> Result<Vec<std::path::PathBuf>, StoreError> {
    let own = indexer.engine_folder(indexer.checkpoint.generation);
    let mut others = Vec::new();
    for entry in io("list sled/", std::fs::read_dir(indexer.path.join("sled")))? {
        let path = io("list sled/", entry)?.path();
        if path != own && path.is_dir() {
            others.push(path);
        }
    }
    Ok(others)
}

/// The highest generation that has a folder; 0 for none.
pub(crate) fn highest_generation(path: &Path) -> Result<u32, StoreError> {
    let mut highest = 0;
    for entry in io("list sled/", std::fs::read_dir(path.join("sled")))? {
        let name = io("list sled/", entry)?.file_name();
        highest = highest.max(name.to_str().and_then(|name| name.parse().ok()).unwrap_or(0));
    }
    Ok(highest)
}

/// Moves the index aside; the answer is its highest generation.
fn set_aside(path: &Path) -> Result<u32, StoreError> {
    let sled = path.join("sled");
    let highest = highest_generation(path)?;
    let aside = path.join("sled.damaged");
    if aside.exists() {
        io("remove an older damaged index", std::fs::remove_dir_all(&aside))?;
    }
    io("move the index aside", std::fs::rename(&sled, &aside))?;
    io("make sled/", std::fs::create_dir_all(&sled))?;
    io("sync the store's folder", sync_folder(path))?;
    Ok(highest)
}

/// Makes a new engine from a snapshot, or an empty one for the whole log.
pub(crate) fn rebuild(
    options: &Options,
    segments: &Segments,
    numbers: &[u32],
    source: Option<&Path>,
    generation: u32,
) -> Result<Checkpoint, StoreError> {
    let folder = engine_folder(&options.path, generation);
    if folder.exists() {
        io("clear a half-made index", std::fs::remove_dir_all(&folder))?;
    }
    let engine = packed::open(&folder, options.cache_bytes)?;
    let mut writer = Writer::new(engine, Default::default());
    let (position, version) = match source {
        Some(source) => {
            let head = snapshot::load(source, &mut writer)?;
            if head.store != segments.store {
                return Err(StoreError::Damaged(format!("{} is of another store", source.display())));
            }
            (head.position, head.version)
        }
        None if numbers.first() == Some(&1) => (frame::position(1, START as u32), 0),
        None => {
            let first = numbers.first().copied().unwrap_or_default();
            return Err(StoreError::Damaged(format!(
                "no snapshot is whole and the log begins with segment {}",
                segments::file_name(first)
            )));
        }
    };
    let checkpoint = Checkpoint {
        store: segments.store,
        segment_bytes: segments.bytes,
        generation,
        ..Checkpoint::default()
    };
    let mut indexer = Indexer::new(writer, checkpoint, options);
    indexer.finish(position, version)?;
    Ok(indexer.checkpoint)
}
