//! Listings for the console, the dispatcher and metrics.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::Ordering;

use portico_contract::{BotId, ConversationId, EventId, Millis};
use portico_store::{
    Attempt, DeadLetter, Dir, EventFilter, EventSummary, Key, Lane, LaneHead, Page, Shard, Stats, StoreError,
};

use crate::blocks;
use crate::checkpointer::block_id;
use crate::decide::bad_row;
use crate::note::{Dead, decode_attempt, read_dead_key};
use crate::op::Tree;
use crate::read::prefix_end;
use crate::record::{EventRow, Names};
use crate::shared::Shared;

/// Rows that one page may look at to find its items.
const LOOK: usize = 20_000;
/// Rows taken from memory at once.
const SLICE: usize = 512;

fn first_of(dir: Dir, shard: Shard) -> Lane {
    let mut bytes = [0; 16];
    bytes[0] = shard;
    Lane { dir, conversation: ConversationId(bytes) }
}

fn last_of(dir: Dir, shard: Shard) -> Lane {
    let mut bytes = [255; 16];
    bytes[0] = shard;
    Lane { dir, conversation: ConversationId(bytes) }
}

impl Shared {
    pub(crate) fn lanes_of(&self, dir: Dir, shard: Shard, after: Option<Lane>, n: usize) -> Vec<LaneHead> {
        let (first, last) = (first_of(dir, shard), last_of(dir, shard));
        let from = match after {
            Some(after) if after >= last => return Vec::new(),
            Some(after) if after >= first => Bound::Excluded(after),
            _ => Bound::Included(first),
        };
        let state = self.state.read();
        let lanes = state.lanes.range((from, Bound::Included(last)));
        lanes.take(n).map(|(at, lane)| lane.as_head(*at)).collect()
    }

    pub(crate) fn due_lanes(&self, dir: Dir, now: Millis, n: usize) -> Vec<LaneHead> {
        let state = self.state.read();
        let due =
            state.due.range((dir, 0, first_of(Dir::Inbound, 0))..=(dir, now, last_of(Dir::Outbound, 255)));
        due.take(n).filter_map(|(_, _, at)| state.lanes.get(at).map(|lane| lane.as_head(*at))).collect()
    }

    pub(crate) fn first_due(&self, dir: Dir) -> Option<Millis> {
        let state = self.state.read();
        let mut due = state
            .due
            .range((dir, 0, first_of(Dir::Inbound, 0))..=(dir, Millis::MAX, last_of(Dir::Outbound, 255)));
        due.next().map(|(_, due, _)| *due)
    }

    /// Some rows of the journal's index below an id, newest first; an empty list at the end.
    pub(crate) fn events_below(
        &self,
        upper: Option<EventId>,
    ) -> Result<Vec<(EventId, EventRow)>, StoreError> {
        let mut names = Names::default();
        let mut upper = upper;
        loop {
            let generation = self.state.read().generation;
            let to = upper.as_ref().map_or(Bound::Unbounded, |id| Bound::Excluded(&id.0[..]));
            let block = self.index.range(Tree::Event, Bound::Unbounded, to, true, 1)?.into_iter().next();
            let mut rows = BTreeMap::new();
            let mut low = None;
            if let Some((key, cell)) = &block {
                let decoded = blocks::decode(&cell.data, &mut names);
                let events = decoded.map_err(|_| bad_row(Tree::Event, key))?;
                rows.extend(events.into_iter().filter(|(id, _)| upper.is_none_or(|upper| *id < upper)));
                low = block_id(key);
            }
            let state = self.state.read();
            if state.generation != generation {
                continue;
            }
            let range = (
                low.map_or(Bound::Unbounded, Bound::Included),
                upper.map_or(Bound::Unbounded, Bound::Excluded),
            );
            // Below a full slice of memory there may be more of it, so nothing below may be shown yet.
            let mut cut = None;
            for mem in state.frozen.as_deref().into_iter().chain([&state.mem]) {
                let slice: Vec<_> = mem.events.range(range).rev().take(SLICE).collect();
                if slice.len() == SLICE {
                    cut = cut.max(slice.last().map(|(id, _)| **id));
                }
                rows.extend(slice.into_iter().map(|(id, row)| (*id, row.clone())));
            }
            drop(state);
            if let Some(cut) = cut {
                rows = rows.split_off(&cut);
            }
            if rows.is_empty() && block.is_some() {
                upper = low;
                continue;
            }
            return Ok(rows.into_iter().rev().collect());
        }
    }

