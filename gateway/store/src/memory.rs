//! An adapter for tests: everything in memory, the same promises short of durability.
//!
//! Each change leaves a note of how to take it back, so that a commit that is refused half-way has not happened.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use portico_contract::{BotId, EventId, Millis};
use tokio::sync::mpsc;

use crate::{
    Append, Appended, Attempt, Change, Commit, Committed, DeadLetter, DeadReason, DedupeKey, Dir, DiskLevel,
    Entry, EventFilter, EventOutcome, EventSummary, Expect, Fence, Health, IdempotencyKey, Key, KeyRange,
    Lane, LaneHead, LaneState, Lease, NodeId, Page, Retention, Row, Shard, Signals, Stats, Store, StoreError,
    StoredEvent, SweepReport, Table, VerifyReport,
};

const MAX_ROW: usize = 1024 * 1024;
const MAX_EVENT: usize = 4 * 1024 * 1024;
const MAX_ANSWER: usize = 64 * 1024;
const MAX_KEY: usize = 4096;
const PEEK_BYTES: usize = 1024 * 1024;
const DAY: Millis = 86_400_000;
const LEASE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[derive(Clone)]
struct Pend {
    event: EventId,
    replay: bool,
    attempts: u32,
}

#[derive(Clone)]
struct MemLane {
    head: u64,
    next: u64,
    state: LaneState,
    attempts: u32,
    due: Millis,
}

struct Event {
    stored: StoredEvent,
    attempts: u32,
    dead_at: Option<Millis>,
    tries: Vec<Attempt>,
}

struct Dead {
    bot: BotId,
    reason: DeadReason,
    last: Option<Attempt>,
}

#[derive(Default)]
struct Inner {
    rows: BTreeMap<(Table, Key), Row>,
    lanes: BTreeMap<Lane, MemLane>,
    entries: BTreeMap<(Lane, u64), Pend>,
    waiting: BTreeSet<(Dir, Millis, Lane)>,
    events: BTreeMap<EventId, Event>,
    dead: BTreeMap<(Millis, EventId), Dead>,
    seen: HashMap<DedupeKey, Millis>,
    once: HashMap<IdempotencyKey, ([u8; 16], Bytes, Millis)>,
    version: u64,
    epoch: u64,
    owner: Option<NodeId>,
    commits: u64,
    closed: bool,
    refusal: Option<StoreError>,
    clock: Option<Millis>,
}

type Undo = Box<dyn FnOnce(&mut Inner)>;
type Listeners = [Vec<Weak<mpsc::UnboundedSender<Vec<Lane>>>>; 2];

/// A store in memory.
pub struct MemoryStore {
    inner: Mutex<Inner>,
    listeners: Mutex<Listeners>,
    /// Keeps the listeners' channels open until the store closes.
    senders: Mutex<Vec<Arc<mpsc::UnboundedSender<Vec<Lane>>>>>,
    retention: Retention,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::with_retention(Retention::default())
    }

    /// An empty store that sweeps by a retention.
    pub fn with_retention(retention: Retention) -> Self {
        let inner = Inner { epoch: 1, ..Inner::default() };
        Self { inner: Mutex::new(inner), listeners: Mutex::default(), senders: Mutex::default(), retention }
    }

    /// Makes every further commit fail with an error, until it is called with `None`.
    pub fn refuse(&self, error: Option<StoreError>) {
        self.inner.lock().refusal = error;
    }

    /// Sets the clock by which keys and dead letters get their time; `None` is the system's.
    pub fn set_clock(&self, now: Option<Millis>) {
        self.inner.lock().clock = now;
    }

    fn tell(&self, lanes: &[Lane]) {
        for (dir, listeners) in self.listeners.lock().iter_mut().enumerate() {
            let mine: Vec<Lane> = lanes.iter().copied().filter(|lane| lane.dir as usize == dir).collect();
            if !mine.is_empty() {
                // A listener that has gone is forgotten.
                listeners
                    .retain(|listener| listener.upgrade().is_some_and(|to| to.send(mine.clone()).is_ok()));
            }
        }
    }
}

