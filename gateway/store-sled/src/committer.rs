//! The one thread that decides, writes, syncs and answers: "portico-commit".
//!
//! ```text
//! queue ──take ≤ 256──▶ decide (memory only) ──▶ one buffer ──▶ one pwrite ──▶ one fdatasync ──▶ answers
//! ```
//! It never waits for more commits to come. Only commits that asked for no sync may linger a moment, so that
//! they ride on somebody else's. After a failed write or sync nothing is taken any more: what the kernel then
//! says of the file is not to be believed.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use portico_contract::EventId;
use portico_store::{Committed, Durability, EventOutcome, Lane, StoreError};

use crate::decide::{Decided, Decider, Hints, Load, Verdict, admit};
use crate::fill::NoRoom;
use crate::frame;
use crate::op::{self, Op};
use crate::queue::{Job, Task};
use crate::record::EventRow;
use crate::relay::{Answer, Relay, Slot, Spent, Wakes};
use crate::shared::{Handle, now};

/// Bytes after which a batch is written although more waits.
const BATCH_BYTES: usize = 1024 * 1024;
/// Largest frame.
const MAX_FRAME: usize = 4 * 1024 * 1024 + 64 * 1024;
/// Room that is kept for the frame that ends a segment.
const TAIL: usize = 32;
/// After this, wakers that a relay has not woken are woken directly.
const RELAY_PATIENCE: Duration = Duration::from_millis(20);
/// Longest pause before a batch while the index is behind.
const HELD_BACK: Duration = Duration::from_millis(4);
/// Longest wait for the index to catch up when memory is full.
const BEHIND: Duration = Duration::from_secs(10);

pub(crate) struct Committer {
    shared: Handle,
    file: File,
    segment: u32,
    /// Where the next batch goes.
    offset: u32,
    buffer: Vec<u8>,
    /// Answers to give once the buffer is synced.
    answers: Vec<(Arc<Slot>, Answer, Spent)>,
    /// Empty lists for the next commit to be decided with.
    room: Decided,
    signals: Vec<Lane>,
    wakes: Wakes,
    handed: Vec<Arc<Relay>>,
    /// Since when unsynced frames wait.
    lingering: Option<Instant>,
    frozen_at: Instant,
    frozen_position: u64,
    checkpoints: Vec<tokio::sync::oneshot::Sender<Result<(), StoreError>>>,
}

impl Committer {
    pub(crate) fn new(shared: Handle, file: File, segment: u32, offset: u32) -> Self {
        Self {
            frozen_position: shared.checkpointed.load(Ordering::Relaxed),
            shared,
            file,
            segment,
            offset,
            buffer: Vec::new(),
            answers: Vec::new(),
            room: Decided::default(),
            signals: Vec::new(),
            wakes: Wakes::default(),
            handed: Vec::new(),
            lingering: None,
            frozen_at: Instant::now(),
            checkpoints: Vec::new(),
        }
    }

    /// Writes what a start brings about, before anything is taken.
    pub(crate) fn start(&mut self, ops: Vec<Op>) -> Result<(), StoreError> {
        self.log(Decided::of(ops))?;
        self.write();
        self.shared.failure().map_or(Ok(()), Err)
    }

    /// Works until the queue is closed and empty; everything is synced then.
    pub(crate) fn run(mut self) {
        let mut jobs = Vec::new();
        loop {
            let open = self.shared.queue.take(&mut jobs, self.patience());
            self.hold_back();
            for relay in self.handed.drain(..) {
                relay.rescue();
            }
            for job in jobs.drain(..) {
                self.take(job);
            }
            let lingered = self.lingering.is_some_and(|since| since.elapsed() >= self.shared.options.linger);
            if !self.answers.is_empty() || lingered || !open || !self.checkpoints.is_empty() {
                self.write();
            } else {
                self.wakes.send(&mut self.handed);
            }
            self.freeze();
            if !open && self.checkpoints.is_empty() {
                self.shared.indexer.stop();
                return;
            }
        }
    }

