//! The driver: its options, its parts, and how wake-ups become work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use portico_contract::ConversationId;
use portico_store::{Dir, Lane, LaneHead, LaneState, NodeId, Store, StoreError};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::leases::Leases;
use crate::state::{Placed, State, Taken};
use crate::{Clock, DriverHandle, Handler, SystemClock, scan, timers, worker};

/// How a driver works.
#[derive(Clone)]
pub struct Options {
    /// This node, as the store's leases know it. Drivers of one process share it.
    pub node: NodeId,
    /// How often to look for wake-ups that were lost. Default 1 s.
    pub poll: Duration,
    /// How often leases are renewed. Default 3 s.
    pub renew: Duration,
    /// Shards to hold. Default 256, all of them.
    pub shards: usize,
    /// Lanes worked at a time, over all groups. Default 4,096.
    pub max_parallel: usize,
    /// Lanes of a group that wait in memory; the others are found again by scanning. Default 4,096.
    pub queue_per_group: usize,
    /// Entries of a lane read ahead. Default 64 (the store cuts at 1 MiB).
    pub read_ahead: usize,
    /// Entries of a lane worked before another lane of its group has its turn. Default 16.
    pub quantum: usize,
    /// How often closed and paused groups are searched for overdue entries. Default 60 s.
    pub expiry: Duration,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
}

impl Options {
    /// The defaults, for a node.
    pub fn new(node: NodeId) -> Self {
        Self {
            node,
            poll: Duration::from_secs(1),
            renew: Duration::from_secs(3),
            shards: 256,
            max_parallel: 4096,
            queue_per_group: 4096,
            read_ahead: 64,
            quantum: 16,
            expiry: Duration::from_secs(60),
            clock: Arc::new(SystemClock),
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("node", &self.node)
            .field("poll", &self.poll)
            .field("max_parallel", &self.max_parallel)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) settled: AtomicU64,
    pub(crate) deferred: AtomicU64,
    pub(crate) buried: AtomicU64,
    pub(crate) panics: AtomicU64,
    pub(crate) fenced: AtomicU64,
}

pub(crate) struct Inner {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) dir: Dir,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) options: Options,
    pub(crate) state: Mutex<State>,
    pub(crate) leases: Leases,
    pub(crate) permits: Semaphore,
    pub(crate) counters: Counters,
    /// Lanes named by callers whose group is not known.
    pub(crate) pokes: mpsc::UnboundedSender<Lane>,
    /// A gate closed, or a ramp began.
    pub(crate) gate_moved: Notify,
    /// A lane was put off to a time before the one that the timer waits for.
    pub(crate) due_moved: Notify,
    /// A group has room for lanes that a scan must find.
    pub(crate) hungry: Notify,
    /// Shards came: everything that waits in them is new to us.
    pub(crate) recover: Notify,
    /// No new work.
    pub(crate) stop: CancellationToken,
    /// Not even what is in hand.
    pub(crate) abort: CancellationToken,
    pub(crate) tracker: TaskTracker,
}

/// Starts drivers.
#[derive(Debug)]
pub struct Driver;

impl Driver {
    /// Starts working the lanes of a direction, on the current runtime, until `shutdown` is cancelled or the
    /// handle drains.
    ///
    /// What waits in the store is found by walking its backlog a page at a time. The leases that the driver
    /// takes are the node's: whoever ends the process gives them back with [`Store::release`], once all its
    /// drivers are drained.
    pub fn start(
        store: Arc<dyn Store>,
        dir: Dir,
        handler: Arc<dyn Handler>,
        options: Options,
        shutdown: CancellationToken,
    ) -> DriverHandle {
        let (pokes, poked) = mpsc::unbounded_channel();
        let signals = store.signals(dir);
        let inner = Arc::new(Inner {
            state: Mutex::new(State::new(handler.clone(), options.queue_per_group)),
            leases: Leases::new(),
            permits: Semaphore::new(options.max_parallel.clamp(1, Semaphore::MAX_PERMITS)),
            counters: Counters::default(),
            pokes,
            gate_moved: Notify::new(),
            due_moved: Notify::new(),
            hungry: Notify::new(),
            recover: Notify::new(),
            stop: shutdown.child_token(),
            abort: CancellationToken::new(),
            tracker: TaskTracker::new(),
            store,
            dir,
            handler,
            options,
        });
        inner.background(timers::leases);
        inner.background(|inner| async move { listen(&inner, signals, poked).await });
        inner.background(timers::due);
        inner.background(timers::gates);
        inner.background(scan::refill);
        inner.background(scan::poll);
        inner.background(scan::expire);
        DriverHandle::new(inner)
    }
}

