//! Which lanes are in memory and who works them: plain data behind one short lock, no waiting.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portico_contract::ConversationId;
use tokio::time::Instant;

use crate::group::{Gate, GateKind, Group};
use crate::{GroupKey, Handler};

/// Conversations whose group is remembered, so that a wake-up needs no look into the store.
const KNOWN: usize = 32 * 1024;

/// A lane in memory.
struct Tracked {
    group: usize,
    running: bool,
    /// It got a wake-up while it was worked.
    again: bool,
}

/// A lane given to a worker.
pub(crate) struct Taken {
    pub(crate) conversation: ConversationId,
    pub(crate) group: usize,
    /// It is to find out whether its group works again: one entry only.
    pub(crate) probe: bool,
    pub(crate) halted: Arc<AtomicBool>,
}

/// What a worker leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Nothing to do, as far as was seen.
    Idle,
    /// More entries.
    More,
    /// The group takes nothing now.
    Blocked,
    /// Not ours any more, or the store does not answer: a scan finds it again.
    Gone,
}

/// Where a lane was put.
pub(crate) enum Placed {
    /// Already in memory.
    Known,
    /// It waits.
    Queued,
    /// A worker is to be started with it.
    Start(Taken),
    /// No room: left to a scan.
    Full,
}

/// How a group is.
#[derive(Clone, Debug)]
pub struct GroupStats {
    /// Which.
    pub key: GroupKey,
    /// Lanes that wait in memory.
    pub queued: usize,
    /// Lanes being worked.
    pub running: usize,
    /// Whether more of its lanes wait in the store only.
    pub overflow: bool,
    /// Whether an operator paused it.
    pub paused: bool,
    /// Whether it takes entries.
    pub gate: GateKind,
}

/// How a driver is.
#[derive(Clone, Debug, Default)]
pub struct DriverStats {
    /// Its groups, in the order in which they were first met.
    pub groups: Vec<GroupStats>,
    /// Lanes in memory.
    pub lanes: usize,
    /// Entries settled since start.
    pub settled: u64,
    /// Attempts put off since start.
    pub deferred: u64,
    /// Entries buried since start.
    pub buried: u64,
    /// Panics of the handler since start.
    pub panics: u64,
    /// Changes refused because a newer owner has the shard.
    pub fenced: u64,
}

pub(crate) struct State {
    lanes: HashMap<ConversationId, Tracked>,
    pub(crate) groups: Vec<Group>,
    by_key: HashMap<GroupKey, usize>,
    young: HashMap<ConversationId, usize>,
    old: HashMap<ConversationId, usize>,
    /// Workers in all.
    pub(crate) running: usize,
    pub(crate) stopping: bool,
    cap: usize,
    handler: Arc<dyn Handler>,
}

impl State {
    pub(crate) fn new(handler: Arc<dyn Handler>, cap: usize) -> Self {
        Self {
            lanes: HashMap::new(),
            groups: Vec::new(),
            by_key: HashMap::new(),
            young: HashMap::new(),
            old: HashMap::new(),
            running: 0,
            stopping: false,
            cap: cap.max(4),
            handler,
        }
    }

    pub(crate) fn group_index(&mut self, key: &GroupKey) -> usize {
        if let Some(index) = self.by_key.get(key) {
            return *index;
        }
        let index = self.groups.len();
        self.groups.push(Group::new(key.clone()));
        self.by_key.insert(key.clone(), index);
        index
    }

    /// Whether a lane is in memory; if it is being worked, it will be looked at again.
    pub(crate) fn touch(&mut self, conversation: &ConversationId) -> bool {
        match self.lanes.get_mut(conversation) {
            Some(lane) => {
                lane.again |= lane.running;
                true
            }
            None => false,
        }
    }

    pub(crate) fn is_tracked(&self, conversation: &ConversationId) -> bool {
        self.lanes.contains_key(conversation)
    }

    pub(crate) fn known_group(&mut self, conversation: &ConversationId) -> Option<usize> {
        if let Some(group) = self.young.get(conversation) {
            return Some(*group);
        }
        let group = self.old.remove(conversation)?;
        self.remember(*conversation, group);
        Some(group)
    }

    fn remember(&mut self, conversation: ConversationId, group: usize) {
        if self.young.len() >= KNOWN / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(conversation, group);
    }

    /// Puts a lane of a known group where it belongs.
    pub(crate) fn place(&mut self, conversation: ConversationId, group: usize, now: Instant) -> Placed {
        if self.touch(&conversation) {
            return Placed::Known;
        }
        self.remember(conversation, group);
        let Some(there) = self.groups.get_mut(group) else { return Placed::Full };
        if there.queue.len() >= self.cap {
            there.overflow = true;
            return Placed::Full;
        }
        self.lanes.insert(conversation, Tracked { group, running: false, again: false });
        there.queue.push_back(conversation);
        match self.start(group, now) {
            Some(taken) => Placed::Start(taken),
            None => Placed::Queued,
        }
    }

    /// A new worker's first lane, if the group may have one more worker.
    pub(crate) fn start(&mut self, group: usize, now: Instant) -> Option<Taken> {
        self.groups.get_mut(group)?.running += 1;
        self.running += 1;
        self.take(group, now)
    }

    /// The next lane for a worker that is counted already; `None` ends the worker.
    fn take(&mut self, group: usize, now: Instant) -> Option<Taken> {
        let there = self.groups.get_mut(group)?;
        let limit = self.handler.limit(&there.key);
        let next = if self.stopping || there.running > there.allowed(limit, now) {
            None
        } else {
            there.queue.pop_front()
        };
        let Some(conversation) = next else {
            there.running -= 1;
            self.running -= 1;
            return None;
        };
        if let Some(lane) = self.lanes.get_mut(&conversation) {
            lane.running = true;
            lane.again = false;
        }
        Some(Taken { conversation, group, probe: there.gate == Gate::Probing, halted: there.halted.clone() })
    }