    pub(crate) fn list_events(
        &self,
        filter: &EventFilter,
        cursor: Option<Key>,
        n: usize,
    ) -> Result<Page<EventSummary>, StoreError> {
        let mut upper = cursor.and_then(|key| block_id(&key.0));
        let mut items = Vec::new();
        let mut looked = 0;
        loop {
            let rows = self.events_below(upper)?;
            if rows.is_empty() {
                return Ok(Page { items, next: None });
            }
            for (id, row) in rows {
                if items.len() >= n || looked >= LOOK {
                    return Ok(Page { items, next: upper.map(|id| Key(id.0.to_vec())) });
                }
                looked += 1;
                upper = Some(id);
                if !fits(filter, &row) {
                    continue;
                }
                let item = self.summary(id, row)?;
                if filter.outcome.is_none_or(|outcome| outcome == item.outcome) {
                    items.push(item);
                }
            }
        }
    }

    pub(crate) fn attempts_on(&self, id: EventId) -> Result<Vec<Attempt>, StoreError> {
        let rows =
            self.range(Tree::Try, Bound::Included(id.0.to_vec()), prefix_end(&id.0), false, usize::MAX)?;
        rows.iter()
            .map(|(key, cell)| decode_attempt(&cell.data).map_err(|_| bad_row(Tree::Try, key)))
            .collect()
    }

    pub(crate) fn list_dead(
        &self,
        bot: Option<&BotId>,
        cursor: Option<Key>,
        n: usize,
    ) -> Result<Page<DeadLetter>, StoreError> {
        let mut to = cursor.map_or(Bound::Unbounded, |key| Bound::Excluded(key.0));
        let mut items = Vec::new();
        let mut looked = 0;
        let mut last = None;
        loop {
            let rows = self.range(Tree::Dead, Bound::Unbounded, to.clone(), true, 256)?;
            if rows.is_empty() {
                return Ok(Page { items, next: None });
            }
            for (key, cell) in rows {
                if items.len() >= n || looked >= LOOK {
                    return Ok(Page { items, next: last.map(Key) });
                }
                looked += 1;
                let dead = Dead::decode(&cell.data).map_err(|_| bad_row(Tree::Dead, &key))?;
                let (at, id) = read_dead_key(&key).ok_or_else(|| bad_row(Tree::Dead, &key))?;
                last = Some(key.clone());
                to = Bound::Excluded(key);
                if bot.is_some_and(|bot| *bot != dead.bot) {
                    continue;
                }
                // Gone when it was taken back a moment ago.
                let Some(row) = self.event_row(&id)? else { continue };
                let event = self.summary(id, row)?;
                items.push(DeadLetter { event, reason: dead.reason, at, last: dead.last });
            }
        }
    }

    pub(crate) fn figures(&self) -> Stats {
        let (sync_p50, sync_p99) = self.syncs.percentiles();
        let index_bytes = self.index.engine().map_or(0, |engine| engine.size());
        let state = self.state.read();
        let mut oldest = [None; 2];
        for (at, lane) in &state.lanes {
            if let Some(entry) = lane.entries.front().filter(|entry| entry.seq == lane.head) {
                let received = state.event(&entry.event).map_or(entry.event.millis(), |row| row.received_at);
                let known: &mut Option<Millis> = &mut oldest[at.dir as usize];
                *known = Some(known.map_or(received, |known| known.min(received)));
            }
        }
        Stats {
            backlog: state.backlog,
            oldest,
            dead_letters: state.dead.values().sum(),
            commits: self.commits.load(Ordering::Relaxed),
            syncs: self.syncs.count.load(Ordering::Relaxed),
            sync_p50,
            sync_p99,
            log_bytes: self.segments.size(),
            index_bytes,
            dedupe_keys: state.seen.len() as u64,
            free_bytes: self.free.load(Ordering::Relaxed),
        }
    }
}

fn fits(filter: &EventFilter, row: &EventRow) -> bool {
    filter.bot.as_ref().is_none_or(|bot| *bot == row.bot)
        && filter.installation.as_ref().is_none_or(|installation| *installation == row.installation)
        && filter.lane.is_none_or(|lane| lane == row.lane)
        && (filter.kinds.is_empty() || filter.kinds.contains(&row.kind))
        && filter.since.is_none_or(|since| row.received_at >= since)
        && filter.until.is_none_or(|until| row.received_at < until)
}