impl Inner {
    fn background<F>(self: &Arc<Self>, job: impl FnOnce(Arc<Self>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = self.stop.clone();
        let job = job(self.clone());
        self.tracker.spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = job => {}
            }
        });
    }

    pub(crate) fn lane(&self, conversation: ConversationId) -> Lane {
        Lane { dir: self.dir, conversation }
    }

    /// Whether the head of a lane may be worked on now.
    pub(crate) fn ready(&self, head: &LaneHead) -> bool {
        match head.state {
            LaneState::Ready => true,
            LaneState::Deferred => head.due <= self.options.clock.now(),
            LaneState::Held => false,
        }
    }

    pub(crate) fn launch(self: &Arc<Self>, started: impl IntoIterator<Item = Taken>) {
        for taken in started {
            self.tracker.spawn(worker::run(self.clone(), taken));
        }
    }

    /// Puts lanes to work whose group is known; gives back the others.
    pub(crate) fn wake(self: &Arc<Self>, lanes: &[Lane]) -> Vec<Lane> {
        let now = Instant::now();
        let mut unknown = Vec::new();
        let mut started = Vec::new();
        {
            let mut state = self.state.lock();
            state.stopping |= self.stop.is_cancelled();
            for lane in lanes {
                if lane.dir != self.dir || state.touch(&lane.conversation) {
                    continue;
                }
                match state.known_group(&lane.conversation) {
                    Some(group) => {
                        if let Placed::Start(taken) = state.place(lane.conversation, group, now) {
                            started.push(taken);
                        }
                    }
                    None => unknown.push(*lane),
                }
            }
        }
        self.launch(started);
        unknown
    }

    /// Puts a lane to work whose group has to be read from its head. Says whether it had a place in memory.
    pub(crate) async fn admit(self: &Arc<Self>, lane: Lane) -> Result<bool, StoreError> {
        let entries = self.store.peek(lane, 1).await?;
        let Some(entry) = entries.first() else { return Ok(true) };
        let key = self.handler.group(entry);
        let mut state = self.state.lock();
        let group = state.group_index(&key);
        let placed = state.place(lane.conversation, group, Instant::now());
        drop(state);
        match placed {
            Placed::Start(taken) => self.launch([taken]),
            Placed::Full => return Ok(false),
            Placed::Known | Placed::Queued => {}
        }
        Ok(true)
    }

    /// Takes a worker's lane back and gives it the next.
    pub(crate) fn swap(&self, taken: &Taken, left: crate::state::Left, worked: bool) -> Option<Taken> {
        let mut state = self.state.lock();
        state.stopping |= self.stop.is_cancelled();
        let next = state.swap(taken, left, worked, Instant::now());
        let hungry = state.hungry();
        drop(state);
        if left == crate::state::Left::Blocked || taken.probe {
            self.gate_moved.notify_one();
        }
        if hungry {
            self.hungry.notify_one();
        }
        next
    }

    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Turns wake-ups into work.
async fn listen(
    inner: &Arc<Inner>,
    mut signals: Box<dyn portico_store::Signals>,
    mut pokes: mpsc::UnboundedReceiver<Lane>,
) {
    loop {
        let lanes = tokio::select! {
            lanes = signals.recv() => match lanes {
                Some(lanes) => lanes,
                None => return,
            },
            Some(lane) = pokes.recv() => vec![lane],
        };
        for lane in inner.wake(&lanes) {
            if let Err(error) = inner.admit(lane).await {
                // A poll finds the lane once the store answers again.
                tracing::warn!(%error, "a lane that got work could not be read");
            }
        }
    }
}
