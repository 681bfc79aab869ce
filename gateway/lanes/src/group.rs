//! One group's queue, and how many of its lanes may be worked at a time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use portico_contract::ConversationId;
use tokio::time::Instant;

use crate::GroupKey;

/// Lanes worked at a time right after a recovery.
const RAMP_FROM: usize = 4;
/// Time after which that number doubles.
const RAMP_STEP: Duration = Duration::from_secs(5);

/// Whether a group takes entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Up to its limit.
    Open,
    /// Not before this time; `None`: not before it is poked.
    Closed { until: Option<Instant> },
    /// One entry, to see whether it works again.
    Probing,
    /// More and more since it recovered.
    Ramp { since: Instant },
}

/// A gate as it is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateKind {
    /// Works up to its limit.
    Open,
    /// Takes nothing now.
    Closed,
    /// Tries one entry.
    Probing,
    /// Has recovered, works with growing parallelism.
    Recovering,
}

pub(crate) struct Group {
    pub(crate) key: GroupKey,
    /// Lanes that wait for a worker, each once.
    pub(crate) queue: VecDeque<ConversationId>,
    /// Workers, each with one lane.
    pub(crate) running: usize,
    /// Lanes of it are left out of memory; a scan finds them again.
    pub(crate) overflow: bool,
    pub(crate) paused: bool,
    pub(crate) gate: Gate,
    /// Tells workers in the midst of a lane to stop after their entry.
    pub(crate) halted: Arc<AtomicBool>,
}

impl Group {
    pub(crate) fn new(key: GroupKey) -> Self {
        Self {
            key,
            queue: VecDeque::new(),
            running: 0,
            overflow: false,
            paused: false,
            gate: Gate::Open,
            halted: Arc::new(AtomicBool::new(false)),
        }
    }

    /// How many lanes may be worked now; ends a ramp that has reached the limit.
    pub(crate) fn allowed(&mut self, limit: usize, now: Instant) -> usize {
        if self.paused {
            return 0;
        }
        match self.gate {
            Gate::Open => limit,
            Gate::Closed { .. } => 0,
            Gate::Probing => 1.min(limit),
            Gate::Ramp { since } => {
                let steps = now.saturating_duration_since(since).as_secs() / RAMP_STEP.as_secs();
                let doubled =
                    RAMP_FROM.checked_shl(u32::try_from(steps).unwrap_or(u32::MAX)).unwrap_or(limit);
                if doubled >= limit || steps > 16 {
                    self.gate = Gate::Open;
                }
                if steps > 16 { limit } else { doubled.min(limit) }
            }
        }
    }

    /// Whether it would take more lanes than wait in memory.
    pub(crate) fn hungry(&self, cap: usize) -> bool {
        self.overflow
            && self.queue.len() <= cap / 4
            && !self.paused
            && !matches!(self.gate, Gate::Closed { .. })
    }

    pub(crate) fn kind(&self) -> GateKind {
        match self.gate {
            Gate::Open => GateKind::Open,
            Gate::Closed { .. } => GateKind::Closed,
            Gate::Probing => GateKind::Probing,
            Gate::Ramp { .. } => GateKind::Recovering,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovered_group_doubles_from_four_every_five_seconds() {
        let start = Instant::now();
        let mut group = Group::new(GroupKey::new("b"));
        group.gate = Gate::Ramp { since: start };
        let at = |seconds| start + Duration::from_secs(seconds);
        let allowed: Vec<usize> = [0, 4, 5, 10, 15, 19].map(|s| group.allowed(64, at(s))).into();
        assert_eq!(allowed, [4, 4, 8, 16, 32, 32]);
        assert_eq!(group.kind(), GateKind::Recovering);
        assert_eq!(group.allowed(64, at(20)), 64);
        assert_eq!(group.kind(), GateKind::Open);
    }

    #[test]
    fn a_small_limit_is_never_passed() {
        let start = Instant::now();
        let mut group = Group::new(GroupKey::new("b"));
        group.gate = Gate::Ramp { since: start };
        assert_eq!(group.allowed(2, start), 2);
        group.gate = Gate::Probing;
        assert_eq!(group.allowed(2, start), 1);
        group.paused = true;
        assert_eq!(group.allowed(2, start), 0);
    }
}
