//! The driver as its owner holds it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use portico_store::Lane;
use tokio::time::Instant;

use crate::driver::Inner;
use crate::{DriverStats, GroupKey};

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Lanes whose entry was still in hand when the time ran out; it will be offered again.
    pub unfinished: usize,
}

/// A running driver. Clones name the same one; dropping them all does not stop it.
#[derive(Clone)]
pub struct DriverHandle(Arc<Inner>);

impl std::fmt::Debug for DriverHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DriverHandle").field("dir", &self.0.dir).finish_non_exhaustive()
    }
}

impl DriverHandle {
    pub(crate) fn new(inner: Arc<Inner>) -> Self {
        Self(inner)
    }

    /// Looks at a lane now.
    pub fn poke(&self, lane: Lane) {
        for lane in self.0.wake(&[lane]) {
            if self.0.pokes.send(lane).is_err() {
                tracing::debug!("a lane was poked after its driver had ended");
            }
        }
    }

    /// Tries one entry of a closed group now.
    pub fn poke_group(&self, group: &GroupKey) {
        self.on_group(group, |state, index, now| state.poke(index, now));
    }

    /// Takes up no further entries of a group; what is in hand is finished.
    pub fn pause_group(&self, group: &GroupKey) {
        self.on_group(group, |state, index, now| state.pause(index, true, now));
    }

    /// Lets a paused group go on, and a closed one be tried.
    pub fn resume_group(&self, group: &GroupKey) {
        self.on_group(group, |state, index, now| {
            let mut started = state.pause(index, false, now);
            started.extend(state.poke(index, now));
            started
        });
    }

    fn on_group(
        &self,
        group: &GroupKey,
        act: impl FnOnce(&mut crate::state::State, usize, Instant) -> Vec<crate::state::Taken>,
    ) {
        let started = {
            let mut state = self.0.state.lock();
            let index = state.group_index(group);
            let started = act(&mut state, index, Instant::now());
            if state.hungry() {
                self.0.hungry.notify_one();
            }
            started
        };
        self.0.launch(started);
        self.0.gate_moved.notify_one();
    }

    /// How the driver and its groups are.
    pub fn stats(&self) -> DriverStats {
        let counters = &self.0.counters;
        let mut stats = self.0.state.lock().stats();
        stats.settled = counters.settled.load(Ordering::Relaxed);
        stats.deferred = counters.deferred.load(Ordering::Relaxed);
        stats.buried = counters.buried.load(Ordering::Relaxed);
        stats.panics = counters.panics.load(Ordering::Relaxed);
        stats.fenced = counters.fenced.load(Ordering::Relaxed);
        stats
    }

    /// Takes nothing new, waits for what is in hand, and drops it when `timeout` has passed.
    pub async fn drain(&self, timeout: Duration) -> Drained {
        let inner = &self.0;
        {
            // Under the lock: a worker either sees this before it takes a lane, or is counted as running.
            let mut state = inner.state.lock();
            state.stopping = true;
        }
        inner.stop.cancel();
        inner.tracker.close();
        let finished = tokio::time::timeout(timeout, inner.tracker.wait()).await.is_ok();
        let unfinished = if finished { 0 } else { inner.state.lock().running };
        inner.abort.cancel();
        if !finished {
            // The workers see the abort at their next step; a handler that never yields is left behind.
            drop(tokio::time::timeout(Duration::from_millis(500), inner.tracker.wait()).await);
        }
        Drained { unfinished }
    }
}
