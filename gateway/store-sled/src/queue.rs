//! What waits for the committer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use portico_contract::EventId;
use portico_store::{Commit, NodeId, StoreError};

use crate::decide::Hints;
use crate::record::EventRow;
use crate::relay::Slot;

/// Most jobs that the committer takes at once.
pub(crate) const BATCH: usize = 256;

pub(crate) enum Task {
    Commit(Commit, Hints),
    Hold(NodeId),
    Release(NodeId),
    /// Copies records forward.
    Rescue(Vec<(EventId, Bytes, EventRow)>),
    /// Answers when everything before it is in the engine, synced.
    Checkpoint(tokio::sync::oneshot::Sender<Result<(), StoreError>>),
}

pub(crate) struct Job {
    pub(crate) task: Task,
    pub(crate) slot: Arc<Slot>,
}

thread_local! {
    static THREAD: ThreadId = std::thread::current().id();
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    closed: bool,
    /// Something other than a job changed.
    nudged: bool,
    asleep: bool,
    /// Thread of the last who is about to wake it.
    caller: Option<ThreadId>,
}

/// A wake of the committer that is due.
pub(crate) struct Call<'a> {
    queue: Option<&'a Queue>,
}

impl Call<'_> {
    /// Whether there is anybody to wake.
    pub(crate) fn is_due(&self) -> bool {
        self.queue.is_some()
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if let Some(queue) = self.queue {
            queue.changed.notify_one();
        }
    }
}

#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

impl Queue {
    /// Queues a job; `None` when the store has closed. The committer is woken once what is given back is dropped:
    /// whoever lets other tasks of the runtime go first brings it all of their jobs by one wake.
    #[must_use = "until it is dropped the committer may sleep"]
    pub(crate) fn push(&self, job: Job) -> Option<Call<'_>> {
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return None;
        }
        waiting.jobs.push_back(job);
        // One caller of a thread wakes it, and its others ride along; a thread never waits for another's.
        let caller = Some(THREAD.with(|id| *id));
        let calls = waiting.asleep && std::mem::replace(&mut waiting.caller, caller) != caller;
        Some(Call { queue: calls.then_some(self) })
    }

    /// Makes the committer look at things again.
    pub(crate) fn nudge(&self) {
        self.waiting.lock().nudged = true;
        self.changed.notify_one();
    }

    pub(crate) fn close(&self) {
        self.waiting.lock().closed = true;
        self.changed.notify_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.waiting.lock().closed
    }

    /// Moves what waits into `out`, at most [`BATCH`] jobs; waits until the deadline when there is nothing.
    /// The answer is false once the queue is closed and empty.
    pub(crate) fn take(&self, out: &mut Vec<Job>, patience: Option<Duration>) -> bool {
        let deadline = patience.map(|patience| Instant::now() + patience);
        let mut waiting = self.waiting.lock();
        while waiting.jobs.is_empty() && !waiting.nudged {
            if waiting.closed {
                return false;
            }
            waiting.asleep = true;
            let late = match deadline {
                Some(deadline) => self.changed.wait_until(&mut waiting, deadline).timed_out(),
                None => {
                    self.changed.wait(&mut waiting);
                    false
                }
            };
            waiting.asleep = false;
            waiting.caller = None;
            if late {
                break;
            }
        }
        waiting.nudged = false;
        let count = waiting.jobs.len().min(BATCH);
        out.extend(waiting.jobs.drain(..count));
        true
    }
}
