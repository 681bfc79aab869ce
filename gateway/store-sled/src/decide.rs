//! Decides a commit: from what is asked to physical operations, or to a refusal with nothing changed.
//!
//! Reads the state, writes only its own scratch, so a commit that is refused at its last change has left no
//! trace. What only the index knows (numbers of lanes long idle, entries far behind a head, old rows) is read
//! here and handed along as `loads`.

use bytes::Bytes;
use portico_contract::{EventId, Millis};
use portico_store::{
    Append, Appended, Attempt, Change, Commit, DeadReason, Dir, DiskLevel, EventOutcome, Expect, Fence, Lane,
    LaneState, Once, StoreError, Table,
};

use crate::index::Index;
use crate::keyset::{day, near};
use crate::lane::{LaneMem, Pend, chunk_key, decode_chunk, lane_key};
use crate::note::{Dead, Fate, Note, attempt_key, dead_key, encode_attempt, once_key};
use crate::op::{Cell, Op, Tree};
use crate::read;
use crate::record::{EventRow, Place};
use crate::state::State;

/// Largest row value.
const MAX_ROW: usize = 1024 * 1024;
const MAX_KEY: usize = 4096;
const MAX_ANSWER: usize = 64 * 1024;
/// Body and raw request of one event.
const MAX_EVENT: usize = 4 * 1024 * 1024;
/// Days after which an idempotency key may be forgotten; more than 48 h from any hour of a day.
const ONCE_DAYS: u32 = 3;

/// Versions that the caller's side looked up in the engine before it queued the commit, so that the committer
/// need not; good while no rows have moved from memory to the engine since.
#[derive(Default)]
pub(crate) struct Hints {
    pub(crate) generation: u64,
    pub(crate) versions: Vec<(usize, Option<u64>)>,
}

/// What the index had to be asked for.
pub(crate) enum Load {
    Idle(Lane, u64),
    Entries(Lane, Vec<Pend>),
    Cell(Tree, Vec<u8>, Cell),
}

/// What was decided, and the lists that deciding takes: their memory serves the next commit again.
#[derive(Default)]
pub(crate) struct Decided {
    pub(crate) ops: Vec<Op>,
    pub(crate) answers: Vec<Appended>,
    pub(crate) signals: Vec<Lane>,
    pub(crate) loads: Vec<Load>,
    views: Vec<View>,
    keys: Vec<[u8; 16]>,
    /// Entries that this commit made, or that were read from the index.
    entries: Vec<(Lane, Pend)>,
}

impl Decided {
    /// Operations that need no deciding.
    pub(crate) fn of(ops: Vec<Op>) -> Self {
        Self { ops, ..Self::default() }
    }

    /// Empty, with what memory it has.
    pub(crate) fn cleared(mut self) -> Self {
        self.ops.clear();
        self.answers.clear();
        self.signals.clear();
        self.loads.clear();
        self.views.clear();
        self.keys.clear();
        self.entries.clear();
        // One large commit must not hold its memory for good.
        if self.ops.capacity() > MOST_ROOM { Self::default() } else { self }
    }
}

/// Operations for which memory is kept.
const MOST_ROOM: usize = 1024;

pub(crate) enum Verdict {
    Do(Decided),
    Same(Bytes),
}

/// A lane as this commit will leave it.
#[derive(Clone, Copy)]
struct View {
    lane: Lane,
    head: u64,
    next: u64,
    state: LaneState,
    attempts: u32,
}

pub(crate) struct Decider<'a> {
    pub(crate) state: &'a State,
    pub(crate) index: &'a Index,
    pub(crate) now: Millis,
    pub(crate) hints: Hints,
    version: u64,
    out: Decided,
}

/// Refuses what a full disk has no room for. What settles is let through to the last, with the rows it brings.
pub(crate) fn admit(commit: &Commit, level: DiskLevel, free_bytes: u64) -> Result<(), StoreError> {
    if level < DiskLevel::RefuseHooks || commit.changes.is_empty() {
        return Ok(());
    }
    let settles = |change: &Change| {
        matches!(change, Change::Settle { .. } | Change::Defer { .. } | Change::Bury { .. })
    };
    let fits = match level {
        DiskLevel::SettleOnly => {
            commit.changes.iter().any(settles)
                && !commit.changes.iter().any(|change| matches!(change, Change::Append(_)))
        }
        _ => !commit
            .changes
            .iter()
            .any(|change| matches!(change, Change::Append(append) if append.lane.dir == Dir::Inbound)),
    };
    if fits { Ok(()) } else { Err(StoreError::DiskFull { free_bytes }) }
}

