//! A store in memory, as much of it as the driver and its handlers need.
#![allow(missing_docs, unreachable_pub, dead_code)]

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use portico_contract::{BotId, EventId, Millis};
use portico_store::*;
use tokio::sync::mpsc;

#[derive(Clone)]
struct L {
    head: u64,
    state: LaneState,
    attempts: u32,
    due: Millis,
    next: u64,
    entries: VecDeque<(u64, EventId, bool)>,
}

#[derive(Default)]
struct Inner {
    rows: BTreeMap<(u8, Vec<u8>), (Bytes, u64)>,
    version: u64,
    events: BTreeMap<EventId, StoredEvent>,
    lanes: BTreeMap<Lane, L>,
    attempts: HashMap<EventId, Vec<Attempt>>,
    counted: HashMap<EventId, u32>,
    dead: Vec<(EventId, DeadReason, Option<Attempt>)>,
    signals: Vec<(Dir, mpsc::UnboundedSender<Lane>)>,
    fail: Option<StoreError>,
}

#[derive(Default)]
pub struct MemoryStore(Mutex<Inner>);

struct Ear(mpsc::UnboundedReceiver<Lane>);

#[async_trait]
impl Signals for Ear {
    async fn recv(&mut self) -> Option<Vec<Lane>> {
        let mut all = vec![self.0.recv().await?];
        while let Ok(lane) = self.0.try_recv() {
            all.push(lane);
        }
        Some(all)
    }
}

impl MemoryStore {
    pub fn new() -> Self {
        Self::default()
    }
}

impl Inner {
    fn head(lane: Lane, l: &L) -> Option<LaneHead> {
        (!l.entries.is_empty()).then_some(LaneHead {
            lane,
            head: l.head,
            next: l.next,
            state: l.state,
            attempts: l.attempts,
            due: l.due,
        })
    }

    fn push(&mut self, lane: Lane, id: EventId, replay: bool) -> u64 {
        let counted = self.counted.get(&id).copied().unwrap_or(0);
        let l = self.lanes.entry(lane).or_insert(L {
            head: 1,
            state: LaneState::Ready,
            attempts: 0,
            due: 0,
            next: 1,
            entries: VecDeque::new(),
        });
        let seq = l.next;
        l.next += 1;
        if l.entries.is_empty() {
            l.head = seq;
            l.attempts = counted;
            l.state = LaneState::Ready;
        }
        l.entries.push_back((seq, id, replay));
        for (dir, ear) in &self.signals {
            if *dir == lane.dir {
                let _ = ear.send(lane).is_ok();
            }
        }
        seq
    }

    fn pop(&mut self, lane: Lane, outcome: EventOutcome) {
        let Some(l) = self.lanes.get_mut(&lane) else { return };
        let (_, id, _) = l.entries.pop_front().unwrap();
        l.state = LaneState::Ready;
        l.due = 0;
        l.head = l.entries.front().map_or(l.next, |e| e.0);
        l.attempts = l.entries.front().map_or(0, |e| self.counted.get(&e.1).copied().unwrap_or(0));
        self.events.get_mut(&id).unwrap().outcome = outcome;
    }
}

