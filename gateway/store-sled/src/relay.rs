//! Answers of a batch, brought to the tasks that wait for them by one wake per runtime.
//!
//! Waking a task from another thread costs 2 to 3 µs; waking it from inside its runtime next to nothing. So
//! each runtime gets one task, the relay: the committer hands it all wakers of a batch and wakes it alone.
//! When there is no runtime, when it has shut down, or when it is not being driven, wakers are woken directly.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use hashbrown::HashMap;
use parking_lot::Mutex;
use portico_store::{Committed, StoreError};
use tokio::runtime::{Handle, Id};

/// What a commit answers.
pub(crate) type Answer = Result<Committed, StoreError>;

/// Bodies that have been written. They are given back to be dropped by the thread that made them: memory that
/// goes back where it came from is reused at once, without a lock.
pub(crate) type Spent = [bytes::Bytes; 2];

enum Stage {
    Waiting(Option<(Waker, Option<Arc<Relay>>)>),
    Done(Answer, Spent),
    Taken,
}

/// Where an answer is left for its caller.
pub(crate) struct Slot(Mutex<Stage>);

impl Slot {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Stage::Waiting(None))))
    }

    /// Leaves the answer; the waker goes along with those of the batch.
    pub(crate) fn fill(&self, answer: Answer, spent: Spent, wakes: &mut Wakes) {
        let before = std::mem::replace(&mut *self.0.lock(), Stage::Done(answer, spent));
        if let Stage::Waiting(Some((waker, relay))) = before {
            wakes.add(waker, relay);
        }
    }
}

/// Waits for a slot.
pub(crate) struct Wait(pub(crate) Arc<Slot>);

impl Future for Wait {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let mut stage = self.0.0.lock();
        match std::mem::replace(&mut *stage, Stage::Taken) {
            Stage::Done(answer, _spent) => Poll::Ready(answer),
            Stage::Waiting(Some((waker, relay))) if waker.will_wake(context.waker()) => {
                *stage = Stage::Waiting(Some((waker, relay)));
                Poll::Pending
            }
            Stage::Waiting(_) => {
                *stage = Stage::Waiting(Some((context.waker().clone(), Relay::here())));
                Poll::Pending
            }
            Stage::Taken => Poll::Ready(Err(StoreError::Unavailable("the answer was taken already".into()))),
        }
    }
}

/// Wakers of a batch, by runtime.
#[derive(Default)]
pub(crate) struct Wakes {
    direct: Vec<Waker>,
    relayed: Vec<(Arc<Relay>, Vec<Waker>)>,
}

impl Wakes {
    fn add(&mut self, waker: Waker, relay: Option<Arc<Relay>>) {
        let Some(relay) = relay else { return self.direct.push(waker) };
        match self.relayed.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &relay)) {
            Some((_, wakers)) => wakers.push(waker),
            None => self.relayed.push((relay, vec![waker])),
        }
    }

    /// Wakes everybody; relays that got something are remembered in `handed`.
    pub(crate) fn send(&mut self, handed: &mut Vec<Arc<Relay>>) {
        for waker in self.direct.drain(..) {
            waker.wake();
        }
        for (relay, wakers) in self.relayed.drain(..) {
            relay.hand(wakers);
            if !handed.iter().any(|known| Arc::ptr_eq(known, &relay)) {
                handed.push(relay);
            }
        }
    }
}

#[derive(Default)]
struct Inbox {
    wakers: Vec<Waker>,
    task: Option<Waker>,
    closed: bool,
}

/// The mailbox of one runtime's relay task.
#[derive(Default)]
pub(crate) struct Relay(Mutex<Inbox>);

static RELAYS: LazyLock<Mutex<HashMap<Id, Arc<Relay>>>> = LazyLock::new(Mutex::default);

thread_local! {
    static LAST: std::cell::RefCell<Option<(Id, Arc<Relay>)>> = const { std::cell::RefCell::new(None) };
}

impl Relay {
    /// The relay of the runtime that this thread is in.
    fn here() -> Option<Arc<Self>> {
        let handle = Handle::try_current().ok()?;
        let id = handle.id();
        LAST.with_borrow_mut(|last| {
            if let Some((known, relay)) = last
                && *known == id
            {
                return Some(relay.clone());
            }
            let known = RELAYS.lock().get(&id).cloned();
            let relay = known.unwrap_or_else(|| {
                let made = Arc::new(Self::default());
                let relay = RELAYS.lock().entry(id).or_insert(made.clone()).clone();
                if Arc::ptr_eq(&relay, &made) {
                    // Without the lock: a runtime that has ended drops the task at once, which takes it.
                    handle.spawn(Run { relay: made, id });
                }
                relay
            });
            *last = Some((id, relay.clone()));
            Some(relay)
        })
    }

    fn hand(&self, wakers: Vec<Waker>) {
        let mut inbox = self.0.lock();
        if inbox.closed {
            drop(inbox);
            return wakers.into_iter().for_each(Waker::wake);
        }
        inbox.wakers.extend(wakers);
        let task = inbox.task.take();
        drop(inbox);
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Wakes directly whom the relay task has not woken; for runtimes that nobody drives. The answer is whether
    /// there was anybody.
    pub(crate) fn rescue(&self) -> bool {
        let wakers = std::mem::take(&mut self.0.lock().wakers);
        let any = !wakers.is_empty();
        wakers.into_iter().for_each(Waker::wake);
        any
    }
}

/// The relay task.
struct Run {
    relay: Arc<Relay>,
    id: Id,
}

impl Future for Run {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let wakers = {
            let mut inbox = self.relay.0.lock();
            inbox.task = Some(context.waker().clone());
            std::mem::take(&mut inbox.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
        Poll::Pending
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let wakers = {
            let mut inbox = self.relay.0.lock();
            inbox.closed = true;
            std::mem::take(&mut inbox.wakers)
        };
        RELAYS.lock().remove(&self.id);
        wakers.into_iter().for_each(Waker::wake);
    }
}