/// The changes of one commit on their way.
struct Changing<'a> {
    inner: &'a mut Inner,
    undo: Vec<Undo>,
    answers: Vec<Appended>,
    signals: Vec<Lane>,
    now: Millis,
}

impl Inner {
    fn now(&self) -> Millis {
        self.clock.unwrap_or_else(|| {
            let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
            u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)
        })
    }

    fn lane(&self, lane: Lane) -> MemLane {
        let new = MemLane { head: 1, next: 1, state: LaneState::Ready, attempts: 0, due: 0 };
        self.lanes.get(&lane).cloned().unwrap_or(new)
    }

    fn put_lane(&mut self, at: Lane, lane: Option<MemLane>) {
        if let Some(old) = self.lanes.get(&at).filter(|old| old.state == LaneState::Deferred) {
            self.waiting.remove(&(at.dir, old.due, at));
        }
        match lane {
            Some(lane) => {
                if lane.state == LaneState::Deferred {
                    self.waiting.insert((at.dir, lane.due, at));
                }
                self.lanes.insert(at, lane);
            }
            None => {
                self.lanes.remove(&at);
            }
        }
    }

    fn head_of(&self, at: Lane) -> Option<LaneHead> {
        let lane = self.lanes.get(&at).filter(|lane| lane.head < lane.next)?;
        let MemLane { head, next, state, attempts, due } = *lane;
        Some(LaneHead { lane: at, head, next, state, attempts, due })
    }

    fn summary(&self, id: EventId) -> Option<EventSummary> {
        let event = &self.events.get(&id)?.stored;
        Some(EventSummary {
            id,
            bot: event.bot.clone(),
            installation: event.installation.clone(),
            kind: event.kind,
            received_at: event.received_at,
            lane: event.lane,
            seq: event.seq,
            outcome: event.outcome,
        })
    }

    fn rows(&self, table: Table, range: &KeyRange) -> Vec<(Key, Row)> {
        let prefix = &range.prefix;
        let rows = self.rows.range((Bound::Included((table, prefix.clone())), Bound::Unbounded));
        let rows = rows.take_while(|((at, key), _)| *at == table && key.0.starts_with(&prefix.0));
        let mut rows: Vec<_> = rows.map(|((_, key), row)| (key.clone(), row.clone())).collect();
        if range.reverse {
            rows.reverse();
        }
        rows.retain(|(key, _)| match &range.after {
            Some(after) if range.reverse => key < after,
            Some(after) => key > after,
            None => true,
        });
        rows.truncate(range.limit);
        rows
    }
}