    /// How long nothing but a job needs to be done.
    fn patience(&self) -> Option<Duration> {
        let linger = self.lingering.map(|since| self.shared.options.linger.saturating_sub(since.elapsed()));
        let relay = (!self.handed.is_empty()).then_some(RELAY_PATIENCE);
        let checkpoint = (!self.shared.state.read().mem.is_empty())
            .then(|| self.shared.options.checkpoint_every.saturating_sub(self.frozen_at.elapsed()));
        let checkpoint = checkpoint.map(|wait| wait.max(Duration::from_millis(5)));
        [linger, relay, checkpoint].into_iter().flatten().min()
    }

    fn take(&mut self, job: Job) {
        let Job { task, slot } = job;
        if let Some(error) = self.shared.failure() {
            if let Task::Checkpoint(done) = task {
                // Whoever asked may have gone.
                let _gone = done.send(Err(error));
            } else {
                slot.fill(Err(error), Spent::default(), &mut self.wakes);
            }
            return;
        }
        match task {
            Task::Commit(commit, hints) => {
                let durability = commit.durability;
                let mut spent = Spent::default();
                match self.commit(commit, hints, &mut spent) {
                    Ok(done) if durability == Durability::Ordered => {
                        slot.fill(Ok(done), spent, &mut self.wakes);
                        if !self.buffer.is_empty() {
                            self.lingering.get_or_insert_with(Instant::now);
                        }
                    }
                    answer => self.answers.push((slot, answer, spent)),
                }
            }
            Task::Hold(node) => {
                let answer = self.hold(node);
                self.answers.push((slot, answer, Spent::default()));
            }
            Task::Release(node) => {
                let mut state = self.shared.state.write();
                if state.owner == Some(node) {
                    state.owner = None;
                }
                drop(state);
                self.answers.push((slot, Ok(Committed::Done(Vec::new())), Spent::default()));
            }
            Task::Rescue(records) => {
                let mut answer = Ok(Committed::Done(Vec::new()));
                for (id, record, row) in records {
                    // Settled meanwhile: nothing needs it any more.
                    match self.wait_for_index().and_then(|()| self.is_needed(&id, &row)) {
                        Ok(true) => {}
                        Ok(false) => continue,
                        Err(error) => {
                            answer = Err(error);
                            break;
                        }
                    }
                    let from = row.place.segment;
                    let ops = vec![Op::Rescue { record, id, row, from }];
                    if let Err(error) = self.log(Decided::of(ops)) {
                        answer = Err(error);
                        break;
                    }
                }
                self.answers.push((slot, answer, Spent::default()));
            }
            Task::Checkpoint(done) => self.checkpoints.push(done),
        }
        if self.buffer.len() >= BATCH_BYTES {
            self.write();
        }
    }

    /// Whether an event is unsettled or a dead letter.
    fn is_needed(&self, id: &EventId, row: &EventRow) -> Result<bool, StoreError> {
        let outcome = self.shared.outcome(id, row)?;
        Ok(matches!(outcome, EventOutcome::Pending | EventOutcome::Dead))
    }

    fn commit(&mut self, commit: portico_store::Commit, hints: Hints, spent: &mut Spent) -> Answer {
        admit(&commit, self.shared.level(), self.shared.free.load(Ordering::Relaxed))?;
        // Before deciding: from there to applying, no window may be frozen and no number evicted.
        self.wait_for_index()?;
        let room = std::mem::take(&mut self.room);
        let verdict = {
            let state = self.shared.state.read();
            Decider::new(&state, &self.shared.index, now(), hints, room).decide(commit)?
        };
        self.shared.commits.fetch_add(1, Ordering::Relaxed);
        match verdict {
            Verdict::Same(answer) => Ok(Committed::Same(answer)),
            Verdict::Do(decided) => self.log_and_give_back(decided, spent).map(Committed::Done),
        }
    }

    fn hold(&mut self, node: portico_store::NodeId) -> Answer {
        let (owner, epoch) = {
            let state = self.shared.state.read();
            (state.owner, state.epoch)
        };
        match owner {
            Some(_) => {}
            None => {
                // The epoch of the start serves its first owner; each later one gets a higher one.
                if self.shared.indexer.first_owner() {
                    self.shared.state.write().owner = Some(node);
                } else {
                    let ops = vec![Op::Epoch { epoch: epoch + 1 }];
                    self.log(Decided::of(ops))?;
                    self.shared.state.write().owner = Some(node);
                }
            }
        }
        Ok(Committed::Done(Vec::new()))
    }

