//! One who listens to a conversation: gets each item once, in order, whatever the hub does.
//!
//! The hub tells items in any order and may tell one late. A listener gives out the number that follows the last
//! one; when a higher one comes, or when more came than may wait, it reads from the store.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use portico_contract::ConversationId;
use portico_turns::Installation;
use tokio::sync::Notify;

use crate::{Live, LiveError, Shown, Signal};

/// Items that are read in one go.
const BATCH: usize = 64;
/// Pause after the store could not answer.
const PAUSE: Duration = Duration::from_millis(250);

/// How much may wait for one who listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Items and signals.
    pub frames: usize,
    /// Bytes, about.
    pub bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { frames: 256, bytes: 64 * 1024 }
    }
}

/// What was heard.
#[derive(Clone, Debug)]
pub enum Heard {
    /// The next item; numbers never skip and never repeat.
    Item(Arc<Shown>),
    /// A signal.
    Signal(Arc<Signal>),
    /// More came than may wait: signals were lost. Items go on from the store; a wire that can't keep up is better
    /// cut here.
    Lagged,
    /// The items after the last one are not kept any more: read the history, and go on with the item `from`.
    Reset {
        /// Number of the next item.
        from: u64,
    },
    /// The conversation was deleted; nothing follows.
    Ended,
}

/// What the hub tells.
#[derive(Clone, Debug)]
pub(crate) enum Noise {
    Item(Arc<Shown>),
    /// An item of this number was stored; it has to be read.
    Stored(u64),
    Signal(Arc<Signal>),
    Ended,
}

#[derive(Default)]
struct Waiting {
    queue: VecDeque<Noise>,
    bytes: usize,
    lagged: bool,
    ended: bool,
}

/// Where the hub leaves what it tells.
pub(crate) struct Ear {
    waiting: Mutex<Waiting>,
    bounds: Bounds,
    wake: Notify,
}

fn weight(noise: &Noise) -> usize {
    match noise {
        Noise::Item(shown) => shown.weight(),
        Noise::Signal(signal) => signal.weight(),
        Noise::Stored(_) | Noise::Ended => 16,
    }
}

enum Taken {
    Noise(Noise),
    Lagged,
    Ended,
}

impl Ear {
    fn new(bounds: Bounds) -> Self {
        Self { waiting: Mutex::default(), bounds, wake: Notify::new() }
    }

    pub(crate) fn hear(&self, noise: Noise) {
        let weight = weight(&noise);
        let mut waiting = self.waiting.lock();
        if matches!(noise, Noise::Ended) {
            waiting.ended = true;
        } else if !waiting.queue.is_empty()
            && (waiting.queue.len() >= self.bounds.frames || waiting.bytes + weight > self.bounds.bytes)
        {
            // What was there and this are lost; the stream has the items.
            waiting.queue = VecDeque::new();
            waiting.bytes = 0;
            waiting.lagged = true;
        } else {
            waiting.bytes += weight;
            waiting.queue.push_back(noise);
        }
        drop(waiting);
        self.wake.notify_one();
    }

    /// Forgets items that wait: a read of the store that begins now has them.
    fn forget_items(&self) {
        let mut waiting = self.waiting.lock();
        waiting.lagged = false;
        let queue = std::mem::take(&mut waiting.queue);
        waiting.queue = queue.into_iter().filter(|noise| matches!(noise, Noise::Signal(_))).collect();
        waiting.bytes = waiting.queue.iter().map(weight).sum();
    }

    fn take(&self) -> Option<Taken> {
        let mut waiting = self.waiting.lock();
        if std::mem::take(&mut waiting.lagged) {
            return Some(Taken::Lagged);
        }
        if let Some(noise) = waiting.queue.pop_front() {
            waiting.bytes = waiting.bytes.saturating_sub(weight(&noise));
            if waiting.queue.is_empty() {
                // Idle listeners are many; what a burst took is given back.
                waiting.queue = VecDeque::new();
            }
            return Some(Taken::Noise(noise));
        }
        waiting.ended.then_some(Taken::Ended)
    }
}