impl Changing<'_> {
    fn set_lane(&mut self, at: Lane, lane: MemLane) {
        let old = self.inner.lanes.get(&at).cloned();
        self.inner.put_lane(at, Some(lane));
        self.undo.push(Box::new(move |inner| inner.put_lane(at, old)));
    }

    fn set_outcome(&mut self, id: EventId, outcome: EventOutcome, attempts: u32, dead_at: Option<Millis>) {
        if let Some(event) = self.inner.events.get_mut(&id) {
            let before = (event.stored.outcome, event.attempts, event.dead_at);
            (event.stored.outcome, event.attempts, event.dead_at) = (outcome, attempts, dead_at);
            self.undo.push(Box::new(move |inner| {
                if let Some(event) = inner.events.get_mut(&id) {
                    (event.stored.outcome, event.attempts, event.dead_at) = before;
                }
            }));
        }
    }

    fn put_entry(&mut self, at: Lane, entry: Pend) -> u64 {
        let mut lane = self.inner.lane(at);
        let seq = lane.next;
        if lane.head == lane.next {
            lane.attempts = entry.attempts;
        }
        lane.next += 1;
        self.set_lane(at, lane);
        self.inner.entries.insert((at, seq), entry);
        self.undo.push(Box::new(move |inner| {
            inner.entries.remove(&(at, seq));
        }));
        self.signals.push(at);
        seq
    }

    fn add_try(&mut self, id: EventId, attempt: Attempt) {
        if let Some(event) = self.inner.events.get_mut(&id) {
            event.tries.push(attempt);
            self.undo.push(Box::new(move |inner| {
                if let Some(event) = inner.events.get_mut(&id) {
                    event.tries.pop();
                }
            }));
        }
    }

    fn append(&mut self, append: Append) -> Result<(), StoreError> {
        let Append { key, keep_days, lane, event } = append;
        let bytes = event.body.len() + event.raw.len();
        if bytes > MAX_EVENT {
            return Err(StoreError::TooLarge { what: "event", bytes, limit: MAX_EVENT });
        }
        if let Some(key) = key {
            if self.inner.seen.contains_key(&key) {
                self.answers.push(Appended::Already);
                return Ok(());
            }
            self.inner.seen.insert(key, self.now + DAY * Millis::from(keep_days.max(3)));
            self.undo.push(Box::new(move |inner| {
                inner.seen.remove(&key);
            }));
        }
        let id = event.id;
        let seq = self.put_entry(lane, Pend { event: id, replay: false, attempts: 0 });
        let stored = StoredEvent {
            id,
            bot: event.bot,
            installation: event.installation,
            kind: event.kind,
            received_at: event.received_at,
            lane,
            seq,
            body: event.body,
            raw: event.raw,
            raw_of: event.raw_of,
            outcome: EventOutcome::Pending,
        };
        self.inner.events.insert(id, Event { stored, attempts: 0, dead_at: None, tries: Vec::new() });
        self.undo.push(Box::new(move |inner| {
            inner.events.remove(&id);
        }));
        self.answers.push(Appended::New(seq));
        Ok(())
    }

    fn requeue(&mut self, id: EventId) -> Result<(), StoreError> {
        let event = self.inner.events.get(&id).ok_or(StoreError::NotFound("event"))?;
        let (lane, attempts) = (event.stored.lane, event.attempts);
        self.set_outcome(id, EventOutcome::Pending, attempts, None);
        self.put_entry(lane, Pend { event: id, replay: true, attempts });
        Ok(())
    }

    fn take_dead(&mut self, at: Millis, id: EventId) {
        if let Some(dead) = self.inner.dead.remove(&(at, id)) {
            self.undo.push(Box::new(move |inner| {
                inner.dead.insert((at, id), dead);
            }));
        }
    }

    fn dead_letter(&mut self, bot: &BotId, id: EventId) -> Result<u32, StoreError> {
        let event = self.inner.events.get(&id).filter(|event| event.stored.bot == *bot);
        let found = event.and_then(|event| event.dead_at.map(|at| (at, event.attempts)));
        let (at, attempts) = found.ok_or(StoreError::NotFound("dead letter"))?;
        self.take_dead(at, id);
        Ok(attempts)
    }

    fn check(&self, fence: Fence, lane: Lane) -> Result<(), StoreError> {
        let valid =
            fence.shard == lane.shard() && fence.epoch == self.inner.epoch && self.inner.owner.is_some();
        if valid { Ok(()) } else { Err(StoreError::Fenced { shard: lane.shard() }) }
    }

    fn head(&self, fence: Fence, at: Lane, seq: u64) -> Result<(MemLane, EventId), StoreError> {
        self.check(fence, at)?;
        let lane = self.inner.lane(at);
        let entry = self.inner.entries.get(&(at, seq)).filter(|_| lane.head == seq);
        entry.map(|entry| (lane, entry.event)).ok_or(StoreError::NotFound("lane entry"))
    }

    fn advance(&mut self, at: Lane, head: u64) {
        let mut lane = self.inner.lane(at);
        for seq in lane.head..head {
            if let Some(entry) = self.inner.entries.remove(&(at, seq)) {
                self.undo.push(Box::new(move |inner| {
                    inner.entries.insert((at, seq), entry);
                }));
            }
        }
        let attempts = self.inner.entries.get(&(at, head)).map_or(0, |entry| entry.attempts);
        lane = MemLane { head, attempts, state: LaneState::Ready, due: 0, ..lane };
        self.set_lane(at, lane);
    }

    fn settle(
        &mut self,
        fence: Fence,
        at: Lane,
        through: u64,
        outcome: EventOutcome,
    ) -> Result<(), StoreError> {
        self.check(fence, at)?;
        let lane = self.inner.lane(at);
        if through < lane.head {
            return Ok(());
        }
        if through >= lane.next {
            return Err(StoreError::NotFound("lane entry"));
        }
        let outcome = match outcome {
            EventOutcome::Done | EventOutcome::Pending => EventOutcome::Done,
            EventOutcome::Ignored => EventOutcome::Ignored,
            EventOutcome::Dead | EventOutcome::Dropped => EventOutcome::Dropped,
        };
        for seq in lane.head..=through {
            if let Some(Pend { event, attempts, .. }) = self.inner.entries.get(&(at, seq)).cloned() {
                let attempts = if seq == lane.head { lane.attempts } else { attempts };
                self.set_outcome(event, outcome, attempts, None);
            }
        }
        self.advance(at, through + 1);
        Ok(())
    }

    fn write(
        &mut self,
        table: Table,
        key: Key,
        value: Option<Bytes>,
        expect: Expect,
    ) -> Result<(), StoreError> {
        if key.0.len() > MAX_KEY {
            return Err(StoreError::TooLarge { what: "key", bytes: key.0.len(), limit: MAX_KEY });
        }
        if let Some(value) = value.as_ref().filter(|value| value.len() > MAX_ROW) {
            return Err(StoreError::TooLarge { what: "value", bytes: value.len(), limit: MAX_ROW });
        }
        let place = (table, key);
        let version = self.inner.rows.get(&place).map(|row| row.version);
        let holds = match expect {
            Expect::Any => true,
            Expect::Absent => version.is_none(),
            Expect::Version(wanted) => version == Some(wanted),
        };
        if !holds {
            return Err(StoreError::Conflict { table });
        }
        self.inner.version += 1;
        let version = self.inner.version;
        let old = match value {
            Some(value) => self.inner.rows.insert(place.clone(), Row { value, version }),
            None => self.inner.rows.remove(&place),
        };
        self.undo.push(Box::new(move |inner| {
            match old {
                Some(old) => inner.rows.insert(place, old),
                None => inner.rows.remove(&place),
            };
        }));
        Ok(())
    }

    fn change(&mut self, change: Change) -> Result<(), StoreError> {
        match change {
            Change::Append(append) => self.append(append),
            Change::Replay { event } => {
                let known = self.inner.events.get(&event).ok_or(StoreError::NotFound("event"))?;
                if known.stored.outcome == EventOutcome::Pending {
                    return Ok(());
                }
                if let Some(at) = known.dead_at {
                    self.take_dead(at, event);
                }
                self.requeue(event)
            }
            Change::Settle { fence, lane, through, outcome } => self.settle(fence, lane, through, outcome),
            Change::Defer { fence, lane: at, seq, due, attempt, counts } => {
                let (mut lane, event) = self.head(fence, at, seq)?;
                lane.attempts += u32::from(counts);
                lane.state = if due.is_some() { LaneState::Deferred } else { LaneState::Held };
                lane.due = due.unwrap_or(0);
                self.set_lane(at, lane);
                self.add_try(event, attempt);
                Ok(())
            }
            Change::Bury { fence, lane: at, seq, reason, attempt } => {
                let (lane, id) = self.head(fence, at, seq)?;
                let bot = self.inner.events.get(&id).map(|event| event.stored.bot.clone());
                let bot = bot.ok_or(StoreError::NotFound("event"))?;
                let dead_at = self.now;
                self.set_outcome(
                    id,
                    EventOutcome::Dead,
                    lane.attempts + u32::from(attempt.is_some()),
                    Some(dead_at),
                );
                if let Some(attempt) = attempt.clone() {
                    self.add_try(id, attempt);
                }
                self.inner.dead.insert((dead_at, id), Dead { bot, reason, last: attempt });
                self.undo.push(Box::new(move |inner| {
                    inner.dead.remove(&(dead_at, id));
                }));
                self.advance(at, seq + 1);
                Ok(())
            }
            Change::Unbury { bot, event } => {
                self.dead_letter(&bot, event)?;
                self.requeue(event)
            }
            Change::DropDead { bot, event } => {
                let attempts = self.dead_letter(&bot, event)?;
                self.set_outcome(event, EventOutcome::Dropped, attempts, None);
                Ok(())
            }
            Change::Release { lane: at } => {
                let lane = self.inner.lane(at);
                if lane.head < lane.next && lane.state != LaneState::Ready {
                    self.set_lane(at, MemLane { state: LaneState::Ready, due: 0, ..lane });
                    self.signals.push(at);
                }
                Ok(())
            }
            Change::Write { table, key, value, expect } => self.write(table, key, value, expect),
        }
    }
}

