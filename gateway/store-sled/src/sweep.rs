//! What retention no longer keeps: events by time, keys by day, segments as a whole.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use portico_contract::{EventId, Millis};
use portico_store::{Change, Commit, DiskLevel, EventOutcome, Store, StoreError, SweepReport};

use crate::blocks::{self, Events};
use crate::checkpointer::Indexer;
use crate::decide::bad_row;
use crate::frame;
use crate::index::Writer;
use crate::keyset::day;
use crate::mend;
use crate::note::{decode_attempt, read_dead_key};
use crate::op::Tree;
use crate::queue::Task;
use crate::record::{EventRow, Names};
use crate::recover::io;
use crate::shared::Shared;
use crate::snapshot;
use crate::store::SledStore;

/// Blocks or rows that one call looks at, per kind.
const BUDGET: usize = 2000;
/// Bytes that one call may write into the engine, about.
const SWEPT: u64 = 2 * 1024 * 1024;
const HOUR: Duration = Duration::from_secs(60 * 60);
/// An entry that still waits so long after its time makes its record move to the end of the log.
const PINNED: Duration = Duration::from_secs(24 * 60 * 60);
/// Segments that may wait for a newer snapshot.
const WAITING: usize = 4;
/// Bytes of records that are moved with one commit.
const MOVED: usize = 1024 * 1024;
/// sled's size, against live bytes and in itself, above which it is made again.
const BLOAT: u64 = 4;
const BLOATED: u64 = 512 * 1024 * 1024;

fn before(now: Millis, age: Duration) -> Millis {
    now.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX))
}

impl SledStore {
    pub(crate) async fn sweep_once(&self, now: Millis) -> Result<SweepReport, StoreError> {
        let _held = self.shared.upkeep.lock().await;
        let retention = self.shared.options.retention.clone();
        let mut keep = retention.events.max(HOUR);
        if self.shared.level() >= DiskLevel::Warn {
            keep = (keep / 2).max(HOUR);
        }
        let cutoff = before(now, keep);
        let mut report = SweepReport::default();
        {
            let mut state = self.shared.state.write();
            report.removed += (state.seen.expire(day(now)) + state.once.expire(day(now))) as u64;
        }
        let attempts = before(now, retention.attempts);
        let (removed, more) = self
            .shared
            .indexer
            .run(move |shared, indexer| {
                // What frees whole segments goes on without it.
                if !mend::has_room(shared, SWEPT) {
                    return Ok((0, false));
                }
                indexer.begin()?;
                let swept = sweep_index(shared, indexer, day(now), cutoff, attempts);
                let (position, version) = (indexer.checkpoint.position, indexer.checkpoint.version);
                indexer.finish(position, version)?;
                swept
            })
            .await?;
        report.removed += removed;
        report.more |= more;
        self.sweep_dead(now, &mut report).await?;
        self.sweep_log(now, keep, &mut report).await?;
        self.shared.indexer.run(|shared, indexer| rebuild_if_bloated(shared, indexer, BLOATED)).await?;
        Ok(report)
    }

    /// Dead letters past their time, and the oldest of a bot that has too many.
    async fn sweep_dead(&self, now: Millis, report: &mut SweepReport) -> Result<(), StoreError> {
        let retention = &self.shared.options.retention;
        let cutoff = before(now, retention.dead_letters);
        let mut over: BTreeMap<_, u64> = BTreeMap::new();
        for (bot, count) in &self.shared.state.read().dead {
            if *count > retention.dead_letters_per_bot {
                over.insert(bot.clone(), count - retention.dead_letters_per_bot);
            }
        }
        let rows = self.shared.range(Tree::Dead, Bound::Unbounded, Bound::Unbounded, false, BUDGET)?;
        report.more |= rows.len() == BUDGET && !over.is_empty();
        let mut drops = Vec::new();
        for (key, cell) in rows {
            let dead = crate::note::Dead::decode(&cell.data).map_err(|_| bad_row(Tree::Dead, &key))?;
            let Some((at, event)) = read_dead_key(&key) else { continue };
            let surplus = over.get_mut(&dead.bot).filter(|count| **count > 0);
            if at < cutoff || surplus.is_some() {
                if let Some(count) = surplus {
                    *count -= 1;
                }
                drops.push(Change::DropDead { bot: dead.bot, event });
            }
        }
        report.removed += drops.len() as u64;
        for part in drops.chunks(100) {
            self.commit(Commit::of(part.to_vec())).await?;
        }
        Ok(())
    }