/// One who listens. Dropping it ends that.
pub struct Listener {
    live: Live,
    at: Arc<Installation>,
    conversation: ConversationId,
    ear: Arc<Ear>,
    /// Number of the last item that was given out.
    seen: Option<u64>,
    /// Items that were read and not given out yet.
    read: VecDeque<Shown>,
    /// Whether the store has items that are to come before what the hub tells.
    behind: bool,
    /// Whether the place after which it began was compared with the stream.
    placed: bool,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener")
            .field("conversation", &self.conversation)
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.live.hub().leave(self.conversation, &self.ear);
    }
}

impl Listener {
    pub(crate) fn new(
        live: Live,
        at: Arc<Installation>,
        conversation: ConversationId,
        bounds: Bounds,
    ) -> Self {
        let ear = Arc::new(Ear::new(bounds));
        live.hub().enter(conversation, &ear);
        Self { live, at, conversation, ear, seen: None, read: VecDeque::new(), behind: false, placed: false }
    }

    /// Begins after an item: what was stored since then comes first. Without this the first item is the first one
    /// that the hub tells.
    #[must_use]
    pub fn after(mut self, seq: u64) -> Self {
        self.seen = Some(seq);
        self.read.clear();
        self.behind = true;
        self.placed = false;
        self
    }

    /// The conversation.
    pub fn conversation(&self) -> ConversationId {
        self.conversation
    }

    /// Number of the last item that was given out, or after which it began; 0 before the first.
    pub fn seen(&self) -> u64 {
        self.seen.unwrap_or(0)
    }

    /// Waits for what comes next. It may be dropped while it waits: nothing is lost by that.
    pub async fn next(&mut self) -> Heard {
        loop {
            if let Some(shown) = self.read.pop_front() {
                if let Some(from) = self.skipped(shown.seq) {
                    self.seen = Some(from - 1);
                    self.read.push_front(shown);
                    return Heard::Reset { from };
                }
                self.seen = Some(shown.seq);
                return Heard::Item(Arc::new(shown));
            }
            if self.behind {
                match self.catch_up().await {
                    Ok(None) => continue,
                    Ok(Some(from)) => return Heard::Reset { from },
                    Err(error) => {
                        if !matches!(error, LiveError::Unavailable) {
                            let conversation = self.conversation;
                            tracing::warn!(conversation.id = %conversation, "a stream could not be read: {error}");
                        }
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                }
            }
            match self.ear.take() {
                Some(Taken::Noise(noise)) => {
                    if let Some(heard) = self.judge(noise) {
                        return heard;
                    }
                }
                Some(Taken::Lagged) => {
                    // Without a place there is nothing to go on from but what comes.
                    self.behind = self.seen.is_some();
                    return Heard::Lagged;
                }
                Some(Taken::Ended) => return Heard::Ended,
                None => self.ear.wake.notified().await,
            }
        }
    }

    /// The number at which it goes on, when items before it are not kept.
    fn skipped(&self, seq: u64) -> Option<u64> {
        self.seen.is_some_and(|seen| seq > seen + 1).then_some(seq)
    }

    fn judge(&mut self, noise: Noise) -> Option<Heard> {
        let next = self.seen.map(|seen| seen + 1);
        match noise {
            Noise::Signal(signal) => return Some(Heard::Signal(signal)),
            Noise::Item(shown) if next.is_none_or(|next| next == shown.seq) => {
                self.seen = Some(shown.seq);
                return Some(Heard::Item(shown));
            }
            Noise::Item(shown) => self.behind = next.is_some_and(|next| shown.seq > next),
            Noise::Stored(seq) => {
                // The first one of all begins here.
                let next = *self.seen.get_or_insert(seq.saturating_sub(1)) + 1;
                self.behind = seq >= next;
            }
            Noise::Ended => {}
        }
        None
    }

    /// Reads what is behind. Gives the number with which to go on when the stream is shorter than what was seen:
    /// the store was restored from a copy.
    async fn catch_up(&mut self) -> Result<Option<u64>, LiveError> {
        let after = self.seen();
        // Whoever reads what is behind at the pace of a slow wire has not lagged for that.
        self.ear.forget_items();
        if !self.placed {
            let head = self.live.head(&self.at, self.conversation).await?;
            self.placed = true;
            if head.last < after {
                self.seen = Some(head.last);
                return Ok(Some(head.last + 1));
            }
        }
        let items = self.live.items(&self.at, self.conversation, after, BATCH).await?;
        self.behind = items.len() == BATCH;
        self.read = items.into();
        Ok(None)
    }
}
