//! What the store knows in memory, and how a decided operation changes it.
//!
//! Written by the committer alone, in commit order; recovery goes the same way. Applying an operation again
//! changes nothing, since numbers, versions and heads were given when it was decided.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use portico_contract::{BotId, EventId, Millis};
use portico_store::{Dir, EventOutcome, Lane, LaneState, NodeId};

use crate::keyset::KeySet;
use crate::lane::{LaneMem, chunk_key, kept, lane_key};
use crate::mem::Mem;
use crate::note::{Fate, Note};
use crate::op::{Cell, Op, Tree};
use crate::record::EventRow;

/// What is known of a log segment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SegmentFacts {
    /// Received time of its newest event.
    pub(crate) newest: Millis,
    /// Unsettled and dead events in it.
    pub(crate) pins: u64,
}

#[derive(Default)]
pub(crate) struct State {
    /// Lanes with unsettled entries, in the order of listings.
    pub(crate) lanes: BTreeMap<Lane, LaneMem>,
    /// Next numbers of lanes without entries.
    pub(crate) idle: HashMap<Lane, u64>,
    /// Some idle lanes are in the index only.
    pub(crate) evicted: bool,
    /// Lanes whose row in the index is behind.
    dirty: HashSet<Lane>,
    pub(crate) due: BTreeSet<(Dir, Millis, Lane)>,
    pub(crate) seen: KeySet,
    pub(crate) once: KeySet,
    pub(crate) mem: Mem,
    /// The window that is being written to the engine.
    pub(crate) frozen: Option<Arc<Mem>>,
    /// Grows when rows move from memory to the engine.
    pub(crate) generation: u64,
    pub(crate) version: u64,
    pub(crate) epoch: u64,
    pub(crate) owner: Option<NodeId>,
    pub(crate) backlog: [u64; 2],
    pub(crate) segments: BTreeMap<u32, SegmentFacts>,
    /// Pinned events that lie elsewhere than where their entry says.
    pub(crate) rescued: HashMap<EventId, u32>,
    pub(crate) dead: HashMap<BotId, u64>,
    /// Recovery is over: counts are kept.
    pub(crate) live: bool,
}

impl State {
    /// A row that memory knows; `Some(None)` is a deleted one.
    pub(crate) fn cell(&self, tree: Tree, key: &[u8]) -> Option<Option<&Cell>> {
        self.mem.get(tree, key).or_else(|| self.frozen.as_ref()?.get(tree, key))
    }

    pub(crate) fn event(&self, id: &EventId) -> Option<&EventRow> {
        self.mem.events.get(id).or_else(|| self.frozen.as_ref()?.events.get(id))
    }

    /// How far an event got: what its note says, else whether the head of its lane has passed it.
    pub(crate) fn outcome(&self, row: &EventRow, note: Option<Note>) -> EventOutcome {
        let seq = match note.map(|note| note.fate) {
            Some(Fate::Ignored) => return EventOutcome::Ignored,
            Some(Fate::Dead(_)) => return EventOutcome::Dead,
            Some(Fate::Dropped) => return EventOutcome::Dropped,
            Some(Fate::Moved(seq)) => seq,
            Some(Fate::InPlace) | None => row.seq,
        };
        match self.lanes.get(&row.lane) {
            Some(lane) if seq >= lane.head => EventOutcome::Pending,
            _ => EventOutcome::Done,
        }
    }

    pub(crate) fn pin(&mut self, event: &EventId, segment: u32) {
        let segment = self.rescued.get(event).copied().unwrap_or(segment);
        self.segments.entry(segment).or_default().pins += 1;
    }

    fn unpin(&mut self, event: &EventId, segment: u32) {
        let segment = self.rescued.remove(event).unwrap_or(segment);
        if let Some(facts) = self.segments.get_mut(&segment) {
            facts.pins = facts.pins.saturating_sub(1);
        }
    }

    /// The lane, with its numbers as they were when it last had entries.
    fn lane(&mut self, lane: Lane) -> &mut LaneMem {
        self.dirty.insert(lane);
        let idle = &mut self.idle;
        self.lanes.entry(lane).or_insert_with(|| LaneMem::empty(idle.remove(&lane).unwrap_or(1)))
    }

    pub(crate) fn apply(&mut self, op: Op) {
        match op {
            Op::Append { key, event, lane, seq, place } => {
                let row = EventRow {
                    place,
                    lane,
                    seq,
                    kind: event.kind,
                    received_at: event.received_at,
                    bot: event.bot,
                    installation: event.installation,
                    rescued: false,
                };
                self.append(key, event.id, row);
            }
            Op::Appended { key, id, row } => self.append(key, id, row),
            Op::Requeue { lane, seq, event, attempts, place } => {
                let entry = crate::lane::Pend { seq, event, place, attempts, replay: true, saved: false };
                self.enter(lane, entry);
            }
            Op::Head { lane, head, attempts } => self.advance(lane, head, attempts),
            Op::Wait { lane, seq, state, due, attempts } => self.wait(lane, seq, state, due, attempts),
            Op::Cell { tree, key, version, data } => self.write(tree, key, version, data),
            Op::Epoch { epoch } => self.epoch = self.epoch.max(epoch),
            Op::Rescue { id, row, from, .. } => self.rescue(id, row, from),
        }
    }