struct Listener {
    receiver: mpsc::UnboundedReceiver<Vec<Lane>>,
    _sender: Weak<mpsc::UnboundedSender<Vec<Lane>>>,
}

#[async_trait]
impl Signals for Listener {
    async fn recv(&mut self) -> Option<Vec<Lane>> {
        let mut lanes = self.receiver.recv().await?;
        while let Ok(more) = self.receiver.try_recv() {
            lanes.extend(more);
        }
        Some(lanes)
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store has been closed".into())
}

#[async_trait]
impl Store for MemoryStore {
    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let (done, signals) = {
            let mut inner = self.inner.lock();
            if inner.closed {
                return Err(closed());
            }
            if let Some(error) = inner.refusal.clone() {
                return Err(error);
            }
            let now = inner.now();
            if let Some(once) = &commit.once {
                if once.answer.len() > MAX_ANSWER {
                    return Err(StoreError::TooLarge {
                        what: "answer",
                        bytes: once.answer.len(),
                        limit: MAX_ANSWER,
                    });
                }
                if let Some((hash, answer, _)) = inner.once.get(&once.key) {
                    let same = *hash == once.hash;
                    return if same {
                        Ok(Committed::Same(answer.clone()))
                    } else {
                        Err(StoreError::KeyReused)
                    };
                }
            }
            let mut changing = Changing {
                inner: &mut inner,
                undo: Vec::new(),
                answers: Vec::new(),
                signals: Vec::new(),
                now,
            };
            let result = commit.changes.into_iter().try_for_each(|change| changing.change(change));
            let Changing { undo, answers, signals, .. } = changing;
            if let Err(error) = result {
                undo.into_iter().rev().for_each(|undo| undo(&mut inner));
                return Err(error);
            }
            if let Some(once) = commit.once {
                inner.once.insert(once.key, (once.hash, once.answer, now + 2 * DAY));
            }
            inner.commits += 1;
            (Committed::Done(answers), signals)
        };
        self.tell(&signals);
        Ok(done)
    }