impl<'a> Decider<'a> {
    /// `room` is empty; it becomes what is decided.
    pub(crate) fn new(state: &'a State, index: &'a Index, now: Millis, hints: Hints, room: Decided) -> Self {
        Self { state, index, now, hints, version: state.version, out: room }
    }

    pub(crate) fn decide(mut self, commit: Commit) -> Result<Verdict, StoreError> {
        if let Some(once) = commit.once
            && let Some(answer) = self.once(once)?
        {
            return Ok(Verdict::Same(answer));
        }
        for (place, change) in commit.changes.into_iter().enumerate() {
            match change {
                Change::Append(append) => self.append(append)?,
                Change::Replay { event } => self.replay(event)?,
                Change::Settle { fence, lane, through, outcome } => {
                    self.settle(fence, lane, through, outcome)?
                }
                Change::Defer { fence, lane, seq, due, attempt, counts } => {
                    self.defer(fence, lane, seq, due, &attempt, counts)?;
                }
                Change::Bury { fence, lane, seq, reason, attempt } => {
                    self.bury(fence, lane, seq, reason, attempt)?
                }
                Change::Unbury { bot, event } => {
                    let (row, note) = self.dead_letter(&bot, event)?;
                    self.requeue(event, &row, note.attempts)?;
                }
                Change::DropDead { bot, event } => {
                    let (_, note) = self.dead_letter(&bot, event)?;
                    self.put_note(event, Note { fate: Fate::Dropped, ..note });
                }
                Change::Release { lane } => self.release(lane)?,
                Change::Write { table, key, value, expect } => {
                    self.write(place, table, &key.0, value, expect)?
                }
            }
        }
        Ok(Verdict::Do(self.out))
    }

    fn once(&mut self, once: Once) -> Result<Option<Bytes>, StoreError> {
        if once.answer.len() > MAX_ANSWER {
            return Err(StoreError::TooLarge { what: "answer", bytes: once.answer.len(), limit: MAX_ANSWER });
        }
        let today = day(self.now);
        if let Some(byte) = self.state.once.day_of(&once.key.0) {
            let key = once_key(near(byte, today), &once.key.0);
            if let Some(cell) = self.cell(Tree::Once, &key)? {
                let (hash, _) =
                    cell.data.split_first_chunk::<16>().ok_or_else(|| bad_row(Tree::Once, &key))?;
                return if *hash == once.hash {
                    Ok(Some(cell.data.slice(16..)))
                } else {
                    Err(StoreError::KeyReused)
                };
            }
        }
        let data = [&once.hash[..], &once.answer].concat().into();
        self.put(Tree::Once, once_key(today + ONCE_DAYS, &once.key.0), Some(data));
        Ok(None)
    }

    /// A row as this commit sees it.
    fn cell(&self, tree: Tree, key: &[u8]) -> Result<Option<Cell>, StoreError> {
        let mine = self.out.ops.iter().rev().find_map(|op| match op {
            Op::Cell { tree: at, key: known, version, data } if *at == tree && known == key => {
                Some(data.clone().map(|data| Cell { version: *version, data }))
            }
            _ => None,
        });
        if let Some(mine) = mine {
            return Ok(mine);
        }
        match self.state.cell(tree, key) {
            Some(known) => Ok(known.cloned()),
            None => self.index.get(tree, key),
        }
    }

    fn put(&mut self, tree: Tree, key: Vec<u8>, data: Option<Bytes>) {
        self.version += 1;
        self.out.ops.push(Op::Cell { tree, key, version: self.version, data });
    }

    fn put_note(&mut self, event: EventId, note: Note) {
        self.put(Tree::Note, event.0.to_vec(), Some(note.encode()));
    }

    fn note(&self, event: &EventId) -> Result<Option<Note>, StoreError> {
        let Some(cell) = self.cell(Tree::Note, &event.0)? else { return Ok(None) };
        Note::decode(&cell.data).map(Some).map_err(|_| bad_row(Tree::Note, &event.0))
    }

    /// Where the lane's view stands in `views`; read from state or index the first time.
    fn view(&mut self, lane: Lane) -> Result<&mut View, StoreError> {
        let at = match self.out.views.iter().rposition(|view| view.lane == lane) {
            Some(at) => at,
            None => {
                let view = match self.state.lanes.get(&lane) {
                    Some(LaneMem { head, next, state, attempts, .. }) => {
                        View { lane, head: *head, next: *next, state: *state, attempts: *attempts }
                    }
                    None => {
                        let next = self.idle_next(lane)?;
                        View { lane, head: next, next, state: LaneState::Ready, attempts: 0 }
                    }
                };
                self.out.views.push(view);
                self.out.views.len() - 1
            }
        };
        Ok(&mut self.out.views[at])
    }