    /// Segments that nothing needs any more; records that keep an old one move to the end of the log.
    async fn sweep_log(
        &self,
        now: Millis,
        keep: Duration,
        report: &mut SweepReport,
    ) -> Result<(), StoreError> {
        let cutoff = before(now, keep);
        let (written, _) = frame::split(self.shared.checkpointed.load(Ordering::Relaxed));
        let (snapped, _) = frame::split(self.shared.snapshotted.load(Ordering::Relaxed));
        let mut free = Vec::new();
        let mut pinned = None;
        for (segment, facts) in &self.shared.state.read().segments {
            if *segment >= written || facts.newest >= cutoff {
                continue;
            }
            if facts.pins == 0 {
                free.push(*segment);
            } else if pinned.is_none() && facts.newest < before(now, keep.saturating_add(PINNED)) {
                pinned = Some(*segment);
            }
        }
        let waiting = free.iter().filter(|segment| **segment >= snapped).count();
        if waiting >= WAITING || (waiting > 0 && self.shared.level() >= DiskLevel::Warn) {
            self.shared.indexer.run(take_snapshot).await?;
            report.more = true;
        }
        for segment in free.into_iter().filter(|segment| *segment < snapped) {
            report.freed_bytes += io("remove a log segment", self.shared.segments.delete(segment))?;
            report.removed += 1;
            self.shared.state.write().segments.remove(&segment);
        }
        if let Some(segment) = pinned {
            self.rescue(segment).await?;
            report.more = true;
        }
        Ok(())
    }

    /// Copies what is unsettled or dead in a segment to the end of the log.
    async fn rescue(&self, segment: u32) -> Result<(), StoreError> {
        let mut upper = None;
        let mut records: Vec<(EventId, Bytes, EventRow)> = Vec::new();
        let mut bytes = 0;
        loop {
            let rows = self.shared.events_below(upper)?;
            let Some((last, _)) = rows.last() else { break };
            upper = Some(*last);
            for (id, row) in rows.into_iter().filter(|(_, row)| row.place.segment == segment) {
                let outcome = self.shared.outcome(&id, &row)?;
                if !matches!(outcome, EventOutcome::Pending | EventOutcome::Dead) {
                    continue;
                }
                let Some(record) = self.shared.segments.read(row.place)? else { continue };
                if !crate::record::intact(&record) {
                    return Err(crate::segments::damaged(row.place));
                }
                bytes += record.len();
                records.push((id, record, EventRow { rescued: true, ..row }));
                if bytes >= MOVED {
                    self.submit(Task::Rescue(std::mem::take(&mut records))).await?;
                    bytes = 0;
                }
            }
        }
        if !records.is_empty() {
            self.submit(Task::Rescue(records)).await?;
        }
        Ok(())
    }
}

/// Writes a snapshot and removes those that are no longer needed.
pub(crate) fn take_snapshot(shared: &Shared, indexer: &mut Indexer) -> Result<(), StoreError> {
    // One that is under way would be of an older position than what is asked for, or of the same name.
    indexer.snapshot = None;
    indexer.writer.watch = None;
    snapshot::write(indexer, &indexer.path)?;
    let oldest = snapshot::prune(&indexer.path)?;
    shared.snapshotted.store(oldest, Ordering::Relaxed);
    Ok(())
}