    async fn get(&self, table: Table, key: &Key) -> Result<Option<Row>, StoreError> {
        Ok(self.inner.lock().rows.get(&(table, key.clone())).cloned())
    }

    fn get_local(&self, table: Table, key: &Key) -> Option<Result<Option<Row>, StoreError>> {
        Some(Ok(self.inner.lock().rows.get(&(table, key.clone())).cloned()))
    }

    async fn scan(&self, table: Table, range: KeyRange) -> Result<Vec<(Key, Row)>, StoreError> {
        Ok(self.inner.lock().rows(table, &range))
    }

    fn scan_local(&self, table: Table, range: KeyRange) -> Option<Result<Vec<(Key, Row)>, StoreError>> {
        Some(Ok(self.inner.lock().rows(table, &range)))
    }

    async fn backlog(
        &self,
        dir: Dir,
        shard: Shard,
        after: Option<Lane>,
        n: usize,
    ) -> Result<Vec<LaneHead>, StoreError> {
        let inner = self.inner.lock();
        let mine = |lane: &&Lane| {
            lane.dir == dir && lane.shard() == shard && after.as_ref().is_none_or(|after| *lane > after)
        };
        Ok(inner.lanes.keys().filter(mine).filter_map(|lane| inner.head_of(*lane)).take(n).collect())
    }

