//! What a lane's owner does with an entry, and what he says became of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use portico_contract::Millis;
use portico_store::{Attempt, Change, DeadReason, Entry, EventOutcome, Fence, Lane};

/// What lanes share that may fail as a whole: a bot, or an installation.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKey(Arc<str>);

impl GroupKey {
    /// The group of a name; a name that is an `Arc` already is not copied.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where an entry stands.
#[derive(Clone, Debug)]
pub struct LaneCtx {
    /// Its lane.
    pub lane: Lane,
    /// The right by which it is worked; its epoch grows with every owner.
    pub fence: Fence,
    /// What became of the entry before it, where that is not committed yet.
    pub carried: Carried,
}

/// The settling of the entry before, left for the commit by which the next one begins: so that each entry of a
/// lane costs one commit, not two. Only for handlers that say so in [`Handler::carries`].
#[derive(Clone, Debug, Default)]
pub struct Carried(Arc<Mutex<Option<Change>>>);

impl Carried {
    /// The change to put into the handler's own commit.
    pub fn change(&self) -> Option<Change> {
        self.0.lock().clone()
    }

    /// That commit happened: nobody else needs to do it.
    pub fn done(&self) {
        *self.0.lock() = None;
    }

    pub(crate) fn leave(&self, change: Change) {
        *self.0.lock() = Some(change);
    }

    pub(crate) fn take(&self) -> Option<Change> {
        self.0.lock().take()
    }
}

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is through; the lane goes on.
    Settle(EventOutcome),
    /// It failed and is tried again; the lane waits.
    Defer {
        /// When to try again.
        due: Millis,
        /// The attempt that failed.
        attempt: Attempt,
        /// Whether the attempt counts against the entry.
        counts: bool,
    },
    /// It failed, and the lane waits for an operator.
    Hold {
        /// The attempt that failed.
        attempt: Attempt,
    },
    /// It is given up as a dead letter; the lane goes on.
    Bury {
        /// Why.
        reason: DeadReason,
        /// The last attempt, if one was made.
        attempt: Option<Attempt>,
    },
    /// Its group takes nothing now. Nothing is stored and no attempt is counted; the group is closed until it
    /// is poked or [`Handler::reopen`] has passed, then one entry is tried as a probe.
    Wait,
}

/// Works the entries of one direction's lanes.
///
/// A panic in [`Handler::handle`] is caught and treated as [`Handler::crashed`] says. The plain functions are
/// called under the driver's lock: they must be quick and must not call the driver.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// The group that an entry's lane belongs to; all entries of a lane belong to one.
    fn group(&self, entry: &Entry) -> GroupKey;

    /// How many lanes of a group may be worked at a time.
    fn limit(&self, group: &GroupKey) -> usize {
        let _ = group;
        64
    }

    /// Does the work on one entry, the oldest of its lane.
    async fn handle(&self, ctx: &LaneCtx, entry: Entry) -> Verdict;

    /// Whether [`Handler::handle`] commits what [`LaneCtx::carried`] holds before anything of its entry leaves the
    /// gateway. What it leaves is committed after it.
    fn carries(&self) -> bool {
        false
    }

    /// What becomes of an entry whose handling panicked; `attempts` were made before. By default it is tried
    /// after 1 s, 5 s, 15 s, 30 s, 1, 2, 3 and 5 minutes, then it is a dead letter.
    fn crashed(&self, attempts: u32, now: Millis) -> Verdict {
        const SECONDS: [u64; 8] = [1, 5, 15, 30, 60, 120, 180, 300];
        let attempt = Attempt {
            number: attempts.saturating_add(1),
            at: now,
            duration_ms: 0,
            status: None,
            code: "panic".into(),
            detail: "the gateway failed while it handled the event; its log names the place".into(),
        };
        match usize::try_from(attempts).ok().and_then(|made| SECONDS.get(made)) {
            Some(seconds) => {
                Verdict::Defer { due: now.saturating_add(seconds * 1000), attempt, counts: true }
            }
            None => Verdict::Bury { reason: DeadReason::Exhausted, attempt: Some(attempt) },
        }
    }

    /// Whether an entry is too old to be worked on: it becomes a dead letter (`expired`), also while its group
    /// is closed.
    fn overdue(&self, entry: &Entry, now: Millis) -> bool {
        let _ = (entry, now);
        false
    }

    /// An overdue entry was buried, unasked.
    fn expired(&self, entry: &Entry) {
        let _ = entry;
    }

    /// The shortest age that can make an entry overdue; `None` when none can.
    fn horizon(&self) -> Option<Duration> {
        None
    }

    /// How soon a closed group is tried by itself; `None` waits for a poke.
    fn reopen(&self, group: &GroupKey) -> Option<Duration> {
        let _ = group;
        None
    }
}