fn summary(e: &StoredEvent) -> EventSummary {
    EventSummary {
        id: e.id,
        bot: e.bot.clone(),
        installation: e.installation.clone(),
        kind: e.kind,
        received_at: e.received_at,
        lane: e.lane,
        seq: e.seq,
        outcome: e.outcome,
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let mut s = self.0.lock();
        if let Some(error) = s.fail.clone() {
            return Err(error);
        }
        for change in &commit.changes {
            match change {
                Change::Write { table, key, expect, .. } => {
                    let there = s.rows.get(&(*table as u8, key.0.clone())).map(|r| r.1);
                    let ok = match expect {
                        Expect::Any => true,
                        Expect::Absent => there.is_none(),
                        Expect::Version(v) => there == Some(*v),
                    };
                    if !ok {
                        return Err(StoreError::Conflict { table: *table });
                    }
                }
                Change::Settle { lane, .. } | Change::Defer { lane, .. } | Change::Bury { lane, .. } => {
                    if s.lanes.get(lane).is_none_or(|l| l.entries.is_empty()) {
                        return Err(StoreError::NotFound("entry"));
                    }
                }
                _ => {}
            }
        }
        let mut done = Vec::new();
        for change in commit.changes {
            match change {
                Change::Append(a) => {
                    let id = a.event.id;
                    let event = StoredEvent {
                        id,
                        bot: a.event.bot,
                        installation: a.event.installation,
                        kind: a.event.kind,
                        received_at: a.event.received_at,
                        lane: a.lane,
                        seq: 0,
                        body: a.event.body,
                        raw: a.event.raw,
                        raw_of: a.event.raw_of,
                        outcome: EventOutcome::Pending,
                    };
                    s.events.insert(id, event);
                    let seq = s.push(a.lane, id, false);
                    s.events.get_mut(&id).unwrap().seq = seq;
                    done.push(Appended::New(seq));
                }
                Change::Replay { event } | Change::Unbury { event, .. } => {
                    let lane = s.events.get(&event).ok_or(StoreError::NotFound("event"))?.lane;
                    s.dead.retain(|d| d.0 != event);
                    s.push(lane, event, true);
                }
                Change::Settle { lane, outcome, through, .. } => {
                    assert_eq!(s.lanes[&lane].head, through);
                    s.pop(lane, outcome);
                }
                Change::Defer { lane, due, attempt, counts, seq, .. } => {
                    let id = s.lanes[&lane].entries[0].1;
                    s.attempts.entry(id).or_default().push(attempt);
                    if counts {
                        *s.counted.entry(id).or_default() += 1;
                    }
                    let n = s.counted.get(&id).copied().unwrap_or(0);
                    let l = s.lanes.get_mut(&lane).unwrap();
                    assert_eq!(l.head, seq);
                    l.attempts = n;
                    l.state = if due.is_some() { LaneState::Deferred } else { LaneState::Held };
                    l.due = due.unwrap_or(0);
                }
                Change::Bury { lane, reason, attempt, seq, .. } => {
                    assert_eq!(s.lanes[&lane].head, seq);
                    let id = s.lanes[&lane].entries[0].1;
                    if let Some(attempt) = attempt.clone() {
                        s.attempts.entry(id).or_default().push(attempt);
                    }
                    s.dead.push((id, reason, attempt));
                    s.pop(lane, EventOutcome::Dead);
                }
                Change::DropDead { event, .. } => s.dead.retain(|d| d.0 != event),
                Change::Release { lane } => {
                    if let Some(l) = s.lanes.get_mut(&lane) {
                        l.state = LaneState::Ready;
                        l.due = 0;
                    }
                }
                Change::Write { table, key, value, .. } => {
                    s.version += 1;
                    let v = s.version;
                    match value {
                        Some(value) => s.rows.insert((table as u8, key.0), (value, v)),
                        None => s.rows.remove(&(table as u8, key.0)),
                    };
                }
            }
        }
        Ok(Committed::Done(done))
    }

    async fn get(&self, table: Table, key: &Key) -> Result<Option<Row>, StoreError> {
        let s = self.0.lock();
        Ok(s.rows.get(&(table as u8, key.0.clone())).map(|r| Row { value: r.0.clone(), version: r.1 }))
    }

    fn get_local(&self, _: Table, _: &Key) -> Option<Result<Option<Row>, StoreError>> {
        None
    }

    async fn scan(&self, table: Table, range: KeyRange) -> Result<Vec<(Key, Row)>, StoreError> {
        let s = self.0.lock();
        let all = s.rows.iter().filter(|((t, k), _)| *t == table as u8 && k.starts_with(&range.prefix.0));
        let mut rows: Vec<(Key, Row)> =
            all.map(|((_, k), r)| (Key(k.clone()), Row { value: r.0.clone(), version: r.1 })).collect();
        if range.reverse {
            rows.reverse();
        }
        if let Some(after) = &range.after {
            rows.retain(|(k, _)| if range.reverse { k < after } else { k > after });
        }
        rows.truncate(range.limit);
        Ok(rows)
    }

    fn scan_local(&self, _: Table, _: KeyRange) -> Option<Result<Vec<(Key, Row)>, StoreError>> {
        None
    }

    async fn backlog(&self, dir: Dir, shard: Shard, after: Option<Lane>, n: usize) -> Result<Vec<LaneHead>, StoreError> {
        let s = self.0.lock();
        Ok(s.lanes
            .iter()
            .filter(|(lane, _)| lane.dir == dir && lane.shard() == shard && after.is_none_or(|a| **lane > a))
            .filter_map(|(lane, l)| Inner::head(*lane, l))
            .take(n)
            .collect())
    }

    async fn lane(&self, lane: Lane) -> Result<Option<LaneHead>, StoreError> {
        Ok(self.0.lock().lanes.get(&lane).and_then(|l| Inner::head(lane, l)))
    }

    async fn peek(&self, lane: Lane, n: usize) -> Result<Vec<Entry>, StoreError> {
        let s = self.0.lock();
        let Some(l) = s.lanes.get(&lane) else { return Ok(Vec::new()) };
        Ok(l.entries
            .iter()
            .take(n)
            .map(|(seq, id, replay)| Entry {
                seq: *seq,
                replay: *replay,
                attempts: s.counted.get(id).copied().unwrap_or(0),
                event: s.events[id].clone(),
            })
            .collect())
    }

    async fn due(&self, dir: Dir, now: Millis, n: usize) -> Result<Vec<LaneHead>, StoreError> {
        let s = self.0.lock();
        let mut heads: Vec<LaneHead> = s
            .lanes
            .iter()
            .filter(|(lane, l)| lane.dir == dir && l.state == LaneState::Deferred && l.due <= now)
            .filter_map(|(lane, l)| Inner::head(*lane, l))
            .collect();
        heads.sort_by_key(|h| h.due);
        heads.truncate(n);
        Ok(heads)
    }

    async fn next_due(&self, dir: Dir) -> Result<Option<Millis>, StoreError> {
        let s = self.0.lock();
        Ok(s.lanes
            .iter()
            .filter(|(lane, l)| lane.dir == dir && l.state == LaneState::Deferred && !l.entries.is_empty())
            .map(|(_, l)| l.due)
            .min())
    }

    async fn event(&self, id: EventId) -> Result<Option<StoredEvent>, StoreError> {
        Ok(self.0.lock().events.get(&id).cloned())
    }

    async fn events(&self, _: &EventFilter, _: Option<Key>, n: usize) -> Result<Page<EventSummary>, StoreError> {
        let s = self.0.lock();
        Ok(Page { items: s.events.values().rev().take(n).map(summary).collect(), next: None })
    }

    async fn attempts(&self, id: EventId) -> Result<Vec<Attempt>, StoreError> {
        Ok(self.0.lock().attempts.get(&id).cloned().unwrap_or_default())
    }

    async fn dead_letters(&self, _: Option<&BotId>, _: Option<Key>, n: usize) -> Result<Page<DeadLetter>, StoreError> {
        let s = self.0.lock();
        let items = s.dead.iter().rev().take(n).map(|(id, reason, last)| DeadLetter {
            event: summary(&s.events[id]),
            reason: *reason,
            at: 0,
            last: last.clone(),
        });
        Ok(Page { items: items.collect(), next: None })
    }

    async fn hold(&self, _: NodeId, want: usize) -> Result<Vec<Lease>, StoreError> {
        let until = Instant::now() + Duration::from_secs(10_000_000);
        Ok((0..want.min(256)).map(|s| Lease { fence: Fence { shard: s as u8, epoch: 1 }, until }).collect())
    }

    async fn release(&self, _: NodeId) -> Result<(), StoreError> {
        Ok(())
    }

    fn signals(&self, dir: Dir) -> Box<dyn Signals> {
        let (tx, rx) = mpsc::unbounded_channel();
        self.0.lock().signals.push((dir, tx));
        Box::new(Ear(rx))
    }

    async fn sweep(&self, _: Millis) -> Result<SweepReport, StoreError> {
        Ok(SweepReport::default())
    }

    async fn verify(&self) -> Result<VerifyReport, StoreError> {
        Ok(VerifyReport::default())
    }

    async fn backup(&self, _: &Path) -> Result<(), StoreError> {
        Ok(())
    }

    fn health(&self) -> Health {
        Health { writable: true, problem: None, disk: DiskLevel::Fine, durability: "none".into() }
    }

    fn stats(&self) -> Stats {
        let s = self.0.lock();
        let mut stats = Stats::default();
        for (lane, l) in &s.lanes {
            stats.backlog[lane.dir as usize] += l.entries.len() as u64;
            for (_, id, _) in &l.entries {
                let at = s.events[id].received_at;
                let oldest = &mut stats.oldest[lane.dir as usize];
                *oldest = Some(oldest.map_or(at, |o| o.min(at)));
            }
        }
        stats
    }

    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