    /// Puts a decided commit into the buffer and applies it.
    fn log(&mut self, decided: Decided) -> Result<Vec<portico_store::Appended>, StoreError> {
        self.log_and_give_back(decided, &mut Spent::default())
    }

    /// The same; the first event's bodies are left for its caller to drop.
    fn log_and_give_back(
        &mut self,
        mut decided: Decided,
        spent: &mut Spent,
    ) -> Result<Vec<portico_store::Appended>, StoreError> {
        let answers = std::mem::take(&mut decided.answers);
        let ops = &mut decided.ops;
        if ops.is_empty() {
            self.room = decided.cleared();
            return Ok(answers);
        }
        let bound: usize = ops.iter().map(op::bound).sum();
        self.make_room(bound)?;
        let start = frame::open(&mut self.buffer);
        for op in ops.iter_mut() {
            op::encode(&mut self.buffer, op, self.segment, self.offset);
        }
        frame::close(&mut self.buffer, start, self.segment, self.offset, frame::COMMIT);
        if let Some(event) = ops.iter_mut().find_map(|op| match op {
            Op::Append { event, .. } => Some(event),
            _ => None,
        }) {
            *spent = [std::mem::take(&mut event.body), std::mem::take(&mut event.raw)];
        }
        let mut state = self.shared.state.write();
        for load in decided.loads.drain(..) {
            match load {
                Load::Idle(lane, next) => {
                    state.idle.insert(lane, next);
                }
                Load::Entries(lane, entries) => state.load(lane, entries),
                Load::Cell(tree, key, cell) => state.recall(tree, key, cell),
            }
        }
        for op in decided.ops.drain(..) {
            state.apply(op);
        }
        drop(state);
        self.signals.append(&mut decided.signals);
        self.room = decided.cleared();
        Ok(answers)
    }

    /// Makes sure that a frame fits behind the buffer, going over to the next segment where it must.
    fn make_room(&mut self, bound: usize) -> Result<(), StoreError> {
        let capacity = self.shared.segments.bytes as usize;
        let limit = MAX_FRAME.min(capacity / 2);
        if bound > limit {
            return Err(StoreError::TooLarge { what: "commit", bytes: bound, limit });
        }
        let need = frame::HEADER + bound + 8;
        if self.offset as usize + self.buffer.len() + need + TAIL > capacity {
            self.write();
            if let Some(error) = self.shared.failure() {
                return Err(error);
            }
            self.rotate()?;
        }
        let end = (self.offset as usize + self.buffer.len() + need) as u32;
        self.shared.filler.room(end).map_err(|no_room| self.refuse(no_room))
    }

    fn refuse(&self, no_room: NoRoom) -> StoreError {
        match no_room {
            NoRoom::Full => self.shared.disk_full(),
            NoRoom::Failed(why) => StoreError::Unavailable(why),
        }
    }

    /// Slows commits while the index falls behind, more the farther it is: so it catches up before they have to
    /// stand still for it.
    fn hold_back(&self) {
        let options = &self.shared.options;
        let (waits, limit) = (options.window_bytes(), options.most_bytes());
        let bytes = {
            let state = self.shared.state.read();
            if state.frozen.is_some() { state.mem.bytes } else { 0 }
        };
        if bytes > waits {
            let part = (bytes - waits) as f64 / (limit.saturating_sub(waits)).max(1) as f64;
            std::thread::sleep(HELD_BACK.mul_f64(part.min(1.0)));
        }
    }