fn sweep_index(
    shared: &Shared,
    indexer: &mut Indexer,
    today: u32,
    cutoff: Millis,
    attempts: Millis,
) -> Result<(u64, bool), StoreError> {
    let mut removed = 0;
    let mut more = false;
    for tree in [Tree::Seen, Tree::Once] {
        let end = today.to_be_bytes();
        let rows = indexer.writer.engine.range(tree, Bound::Unbounded, Bound::Excluded(&end[..]), false);
        let keys = rows.take(BUDGET).map(|row| row.map(|(key, _)| key)).collect::<Result<Vec<_>, _>>()?;
        more |= keys.len() == BUDGET;
        removed += indexer.writer.write(tree, keys.iter().map(|key| (key.as_slice(), None)))?;
    }
    removed += sweep_attempts(indexer, attempts)?;
    let mut names = Names::default();
    let mut from: Bound<Vec<u8>> = Bound::Unbounded;
    for _ in 0..BUDGET {
        let below = match &from {
            Bound::Excluded(key) => Bound::Excluded(&key[..]),
            _ => Bound::Unbounded,
        };
        let found = shared.index.range(Tree::Event, below, Bound::Unbounded, false, 1)?;
        let Some((key, cell)) = found.into_iter().next() else { return Ok((removed, more)) };
        let events = blocks::decode(&cell.data, &mut names).map_err(|_| bad_row(Tree::Event, &key))?;
        if events.values().all(|row| row.received_at >= cutoff) {
            return Ok((removed, more));
        }
        let mut kept = Events::new();
        let mut gone = Vec::new();
        for (id, row) in &events {
            let settled = || -> Result<bool, StoreError> {
                Ok(!matches!(shared.outcome(id, row)?, EventOutcome::Pending | EventOutcome::Dead))
            };
            if row.received_at < cutoff && settled()? {
                gone.push(*id);
            } else {
                kept.insert(*id, row.clone());
            }
        }
        from = Bound::Excluded(key.clone());
        if !gone.is_empty() {
            indexer.replace_block(Some(key), &kept)?;
            removed += gone.len() as u64;
            indexer.writer.write(Tree::Note, gone.iter().map(|id| (&id.0[..], None)))?;
        }
    }
    Ok((removed, true))
}

fn sweep_attempts(indexer: &mut Indexer, cutoff: Millis) -> Result<u64, StoreError> {
    let index = crate::index::Index::new(indexer.writer.engine.clone());
    let rows = index.range(Tree::Try, Bound::Unbounded, Bound::Unbounded, false, BUDGET)?;
    let mut old = Vec::new();
    for (key, cell) in rows {
        if decode_attempt(&cell.data).map_err(|_| bad_row(Tree::Try, &key))?.at < cutoff {
            old.push(key);
        }
    }
    indexer.writer.write(Tree::Try, old.iter().map(|key| (key.as_slice(), None)))
}

/// sled gives space back badly: past a limit its rows are copied into a new one, and the old one is deleted.
/// Commits go on meanwhile, since rows reach the engine through this very thread.
pub(crate) fn rebuild_if_bloated(
    shared: &Shared,
    indexer: &mut Indexer,
    floor: u64,
) -> Result<(), StoreError> {
    let size = indexer.writer.engine.size();
    let live = indexer.writer.sum.live;
    if size <= floor || size <= BLOAT.saturating_mul(live) || !mend::has_room(shared, live) {
        return Ok(());
    }
    let old = indexer.checkpoint.generation;
    tracing::info!(size, live = indexer.writer.sum.live, "the index is made again to give space back");
    let folder = indexer.engine_folder(old + 1);
    if folder.exists() {
        io("clear a half-made index", std::fs::remove_dir_all(&folder))?;
    }
    let writer = match copy_rows(indexer, &folder) {
        Ok(writer) => writer,
        Err(error) => {
            io("remove a half-made index", std::fs::remove_dir_all(&folder).or_else(crate::segments::gone))?;
            return Err(error);
        }
    };
    indexer.writer = writer;
    indexer.checkpoint.generation = old + 1;
    let (position, version) = (indexer.checkpoint.position, indexer.checkpoint.version);
    if let Err(error) = indexer.finish(position, version) {
        indexer.checkpoint.generation = old;
        return Err(error);
    }
    shared.index.set(Some(indexer.writer.engine.clone()));
    io("remove the old index", std::fs::remove_dir_all(indexer.engine_folder(old)))
}

/// A new engine with the rows of the one in use.
fn copy_rows(indexer: &Indexer, folder: &std::path::Path) -> Result<Writer, StoreError> {
    let engine = crate::packed::open(folder, indexer.cache_bytes)?;
    let mut writer = Writer::new(engine, Default::default());
    let mut many = snapshot::Many::default();
    for tree in Tree::ALL {
        for row in indexer.writer.engine.range(tree, Bound::Unbounded, Bound::Unbounded, false) {
            let (key, value) = row?;
            crate::index::check(tree, &key, &value)?;
            many.put(&mut writer, tree, &key, &value)?;
        }
    }
    many.finish(&mut writer)?;
    indexer.compare(writer.sum)?;
    Ok(writer)
}