    async fn lane(&self, lane: Lane) -> Result<Option<LaneHead>, StoreError> {
        Ok(self.inner.lock().head_of(lane))
    }

    async fn peek(&self, lane: Lane, n: usize) -> Result<Vec<Entry>, StoreError> {
        let inner = self.inner.lock();
        let Some(head) = inner.head_of(lane) else { return Ok(Vec::new()) };
        let mut entries: Vec<Entry> = Vec::new();
        let mut bytes = 0;
        for ((_, seq), pend) in inner.entries.range((lane, head.head)..(lane, head.next)).take(n) {
            let Some(event) = inner.events.get(&pend.event) else { continue };
            bytes += event.stored.body.len() + event.stored.raw.len();
            if !entries.is_empty() && bytes > PEEK_BYTES {
                break;
            }
            let attempts = if *seq == head.head { head.attempts } else { pend.attempts };
            entries.push(Entry {
                seq: *seq,
                replay: pend.replay,
                attempts,
                fresh: !pend.replay,
                event: event.stored.clone(),
            });
        }
        Ok(entries)
    }

    async fn due(&self, dir: Dir, now: Millis, n: usize) -> Result<Vec<LaneHead>, StoreError> {
        let inner = self.inner.lock();
        let due = inner.waiting.iter().filter(|(at, due, _)| *at == dir && *due <= now);
        Ok(due.take(n).filter_map(|(_, _, lane)| inner.head_of(*lane)).collect())
    }

    async fn next_due(&self, dir: Dir) -> Result<Option<Millis>, StoreError> {
        Ok(self.inner.lock().waiting.iter().find(|(at, _, _)| *at == dir).map(|(_, due, _)| *due))
    }

    async fn event(&self, id: EventId) -> Result<Option<StoredEvent>, StoreError> {
        Ok(self.inner.lock().events.get(&id).map(|event| event.stored.clone()))
    }

    async fn events(
        &self,
        filter: &EventFilter,
        cursor: Option<Key>,
        n: usize,
    ) -> Result<Page<EventSummary>, StoreError> {
        let inner = self.inner.lock();
        let mut items = Vec::new();
        for id in inner.events.keys().rev() {
            if cursor.as_ref().is_some_and(|cursor| id.0[..] >= cursor.0[..]) {
                continue;
            }
            let Some(item) = inner.summary(*id).filter(|item| fits(filter, item)) else { continue };
            if items.len() >= n {
                let next = items.last().map(|item: &EventSummary| Key(item.id.0.to_vec()));
                return Ok(Page { items, next });
            }
            items.push(item);
        }
        Ok(Page { items, next: None })
    }

    async fn attempts(&self, id: EventId) -> Result<Vec<Attempt>, StoreError> {
        Ok(self.inner.lock().events.get(&id).map(|event| event.tries.clone()).unwrap_or_default())
    }

    async fn dead_letters(
        &self,
        bot: Option<&BotId>,
        cursor: Option<Key>,
        n: usize,
    ) -> Result<Page<DeadLetter>, StoreError> {
        let inner = self.inner.lock();
        let mut items = Vec::new();
        let mut last = None;
        for ((at, id), dead) in inner.dead.iter().rev() {
            let key = Key::new().number(*at).bytes(&id.0);
            if cursor.as_ref().is_some_and(|cursor| key >= *cursor) || bot.is_some_and(|bot| *bot != dead.bot)
            {
                continue;
            }
            if items.len() >= n {
                return Ok(Page { items, next: last });
            }
            let Some(event) = inner.summary(*id) else { continue };
            items.push(DeadLetter { event, reason: dead.reason, at: *at, last: dead.last.clone() });
            last = Some(key);
        }
        Ok(Page { items, next: None })
    }

    async fn hold(&self, node: NodeId, want: usize) -> Result<Vec<Lease>, StoreError> {
        let asked = Instant::now();
        let mut inner = self.inner.lock();
        if inner.owner.is_none() {
            inner.owner = Some(node);
            inner.epoch += 1;
        }
        if inner.owner != Some(node) {
            return Ok(Vec::new());
        }
        let epoch = inner.epoch;
        let lease = |shard| Lease { fence: Fence { shard, epoch }, until: asked + LEASE };
        Ok((0..=Shard::MAX).take(want).map(lease).collect())
    }