    /// Memory in front of the index is bounded: waits while the index is far behind.
    fn wait_for_index(&mut self) -> Result<(), StoreError> {
        let limit = self.shared.options.most_bytes();
        if self.shared.state.read().mem.bytes <= limit {
            return Ok(());
        }
        let deadline = Instant::now() + BEHIND;
        loop {
            self.write();
            self.freeze();
            if self.shared.state.read().mem.bytes <= limit {
                return Ok(());
            }
            if let Some(error) = self.shared.failure() {
                return Err(error);
            }
            let full = self.shared.level() >= portico_store::DiskLevel::RefuseHooks;
            if full || Instant::now() > deadline {
                let behind = || StoreError::Unavailable("the index is too far behind the log".into());
                return Err(if full { self.shared.disk_full() } else { behind() });
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends the segment and goes over to the next. The buffer is empty.
    fn rotate(&mut self) -> Result<(), StoreError> {
        let next =
            self.shared.filler.next(self.shared.segments.bytes).map_err(|no_room| self.refuse(no_room))?;
        let start = frame::open(&mut self.buffer);
        frame::close(&mut self.buffer, start, self.segment, self.offset, frame::END);
        self.flush_buffer();
        if let Some(error) = self.shared.failure() {
            return Err(error);
        }
        self.file = next;
        self.segment += 1;
        self.offset = crate::segments::START as u32;
        self.shared.state.write().segments.entry(self.segment).or_default();
        self.publish();
        Ok(())
    }

    fn publish(&self) {
        self.shared.synced.store(frame::position(self.segment, self.offset), Ordering::Release);
    }

    fn flush_buffer(&mut self) {
        if self.buffer.is_empty() || self.shared.is_failed.load(Ordering::Acquire) {
            return;
        }
        let disk = &self.shared.segments.disk;
        let started = Instant::now();
        let done = disk
            .write_at(&self.file, &self.buffer, u64::from(self.offset))
            .and_then(|()| disk.sync(&self.file));
        match done {
            Ok(()) => {
                self.shared.syncs.add(started.elapsed());
                self.offset += self.buffer.len() as u32;
                self.buffer.clear();
                if self.buffer.capacity() > 4 * BATCH_BYTES {
                    self.buffer.shrink_to(BATCH_BYTES);
                }
            }
            Err(error) => {
                let segment = crate::segments::file_name(self.segment);
                self.shared
                    .fail(format!("writing log segment {segment} at offset {} failed: {error}", self.offset));
            }
        }
    }

    /// Writes and syncs the buffer, then gives the answers.
    fn write(&mut self) {
        self.flush_buffer();
        self.lingering = None;
        match self.shared.failure() {
            None => {
                self.publish();
                for (slot, answer, spent) in self.answers.drain(..) {
                    slot.fill(answer, spent, &mut self.wakes);
                }
                self.wakes.send(&mut self.handed);
                self.shared.hub.tell(&mut self.signals);
            }
            Some(error) => {
                for (slot, _, spent) in self.answers.drain(..) {
                    slot.fill(Err(error.clone()), spent, &mut self.wakes);
                }
                self.wakes.send(&mut self.handed);
                self.signals.clear();
            }
        }
    }

    /// Hands what changed to the index when it is time.
    fn freeze(&mut self) {
        if let Some(error) = self.shared.failure() {
            for done in self.checkpoints.drain(..) {
                let _gone = done.send(Err(error.clone()));
            }
            return;
        }
        let position = frame::position(self.segment, self.offset);
        let options = &self.shared.options;
        let full = {
            let state = self.shared.state.read();
            if !self.buffer.is_empty() || state.frozen.is_some() {
                return;
            }
            state.mem.bytes > options.window_bytes()
        };
        let (segment, offset) = frame::split(self.frozen_position);
        let logged = u64::from(self.segment - segment.min(self.segment))
            * u64::from(self.shared.segments.bytes)
            + u64::from(self.offset).saturating_sub(u64::from(offset));
        let late = self.frozen_at.elapsed() >= options.checkpoint_every && position != self.frozen_position;
        if !full && !late && logged < options.checkpoint_bytes && self.checkpoints.is_empty() {
            return;
        }
        let mem = self.shared.state.write().freeze(position, options.idle_lanes);
        self.frozen_at = Instant::now();
        self.frozen_position = position;
        self.shared.indexer.flush(mem, std::mem::take(&mut self.checkpoints));
    }
}