    fn idle_next(&mut self, lane: Lane) -> Result<u64, StoreError> {
        if let Some(next) = self.state.idle.get(&lane) {
            return Ok(*next);
        }
        if !self.state.evicted {
            return Ok(1);
        }
        let key = lane_key(lane);
        let cell = match self.state.cell(Tree::Lane, &key) {
            Some(known) => known.cloned(),
            None => self.index.get(Tree::Lane, &key)?,
        };
        let Some(cell) = cell else { return Ok(1) };
        let next = LaneMem::decode(&cell.data).map_err(|_| bad_row(Tree::Lane, &key))?.next;
        self.out.loads.push(Load::Idle(lane, next));
        Ok(next)
    }

    fn append(&mut self, append: Append) -> Result<(), StoreError> {
        let Append { key, keep_days, lane, event } = append;
        let bytes = event.body.len() + event.raw.len();
        if bytes > MAX_EVENT {
            return Err(StoreError::TooLarge { what: "event", bytes, limit: MAX_EVENT });
        }
        if let Some(key) = key {
            if self.state.seen.contains(&key.0)
                || self.out.keys.iter().any(|known| known[..15] == key.0[..15])
            {
                self.out.answers.push(Appended::Already);
                return Ok(());
            }
            self.out.keys.push(key.0);
        }
        let view = self.view(lane)?;
        let seq = view.next;
        view.next += 1;
        // One day more, since days are counted whole.
        let last = day(self.now) + u32::from(keep_days.clamp(3, 90)) + 1;
        let entry =
            Pend { seq, event: event.id, place: Place::default(), attempts: 0, replay: false, saved: false };
        self.out.entries.push((lane, entry));
        self.out.answers.push(Appended::New(seq));
        self.signal(lane);
        let key = key.map(|key| (key.0, last));
        self.out.ops.push(Op::Append { key, event, lane, seq, place: Place::default() });
        Ok(())
    }

    fn signal(&mut self, lane: Lane) {
        if self.out.signals.last() != Some(&lane) {
            self.out.signals.push(lane);
        }
    }

    fn event_row(&self, event: &EventId) -> Result<Option<EventRow>, StoreError> {
        match self.state.event(event) {
            Some(row) => Ok(Some(row.clone())),
            None => read::event_in_index(self.index, event),
        }
    }

    fn is_mine(&self, event: &EventId) -> bool {
        self.out.entries.iter().any(|(_, entry)| entry.event == *event && !entry.saved)
    }

    fn replay(&mut self, event: EventId) -> Result<(), StoreError> {
        if self.is_mine(&event) {
            return Ok(());
        }
        let row = self.event_row(&event)?.ok_or(StoreError::NotFound("event"))?;
        let note = self.note(&event)?;
        match self.state.outcome(&row, note) {
            EventOutcome::Pending => return Ok(()),
            EventOutcome::Dead => {
                if let Some(Note { fate: Fate::Dead(at), .. }) = note {
                    self.take_dead(at, &event)?;
                }
            }
            _ => {}
        }
        self.requeue(event, &row, note.map_or(0, |note| note.attempts))
    }

    fn requeue(&mut self, event: EventId, row: &EventRow, attempts: u32) -> Result<(), StoreError> {
        let lane = row.lane;
        let view = self.view(lane)?;
        let seq = view.next;
        if view.head == view.next {
            view.attempts = attempts;
        }
        view.next += 1;
        let entry = Pend { seq, event, place: row.place, attempts, replay: true, saved: false };
        self.out.entries.push((lane, entry));
        self.put_note(event, Note { fate: Fate::Moved(seq), attempts });
        self.out.ops.push(Op::Requeue { lane, seq, event, attempts, place: row.place });
        self.signal(lane);
        Ok(())
    }

    /// Checks that a dead letter is there and belongs to the bot, and takes it away.
    fn dead_letter(
        &mut self,
        bot: &portico_contract::BotId,
        event: EventId,
    ) -> Result<(EventRow, Note), StoreError> {
        const MISSING: StoreError = StoreError::NotFound("dead letter");
        let Some(note @ Note { fate: Fate::Dead(at), .. }) = self.note(&event)? else { return Err(MISSING) };
        let row = match self.out.ops.iter().find_map(|op| own_row(op, &event)) {
            Some(row) => row,
            None => self.event_row(&event)?.ok_or(MISSING)?,
        };
        if row.bot != *bot {
            return Err(MISSING);
        }
        self.take_dead(at, &event)?;
        Ok((row, note))
    }