    fn append(&mut self, key: Option<([u8; 16], u32)>, id: EventId, row: EventRow) {
        if let Some((key, day)) = key {
            self.seen.insert(&key, day);
            self.mem.put_seen(key, day);
        }
        let facts = self.segments.entry(row.place.segment).or_default();
        facts.newest = facts.newest.max(row.received_at);
        let (lane, seq, place) = (row.lane, row.seq, row.place);
        self.mem.put_event(id, row);
        let entry = crate::lane::Pend { seq, event: id, place, attempts: 0, replay: false, saved: false };
        self.enter(lane, entry);
    }

    fn enter(&mut self, at: Lane, entry: crate::lane::Pend) {
        let live = self.live;
        let lane = self.lane(at);
        // Only in recovery: the index was already ahead of the log here.
        if entry.seq < lane.head || (entry.seq < lane.next && lane.chunk_of(entry.seq).is_some()) {
            return self.retire_if_empty(at);
        }
        lane.next = lane.next.max(entry.seq + 1);
        if entry.seq == lane.head && lane.state == LaneState::Ready {
            lane.attempts = lane.attempts.max(entry.attempts);
        }
        lane.insert(entry);
        self.mem.bytes += 56;
        if live {
            self.backlog[at.dir as usize] += 1;
            self.pin(&entry.event, entry.place.segment);
        }
    }

    fn retire_if_empty(&mut self, at: Lane) {
        if let Some(lane) = self.lanes.get(&at)
            && lane.head >= lane.next
        {
            self.idle.insert(at, lane.next);
            self.lanes.remove(&at);
        }
    }

    fn advance(&mut self, at: Lane, head: u64, attempts: u32) {
        let live = self.live;
        let lane = self.lane(at);
        if head <= lane.head {
            return self.retire_if_empty(at);
        }
        let settled = head - lane.head;
        let waited = (lane.state == LaneState::Deferred).then_some(lane.due);
        lane.next = lane.next.max(head);
        lane.head = head;
        lane.state = LaneState::Ready;
        lane.due = 0;
        lane.attempts = attempts;
        let mut gone = Vec::new();
        while lane.entries.front().is_some_and(|entry| entry.seq < head) {
            gone.extend(lane.entries.pop_front().map(|entry| (entry.event, entry.place.segment)));
        }
        let mut rows = Vec::new();
        while lane.chunks.front().is_some_and(|(_, last)| *last < head) {
            rows.extend(lane.chunks.pop_front().map(|(first, _)| chunk_key(at, first)));
        }
        if let Some(due) = waited {
            self.due.remove(&(at.dir, due, at));
        }
        for key in rows {
            self.mem.put(Tree::Chunk, key, None);
        }
        if live {
            let count = &mut self.backlog[at.dir as usize];
            *count = count.saturating_sub(settled);
            for (event, segment) in gone {
                self.unpin(&event, segment);
            }
        }
        self.retire_if_empty(at);
    }

    fn wait(&mut self, at: Lane, seq: u64, state: LaneState, due: Millis, attempts: u32) {
        let lane = self.lane(at);
        if lane.head != seq || lane.head >= lane.next {
            return self.retire_if_empty(at);
        }
        let before = (lane.state == LaneState::Deferred).then_some(lane.due);
        lane.state = state;
        lane.due = due;
        lane.attempts = attempts;
        if let Some(due) = before {
            self.due.remove(&(at.dir, due, at));
        }
        if state == LaneState::Deferred {
            self.due.insert((at.dir, due, at));
        }
    }

    fn write(&mut self, tree: Tree, key: Vec<u8>, version: u64, data: Option<bytes::Bytes>) {
        self.version = self.version.max(version);
        match tree {
            Tree::Dead if self.live => self.count_dead(&key, data.as_deref()),
            Tree::Once => {
                if let (Some((day, key)), true) = (crate::note::read_once_key(&key), data.is_some()) {
                    self.once.insert(&key, day);
                }
            }
            _ => {}
        }
        self.mem.put(tree, key, data.map(|data| Cell { version, data }));
    }

    /// A dead letter came or went; the committer has put the row that goes into memory before.
    fn count_dead(&mut self, key: &[u8], data: Option<&[u8]>) {
        let Some((_, event)) = crate::note::read_dead_key(key) else { return };
        let old = self.cell(Tree::Dead, key).flatten().map(|cell| cell.data.clone());
        if let Some((bot, segment)) = data.and_then(crate::note::dead_owner) {
            *self.dead.entry(bot).or_default() += 1;
            self.pin(&event, segment);
        } else if let Some((bot, segment)) = old.as_deref().and_then(crate::note::dead_owner) {
            if let Some(count) = self.dead.get_mut(&bot) {
                *count = count.saturating_sub(1);
            }
            self.unpin(&event, segment);
        }
    }

