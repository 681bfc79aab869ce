//! Whether an installation takes messages now: breaker, refused credentials, and what the driver is told.
//!
//! All waiting here costs no attempt. A closed installation is tried with one message when its time is over;
//! the driver then lets more and more through. A gate belongs to one state of the configuration: an
//! installation that was exchanged for a new one is tried at once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use portico_contract::InstallationId;
use portico_turns::Installation;
use tokio::time::Instant;

/// Time between two probes of a provider that is down.
pub(crate) const PROBE: Duration = Duration::from_secs(5);
/// Time between two probes of an installation whose credentials or configuration were refused.
pub(crate) const ATTENTION: Duration = Duration::from_secs(60);
/// Failures in a row, of different conversations, that open the breaker.
const IN_A_ROW: usize = 5;
/// The window of the breaker's second rule: half of at least so many attempts failed.
const WINDOW: Duration = Duration::from_secs(30);
const AT_LEAST: usize = 20;
/// Most attempts that are remembered.
const REMEMBERED: usize = 1024;

#[derive(Default)]
struct Gate {
    closed: Option<(Instant, Weak<Installation>)>,
    open_breaker: bool,
    recent: VecDeque<(Instant, bool)>,
    row: Vec<u64>,
}

/// The gates of all installations.
#[derive(Default)]
pub(crate) struct Gates(Mutex<HashMap<InstallationId, Gate>>);

impl Gates {
    /// How long an installation takes nothing yet.
    pub(crate) fn closed(&self, installation: &Arc<Installation>) -> Option<Duration> {
        let mut gates = self.0.lock();
        let gate = gates.get_mut(&installation.id)?;
        let (until, owner) = gate.closed.as_ref()?;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || !std::ptr::eq(owner.as_ptr(), Arc::as_ptr(installation)) {
            gate.closed = None;
            return None;
        }
        Some(left)
    }

    /// As [`Gates::closed`], for one known by name only.
    pub(crate) fn left(&self, name: &str) -> Option<Duration> {
        let gates = self.0.lock();
        let (until, _) = gates.get(&InstallationId::parse(name).ok()?)?.closed.as_ref()?;
        Some(until.saturating_duration_since(Instant::now()))
    }

    /// An operator says that it works again: the next message is tried at once.
    pub(crate) fn open(&self, installation: &InstallationId) {
        if let Some(gate) = self.0.lock().get_mut(installation) {
            gate.closed = None;
        }
    }

    /// Takes nothing for a while.
    pub(crate) fn close(&self, installation: &Arc<Installation>, pause: Duration) {
        let mut gates = self.0.lock();
        let gate = gates.entry(installation.id.clone()).or_default();
        gate.closed = Some((Instant::now() + pause, Arc::downgrade(installation)));
    }

    /// Counts a failure of provider or network, and says whether the breaker is open now.
    pub(crate) fn failed(&self, installation: &Arc<Installation>, conversation: u64) -> bool {
        let now = Instant::now();
        let mut gates = self.0.lock();
        let gate = gates.entry(installation.id.clone()).or_default();
        gate.remember(now, false);
        if !gate.row.contains(&conversation) && gate.row.len() < IN_A_ROW {
            gate.row.push(conversation);
        }
        let failures = gate.recent.iter().filter(|(_, well)| !well).count();
        let half = gate.recent.len() >= AT_LEAST && failures * 2 >= gate.recent.len();
        gate.open_breaker |= gate.row.len() >= IN_A_ROW || half;
        if gate.open_breaker {
            gate.closed = Some((now + PROBE, Arc::downgrade(installation)));
        }
        gate.open_breaker
    }

    /// The provider answered in its right mind, be it with a refusal.
    pub(crate) fn answered(&self, installation: &InstallationId) {
        let now = Instant::now();
        let mut gates = self.0.lock();
        let gate = gates.entry(installation.clone()).or_default();
        gate.remember(now, true);
        gate.row.clear();
        if gate.open_breaker {
            gate.open_breaker = false;
            gate.recent.clear();
        }
        gate.closed = None;
    }
}

impl Gate {
    fn remember(&mut self, now: Instant, well: bool) {
        while self.recent.front().is_some_and(|(at, _)| now - *at > WINDOW) || self.recent.len() >= REMEMBERED
        {
            self.recent.pop_front();
        }
        self.recent.push_back((now, well));
    }
}