    fn take_dead(&mut self, at: Millis, event: &EventId) -> Result<(), StoreError> {
        let key = dead_key(at, event);
        // Into the open window, since the frozen one may reach the engine before this is applied.
        if self.state.mem.get(Tree::Dead, &key).is_none()
            && let Some(cell) = self.cell(Tree::Dead, &key)?
        {
            self.out.loads.push(Load::Cell(Tree::Dead, key.clone(), cell));
        }
        self.put(Tree::Dead, key, None);
        Ok(())
    }

    fn check(&self, fence: Fence, lane: Lane) -> Result<(), StoreError> {
        let valid =
            fence.shard == lane.shard() && fence.epoch == self.state.epoch && self.state.owner.is_some();
        if valid { Ok(()) } else { Err(StoreError::Fenced { shard: lane.shard() }) }
    }

    /// An unsettled entry of a lane.
    fn entry(&mut self, lane: Lane, seq: u64) -> Result<Pend, StoreError> {
        if let Some(entry) = self.state.lanes.get(&lane).and_then(|lane| lane.find(seq)) {
            return Ok(*entry);
        }
        let known = |(at, entry): &&(Lane, Pend)| *at == lane && entry.seq == seq;
        if let Some((_, entry)) = self.out.entries.iter().rev().find(known) {
            return Ok(*entry);
        }
        let Some(first) = self.state.lanes.get(&lane).and_then(|lane| lane.chunk_of(seq)) else {
            return Err(StoreError::NotFound("lane entry"));
        };
        let key = chunk_key(lane, first);
        let cell = match self.state.cell(Tree::Chunk, &key) {
            Some(known) => known.cloned(),
            None => self.index.get(Tree::Chunk, &key)?,
        };
        let cell = cell.ok_or_else(|| bad_row(Tree::Chunk, &key))?;
        let run = decode_chunk(first, &cell.data).map_err(|_| bad_row(Tree::Chunk, &key))?;
        let found = run.iter().find(|entry| entry.seq == seq).copied();
        self.out.entries.extend(run.iter().map(|entry| (lane, *entry)));
        self.out.loads.push(Load::Entries(lane, run));
        found.ok_or_else(|| bad_row(Tree::Chunk, &key))
    }

    /// Moves the head, after what becomes of the entries was written.
    fn advance(&mut self, lane: Lane, head: u64) -> Result<(), StoreError> {
        let view = *self.view(lane)?;
        let attempts = if head < view.next { self.entry(lane, head)?.attempts } else { 0 };
        let view = self.view(lane)?;
        *view = View { head, attempts, state: LaneState::Ready, ..*view };
        self.out.ops.push(Op::Head { lane, head, attempts });
        Ok(())
    }

    fn settle(
        &mut self,
        fence: Fence,
        lane: Lane,
        through: u64,
        outcome: EventOutcome,
    ) -> Result<(), StoreError> {
        self.check(fence, lane)?;
        let view = *self.view(lane)?;
        if through < view.head {
            return Ok(());
        }
        if through >= view.next {
            return Err(StoreError::NotFound("lane entry"));
        }
        for seq in view.head..=through {
            let entry = self.entry(lane, seq)?;
            let attempts = if seq == view.head { view.attempts } else { entry.attempts };
            let in_place = if entry.replay { Fate::Moved(entry.seq) } else { Fate::InPlace };
            let fate = match outcome {
                EventOutcome::Done | EventOutcome::Pending => in_place,
                EventOutcome::Ignored => Fate::Ignored,
                EventOutcome::Dead | EventOutcome::Dropped => Fate::Dropped,
            };
            // Done is what the head's place says already.
            if fate != in_place || attempts != entry.attempts {
                self.put_note(entry.event, Note { fate, attempts });
            }
        }
        self.advance(lane, through + 1)
    }

    fn head_of(&mut self, fence: Fence, lane: Lane, seq: u64) -> Result<View, StoreError> {
        self.check(fence, lane)?;
        let view = *self.view(lane)?;
        if view.head != seq || view.head >= view.next {
            return Err(StoreError::NotFound("lane entry"));
        }
        Ok(view)
    }

    fn defer(
        &mut self,
        fence: Fence,
        lane: Lane,
        seq: u64,
        due: Option<Millis>,
        attempt: &Attempt,
        counts: bool,
    ) -> Result<(), StoreError> {
        let view = self.head_of(fence, lane, seq)?;
        let event = self.entry(lane, seq)?.event;
        let attempts = view.attempts + u32::from(counts);
        let state = if due.is_some() { LaneState::Deferred } else { LaneState::Held };
        let key = attempt_key(&event, self.version + 1);
        self.put(Tree::Try, key, Some(encode_attempt(attempt)));
        self.wait(lane, seq, state, due.unwrap_or(0), attempts)
    }