    fn rescue(&mut self, id: EventId, row: EventRow, from: u32) {
        let facts = self.segments.entry(row.place.segment).or_default();
        facts.newest = facts.newest.max(row.received_at);
        if self.live {
            if let Some(facts) = self.segments.get_mut(&from) {
                facts.pins = facts.pins.saturating_sub(1);
            }
            self.segments.entry(row.place.segment).or_default().pins += 1;
        }
        self.rescued.insert(id, row.place.segment);
        self.mem.put_event(id, row);
    }

    /// Puts entries that were read from the index into memory.
    pub(crate) fn load(&mut self, lane: Lane, entries: Vec<crate::lane::Pend>) {
        if let Some(lane) = self.lanes.get_mut(&lane) {
            let head = lane.head;
            for entry in entries.into_iter().filter(|entry| entry.seq >= head) {
                lane.insert(entry);
            }
        }
    }

    /// Puts a row that only the engine has into memory, so that what goes away is known when it does.
    pub(crate) fn recall(&mut self, tree: Tree, key: Vec<u8>, cell: Cell) {
        if self.cell(tree, &key).is_none() {
            self.mem.put(tree, key, Some(cell));
        }
    }

    /// Gives the entries that are left of a lane with holes new numbers without gaps; the last stays the last.
    pub(crate) fn renumber(&mut self, at: Lane, left: Vec<crate::lane::Pend>) {
        let Some(lane) = self.lanes.get_mut(&at) else { return };
        let rows: Vec<u64> = lane.chunks.drain(..).map(|(first, _)| first).collect();
        let head = lane.next - left.len() as u64;
        let before = lane.head;
        lane.entries.clear();
        let mut moved = Vec::new();
        for (seq, entry) in (head..).zip(left) {
            if seq != entry.seq {
                moved.push((entry.event, Note { fate: Fate::Moved(seq), attempts: entry.attempts }));
            }
            lane.entries.push_back(crate::lane::Pend { seq, saved: false, ..entry });
        }
        lane.head = head;
        let waits = (before != head && lane.state != LaneState::Ready).then_some((lane.state, lane.due));
        if let Some((state, due)) = waits {
            lane.state = LaneState::Ready;
            lane.attempts = lane.entries.front().map_or(0, |entry| entry.attempts);
            lane.due = 0;
            if state == LaneState::Deferred {
                self.due.remove(&(at.dir, due, at));
            }
        }
        self.dirty.insert(at);
        for first in rows {
            self.mem.put(Tree::Chunk, chunk_key(at, first), None);
        }
        for (event, note) in moved {
            self.version += 1;
            let version = self.version;
            self.write(Tree::Note, event.0.to_vec(), version, Some(note.encode()));
        }
        self.retire_if_empty(at);
    }

    /// Ends a window: everything up to a synced position of the log goes to the engine.
    ///
    /// Called by the committer between commits, so numbers of idle lanes are evicted here and never while a
    /// decided commit still relies on them; nothing is frozen then, so the engine has all rows but the dirty.
    pub(crate) fn freeze(&mut self, upto: u64, idle_lanes: usize) -> Arc<Mem> {
        if self.idle.len() > idle_lanes {
            let dirty = &self.dirty;
            let mut over = self.idle.len() - idle_lanes * 3 / 4;
            self.idle.retain(|lane, _| {
                let kept = over == 0 || dirty.contains(lane);
                over -= usize::from(!kept);
                kept
            });
            self.evicted = true;
        }
        let keep = kept(self.backlog.iter().sum());
        for lane in std::mem::take(&mut self.dirty) {
            if let Some(known) = self.lanes.get_mut(&lane) {
                let mem = &mut self.mem;
                known.save(lane, keep, |key, value| {
                    mem.put(Tree::Chunk, key, Some(Cell { version: 0, data: value.into() }));
                });
                let data = known.encode().into();
                self.mem.put(Tree::Lane, lane_key(lane), Some(Cell { version: 0, data }));
            } else if let Some(next) = self.idle.get(&lane) {
                let data = LaneMem::empty(*next).encode().into();
                self.mem.put(Tree::Lane, lane_key(lane), Some(Cell { version: 0, data }));
            }
        }
        let mut mem = std::mem::take(&mut self.mem);
        mem.upto = upto;
        mem.version = self.version;
        let epoch = Cell { version: 0, data: self.epoch.to_le_bytes().to_vec().into() };
        mem.put(Tree::Meta, b"epoch".to_vec(), Some(epoch));
        let mem = Arc::new(mem);
        self.frozen = Some(mem.clone());
        self.generation += 1;
        mem
    }

    /// The frozen window is in the engine.
    pub(crate) fn thaw(&mut self) {
        self.frozen = None;
        self.generation += 1;
    }
}