    /// Takes a lane back from its worker and gives the next one. `worked`: the handler gave a verdict other
    /// than to wait.
    pub(crate) fn swap(&mut self, taken: &Taken, left: Left, worked: bool, now: Instant) -> Option<Taken> {
        if let Some(lane) = self.lanes.get_mut(&taken.conversation) {
            let again = left == Left::More || left == Left::Blocked || (left == Left::Idle && lane.again);
            if again {
                lane.running = false;
                lane.again = false;
                if let Some(group) = self.groups.get_mut(lane.group) {
                    group.queue.push_back(taken.conversation);
                }
            } else {
                self.lanes.remove(&taken.conversation);
            }
        }
        let group = self.groups.get_mut(taken.group)?;
        // Workers that were under way when the gate closed come here too: they neither prolong it nor end a
        // probe that another one makes.
        let speaks = taken.probe || matches!(group.gate, Gate::Open | Gate::Ramp { .. });
        if left == Left::Blocked && speaks {
            let until = self.handler.reopen(&group.key).map(|pause| now + pause);
            group.gate = Gate::Closed { until };
            group.halted.store(true, Ordering::Relaxed);
        } else if taken.probe && worked && matches!(group.gate, Gate::Probing | Gate::Closed { .. }) {
            group.gate = Gate::Ramp { since: now };
            group.halted.store(group.paused, Ordering::Relaxed);
        }
        self.take(taken.group, now)
    }

    /// Workers to start because more are allowed than before.
    pub(crate) fn pump(&mut self, group: usize, now: Instant) -> Vec<Taken> {
        let mut started = Vec::new();
        while self.groups.get(group).is_some_and(|there| !there.queue.is_empty()) {
            match self.start(group, now) {
                Some(taken) => started.push(taken),
                None => break,
            }
        }
        started
    }

    /// Lets one entry of a closed group be tried.
    pub(crate) fn poke(&mut self, group: usize, now: Instant) -> Vec<Taken> {
        if let Some(there) = self.groups.get_mut(group)
            && matches!(there.gate, Gate::Closed { .. })
        {
            there.gate = Gate::Probing;
            there.halted.store(there.paused, Ordering::Relaxed);
        }
        self.pump(group, now)
    }

    /// Pauses a group, or lets it go on.
    pub(crate) fn pause(&mut self, group: usize, pause: bool, now: Instant) -> Vec<Taken> {
        if let Some(there) = self.groups.get_mut(group) {
            there.paused = pause;
            let closed = matches!(there.gate, Gate::Closed { .. });
            there.halted.store(pause || closed, Ordering::Relaxed);
        }
        self.pump(group, now)
    }

    /// Opens the gates whose time has come and widens ramps; also says when to look again.
    pub(crate) fn gates(&mut self, now: Instant) -> (Vec<Taken>, Option<Instant>) {
        let mut started = Vec::new();
        let mut next: Option<Instant> = None;
        for index in 0..self.groups.len() {
            let gate = self.groups.get(index).map(|group| group.gate);
            let again = match gate {
                Some(Gate::Closed { until: Some(until) }) if until <= now => {
                    started.extend(self.poke(index, now));
                    None
                }
                Some(Gate::Closed { until }) => until,
                Some(Gate::Ramp { .. }) => {
                    started.extend(self.pump(index, now));
                    Some(now + std::time::Duration::from_secs(1))
                }
                _ => None,
            };
            next = match (next, again) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        }
        (started, next)
    }

    /// Whether a group would take lanes that a scan has to find.
    pub(crate) fn hungry(&self) -> bool {
        !self.stopping && self.groups.iter().any(|group| group.hungry(self.cap))
    }

    /// Forgets that lanes were left out, at the start of a scan that will find them.
    pub(crate) fn clear_overflow(&mut self) {
        for group in &mut self.groups {
            group.overflow = false;
        }
    }

    /// Takes a lane that nobody works out of its queue, for burying what is overdue. Gives it back by
    /// [`State::give_back`].
    pub(crate) fn borrow(&mut self, conversation: ConversationId, group: usize) -> bool {
        match self.lanes.get_mut(&conversation) {
            Some(lane) if lane.running => false,
            Some(lane) => {
                lane.running = true;
                if let Some(there) = self.groups.get_mut(lane.group) {
                    there.queue.retain(|queued| *queued != conversation);
                }
                true
            }
            None => {
                self.lanes.insert(conversation, Tracked { group, running: true, again: false });
                true
            }
        }
    }

    pub(crate) fn give_back(&mut self, conversation: ConversationId, now: Instant) -> Option<Taken> {
        let lane = self.lanes.remove(&conversation)?;
        match self.place(conversation, lane.group, now) {
            Placed::Start(taken) => Some(taken),
            _ => None,
        }
    }

    /// Whether workers of a group would find other lanes waiting.
    pub(crate) fn others_wait(&self, group: usize) -> bool {
        self.groups.get(group).is_some_and(|there| !there.queue.is_empty())
    }

    pub(crate) fn stats(&self) -> DriverStats {
        let groups = self
            .groups
            .iter()
            .map(|group| GroupStats {
                key: group.key.clone(),
                queued: group.queue.len(),
                running: group.running,
                overflow: group.overflow,
                paused: group.paused,
                gate: group.kind(),
            })
            .collect();
        DriverStats { groups, lanes: self.lanes.len(), ..DriverStats::default() }
    }
}