    fn wait(
        &mut self,
        lane: Lane,
        seq: u64,
        state: LaneState,
        due: Millis,
        attempts: u32,
    ) -> Result<(), StoreError> {
        let view = self.view(lane)?;
        *view = View { state, attempts, ..*view };
        self.out.ops.push(Op::Wait { lane, seq, state, due, attempts });
        Ok(())
    }

    fn bury(
        &mut self,
        fence: Fence,
        lane: Lane,
        seq: u64,
        reason: DeadReason,
        attempt: Option<Attempt>,
    ) -> Result<(), StoreError> {
        let view = self.head_of(fence, lane, seq)?;
        let entry = self.entry(lane, seq)?;
        let row = match self.out.ops.iter().find_map(|op| own_row(op, &entry.event)) {
            Some(row) => row,
            None => self.event_row(&entry.event)?.ok_or_else(|| bad_row(Tree::Event, &entry.event.0))?,
        };
        let attempts = view.attempts + u32::from(attempt.is_some());
        if let Some(attempt) = &attempt {
            let key = attempt_key(&entry.event, self.version + 1);
            self.put(Tree::Try, key, Some(encode_attempt(attempt)));
        }
        let dead = Dead { bot: row.bot, segment: row.place.segment, reason, last: attempt };
        self.put_note(entry.event, Note { fate: Fate::Dead(self.now), attempts });
        // Before the dead letter, so that the event stays pinned to its segment by one of both.
        self.put(Tree::Dead, dead_key(self.now, &entry.event), Some(dead.encode()));
        self.advance(lane, seq + 1)
    }

    fn release(&mut self, lane: Lane) -> Result<(), StoreError> {
        let view = *self.view(lane)?;
        if view.head < view.next && view.state != LaneState::Ready {
            self.wait(lane, view.head, LaneState::Ready, 0, view.attempts)?;
            self.signal(lane);
        }
        Ok(())
    }

    fn write(
        &mut self,
        place: usize,
        table: Table,
        key: &[u8],
        value: Option<Bytes>,
        expect: Expect,
    ) -> Result<(), StoreError> {
        if key.len() > MAX_KEY {
            return Err(StoreError::TooLarge { what: "key", bytes: key.len(), limit: MAX_KEY });
        }
        if let Some(value) = value.as_ref().filter(|value| value.len() > MAX_ROW) {
            return Err(StoreError::TooLarge { what: "value", bytes: value.len(), limit: MAX_ROW });
        }
        let key = row_key(table, key);
        if expect != Expect::Any {
            let version = self.row_version(place, &key)?;
            let holds = match expect {
                Expect::Any => true,
                Expect::Absent => version.is_none(),
                Expect::Version(wanted) => version == Some(wanted),
            };
            if !holds {
                return Err(StoreError::Conflict { table });
            }
        }
        self.put(Tree::Rows, key, value);
        Ok(())
    }

    fn row_version(&self, place: usize, key: &[u8]) -> Result<Option<u64>, StoreError> {
        let mine = self
            .out
            .ops
            .iter()
            .any(|op| matches!(op, Op::Cell { tree: Tree::Rows, key: at, .. } if at == key));
        if !mine
            && self.state.cell(Tree::Rows, key).is_none()
            && self.hints.generation == self.state.generation
            && let Some((_, version)) = self.hints.versions.iter().find(|(at, _)| *at == place)
        {
            return Ok(*version);
        }
        Ok(self.cell(Tree::Rows, key)?.map(|cell| cell.version))
    }
}

pub(crate) fn row_key(table: Table, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len() + 1);
    out.push(table as u8);
    out.extend_from_slice(key);
    out
}

/// The journal's row of an event that this very commit appends.
fn own_row(op: &Op, id: &EventId) -> Option<EventRow> {
    match op {
        Op::Append { event, lane, seq, .. } if event.id == *id => Some(EventRow {
            place: Place::default(),
            lane: *lane,
            seq: *seq,
            kind: event.kind,
            received_at: event.received_at,
            bot: event.bot.clone(),
            installation: event.installation.clone(),
            rescued: false,
        }),
        _ => None,
    }
}

pub(crate) fn bad_row(tree: Tree, key: &[u8]) -> StoreError {
    StoreError::Damaged(format!("{} does not hold what it should", crate::index::row_name(tree, key)))
}
