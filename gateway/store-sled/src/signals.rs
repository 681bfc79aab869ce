//! Wake-up calls: the lanes of each synced batch, to whoever listens; one wake per batch and listener.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::{Poll, Waker};

use async_trait::async_trait;
use parking_lot::Mutex;
use portico_store::{Dir, Lane, Signals};

/// Lanes that may wait for a slow listener before doubles are taken out.
const CROWD: usize = 4096;

#[derive(Default)]
struct Inbox {
    lanes: Vec<Lane>,
    waker: Option<Waker>,
    closed: bool,
    /// Length from which doubles are taken out again.
    limit: usize,
}

/// All listeners, by direction.
#[derive(Default)]
pub(crate) struct Hub {
    listeners: Mutex<[Vec<Weak<Mutex<Inbox>>>; 2]>,
    closed: Mutex<bool>,
}

impl Hub {
    pub(crate) fn listen(&self, dir: Dir) -> Box<dyn Signals> {
        let inbox =
            Arc::new(Mutex::new(Inbox { closed: *self.closed.lock(), limit: CROWD, ..Inbox::default() }));
        self.listeners.lock()[dir as usize].push(Arc::downgrade(&inbox));
        Box::new(Listener(inbox))
    }

    /// Tells of lanes with new work and empties the list.
    pub(crate) fn tell(&self, lanes: &mut Vec<Lane>) {
        if lanes.is_empty() {
            return;
        }
        for (dir, listeners) in self.listeners.lock().iter_mut().enumerate() {
            listeners.retain(|listener| {
                let Some(listener) = listener.upgrade() else { return false };
                let mut inbox = listener.lock();
                let before = inbox.lanes.len();
                inbox.lanes.extend(lanes.iter().filter(|lane| lane.dir as usize == dir));
                if inbox.lanes.len() == before {
                    return true;
                }
                if inbox.lanes.len() > inbox.limit {
                    let once: BTreeSet<Lane> = inbox.lanes.drain(..).collect();
                    inbox.lanes.extend(once);
                    inbox.limit = (2 * inbox.lanes.len()).max(CROWD);
                }
                let waker = inbox.waker.take();
                drop(inbox);
                if let Some(waker) = waker {
                    waker.wake();
                }
                true
            });
        }
        lanes.clear();
    }

    pub(crate) fn close(&self) {
        *self.closed.lock() = true;
        for listener in self.listeners.lock().iter().flatten().filter_map(Weak::upgrade) {
            let waker = {
                let mut inbox = listener.lock();
                inbox.closed = true;
                inbox.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

struct Listener(Arc<Mutex<Inbox>>);

#[async_trait]
impl Signals for Listener {
    async fn recv(&mut self) -> Option<Vec<Lane>> {
        poll_fn(|context| {
            let mut inbox = self.0.lock();
            if !inbox.lanes.is_empty() {
                inbox.limit = CROWD;
                return Poll::Ready(Some(std::mem::take(&mut inbox.lanes)));
            }
            if inbox.closed {
                return Poll::Ready(None);
            }
            inbox.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}