    async fn release(&self, node: NodeId) -> Result<(), StoreError> {
        let mut inner = self.inner.lock();
        if inner.owner == Some(node) {
            inner.owner = None;
        }
        Ok(())
    }

    fn signals(&self, dir: Dir) -> Box<dyn Signals> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let sender = Arc::new(sender);
        let weak = Arc::downgrade(&sender);
        if !self.inner.lock().closed {
            self.listeners.lock()[dir as usize].push(weak.clone());
            self.senders.lock().push(sender);
        }
        Box::new(Listener { receiver, _sender: weak })
    }

    async fn sweep(&self, now: Millis) -> Result<SweepReport, StoreError> {
        let mut inner = self.inner.lock();
        let before = |age: Duration| now.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        let mut removed = inner.seen.len() + inner.once.len() + inner.events.len() + inner.dead.len();
        inner.seen.retain(|_, until| *until >= now);
        inner.once.retain(|_, (_, _, until)| *until >= now);
        let cutoff = before(self.retention.dead_letters);
        while let Some(((at, id), _)) = inner.dead.first_key_value().map(|(key, dead)| (*key, dead.reason)) {
            if at >= cutoff {
                break;
            }
            inner.dead.remove(&(at, id));
            if let Some(event) = inner.events.get_mut(&id) {
                (event.stored.outcome, event.dead_at) = (EventOutcome::Dropped, None);
            }
        }
        let cutoff = before(self.retention.events.max(Duration::from_secs(3600)));
        inner.events.retain(|_, event| {
            event.stored.received_at >= cutoff
                || matches!(event.stored.outcome, EventOutcome::Pending | EventOutcome::Dead)
        });
        removed -= inner.seen.len() + inner.once.len() + inner.events.len() + inner.dead.len();
        Ok(SweepReport { removed: removed as u64, ..SweepReport::default() })
    }

    async fn verify(&self) -> Result<VerifyReport, StoreError> {
        let inner = self.inner.lock();
        Ok(VerifyReport { checked: (inner.rows.len() + inner.events.len()) as u64, faults: Vec::new() })
    }

    async fn backup(&self, _folder: &Path) -> Result<(), StoreError> {
        Err(StoreError::Unavailable("a store in memory has no backups".into()))
    }

    fn health(&self) -> Health {
        let inner = self.inner.lock();
        Health {
            writable: !inner.closed && inner.refusal.is_none(),
            problem: inner.refusal.as_ref().map(ToString::to_string),
            disk: DiskLevel::Fine,
            durability: "memory: nothing survives the process".into(),
        }
    }

    fn stats(&self) -> Stats {
        let inner = self.inner.lock();
        let mut stats =
            Stats { dead_letters: inner.dead.len() as u64, commits: inner.commits, ..Stats::default() };
        for ((lane, _), pend) in &inner.entries {
            let dir = lane.dir as usize;
            stats.backlog[dir] += 1;
            if let Some(event) = inner.events.get(&pend.event) {
                let received = event.stored.received_at;
                stats.oldest[dir] = Some(stats.oldest[dir].map_or(received, |known| known.min(received)));
            }
        }
        stats.dedupe_keys = inner.seen.len() as u64;
        stats
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.lock().closed = true;
        self.senders.lock().clear();
        Ok(())
    }
}

fn fits(filter: &EventFilter, event: &EventSummary) -> bool {
    filter.bot.as_ref().is_none_or(|bot| *bot == event.bot)
        && filter.installation.as_ref().is_none_or(|installation| *installation == event.installation)
        && filter.lane.is_none_or(|lane| lane == event.lane)
        && (filter.kinds.is_empty() || filter.kinds.contains(&event.kind))
        && filter.outcome.is_none_or(|outcome| outcome == event.outcome)
        && filter.since.is_none_or(|since| event.received_at >= since)
        && filter.until.is_none_or(|until| event.received_at < until)
}
