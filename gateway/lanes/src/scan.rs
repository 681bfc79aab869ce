//! Finding lanes that no wake-up named: at start, after a group's queue had no room, after a lost wake-up, and
//! for entries that grow too old while their group is closed.
//!
//! All of it walks the backlog a page at a time and keeps nothing but a cursor, so its size does not matter.

use std::sync::Arc;
use std::time::Duration;

use portico_store::{Change, DeadReason, Lane, LaneHead, Shard, StoreError};
use tokio::time::Instant;

use crate::driver::Inner;
use crate::worker;

/// Lanes per page.
const PAGE: usize = 256;
/// Lanes looked at by one poll.
const POLLED: usize = 1024;

/// A walk through the backlog, shard by shard, round and round.
struct Walk {
    shard: Shard,
    after: Option<Lane>,
}

impl Walk {
    fn new() -> Self {
        Self { shard: 0, after: None }
    }

    /// The next page; the flag says that the walk has passed the last shard.
    async fn page(&mut self, inner: &Inner) -> Result<(Vec<LaneHead>, bool), StoreError> {
        let heads = if inner.leases.fence(self.shard).is_some() {
            inner.store.backlog(inner.dir, self.shard, self.after, PAGE).await?
        } else {
            Vec::new()
        };
        match heads.last() {
            Some(last) if heads.len() >= PAGE => {
                self.after = Some(last.lane);
                Ok((heads, false))
            }
            _ => {
                self.after = None;
                self.shard = self.shard.wrapping_add(1);
                Ok((heads, self.shard == 0))
            }
        }
    }
}

/// Puts a page's lanes to work; says whether all had room.
async fn admit(inner: &Arc<Inner>, heads: &[LaneHead]) -> Result<bool, StoreError> {
    let mut room = true;
    for head in heads.iter().filter(|head| inner.ready(head)) {
        for lane in inner.wake(&[head.lane]) {
            room &= inner.admit(lane).await?;
        }
    }
    Ok(room)
}

/// Walks the whole backlog when shards have come, and on as long as groups have room for lanes left out.
pub(crate) async fn refill(inner: Arc<Inner>) {
    let mut walk = Walk::new();
    loop {
        let whole = tokio::select! {
            () = inner.recover.notified() => true,
            () = inner.hungry.notified() => false,
        };
        if let Err(error) = round(&inner, &mut walk, whole).await {
            tracing::warn!(%error, "the backlog could not be read; it is tried again");
            tokio::time::sleep(inner.options.poll).await;
            if whole { inner.recover.notify_one() } else { inner.hungry.notify_one() }
        }
    }
}

/// One round through all shards, from where the last one stopped. A round after a start never waits, so that
/// every group is met; others wait while no group has room.
async fn round(inner: &Arc<Inner>, walk: &mut Walk, whole: bool) -> Result<(), StoreError> {
    inner.state.lock().clear_overflow();
    // From the shard's beginning, or what stands before the cursor would be left out of this round.
    walk.after = None;
    let first = walk.shard;
    loop {
        let before = walk.shard;
        let (heads, _) = walk.page(inner).await?;
        let room = admit(inner, &heads).await?;
        if walk.shard != before && walk.shard == first {
            return Ok(());
        }
        if !room && !whole {
            while !inner.state.lock().hungry() {
                inner.hungry.notified().await;
            }
        }
        tokio::task::yield_now().await;
    }
}

/// Looks at a bounded part of the backlog each time, for wake-ups that were lost.
pub(crate) async fn poll(inner: Arc<Inner>) {
    let mut walk = Walk::new();
    loop {
        tokio::time::sleep(inner.options.poll).await;
        let waiting = inner.store.stats().backlog.get(inner.dir as usize).copied().unwrap_or_default();
        if waiting == 0 {
            continue;
        }
        let mut seen = 0;
        // One round at most; 256 empty shards cost little.
        for _ in 0..=usize::from(Shard::MAX) {
            match walk.page(&inner).await {
                Ok((heads, _)) => {
                    seen += heads.len();
                    let lost: Vec<LaneHead> = {
                        let state = inner.state.lock();
                        heads.into_iter().filter(|head| !state.is_tracked(&head.lane.conversation)).collect()
                    };
                    if let Err(error) = admit(&inner, &lost).await {
                        tracing::warn!(%error, "the backlog could not be read");
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the backlog could not be read");
                    break;
                }
            }
            if seen >= POLLED {
                break;
            }
        }
    }
}

/// Buries what grew too old, also in groups that are closed or paused. A walk that takes long is made the less
/// often: no more than a tenth of the time goes into it.
pub(crate) async fn expire(inner: Arc<Inner>) {
    let mut took = Duration::ZERO;
    loop {
        tokio::time::sleep(inner.options.expiry.max(took * 10)).await;
        let begun = Instant::now();
        let Some(horizon) = inner.handler.horizon() else { continue };
        let horizon = u64::try_from(horizon.as_millis()).unwrap_or(u64::MAX);
        let oldest = inner.store.stats().oldest.get(inner.dir as usize).copied().flatten();
        if oldest.is_none_or(|oldest| oldest.saturating_add(horizon) > inner.options.clock.now()) {
            continue;
        }
        let mut walk = Walk::new();
        loop {
            let page = walk.page(&inner).await;
            let done = match page {
                Ok((heads, last)) => {
                    // A lane that an operator holds is his to decide.
                    let heads = heads.iter().filter(|head| head.state != portico_store::LaneState::Held);
                    let mut failed = None;
                    for head in heads {
                        if let Err(error) = bury_overdue(&inner, head.lane).await {
                            failed = Some(error);
                            break;
                        }
                    }
                    if let Some(error) = &failed {
                        tracing::warn!(%error, "overdue entries could not be buried");
                    }
                    last || failed.is_some()
                }
                Err(error) => {
                    tracing::warn!(%error, "the backlog could not be read");
                    true
                }
            };
            if done {
                break;
            }
            tokio::task::yield_now().await;
        }
        took = begun.elapsed();
    }
}

async fn bury_overdue(inner: &Arc<Inner>, lane: Lane) -> Result<(), StoreError> {
    let overdue = |entry: &portico_store::Entry| inner.handler.overdue(entry, inner.options.clock.now());
    let head = inner.store.peek(lane, 1).await?;
    let Some(entry) = head.first().filter(|entry| overdue(entry)) else { return Ok(()) };
    let Some(fence) = inner.leases.fence(lane.shard()) else { return Ok(()) };
    let key = inner.handler.group(entry);
    {
        let mut state = inner.state.lock();
        let group = state.group_index(&key);
        // A lane in work buries its own.
        if !state.borrow(lane.conversation, group) {
            return Ok(());
        }
    }
    let buried = bury_all(inner, lane, fence, overdue).await;
    let started = inner.state.lock().give_back(lane.conversation, Instant::now());
    inner.launch(started);
    buried
}

async fn bury_all(
    inner: &Arc<Inner>,
    lane: Lane,
    fence: portico_store::Fence,
    overdue: impl Fn(&portico_store::Entry) -> bool,
) -> Result<(), StoreError> {
    loop {
        let entries = inner.store.peek(lane, 64).await?;
        let full = entries.len() >= 64;
        for entry in &entries {
            if !overdue(entry) {
                return Ok(());
            }
            let change =
                Change::Bury { fence, lane, seq: entry.seq, reason: DeadReason::Expired, attempt: None };
            worker::commit(inner, fence, vec![change]).await?;
            Inner::count(&inner.counters.buried);
            inner.handler.expired(entry);
        }
        if !full {
            return Ok(());
        }
    }
}
