//! A worker: one lane at a time, its entries strictly one after the other.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use portico_store::{Change, Commit, DeadReason, DiskLevel, Entry, EventOutcome, Fence, Lane, StoreError};

use crate::driver::Inner;
use crate::state::{Left, Taken};
use crate::{Carried, LaneCtx, Options, Verdict};

/// Pause before a settle is tried again on a store that does not answer.
const SETTLE_AGAIN: Duration = Duration::from_millis(200);

/// How a turn on a lane ended.
struct Turn {
    left: Left,
    /// The handler gave a verdict other than to wait.
    worked: bool,
}

pub(crate) async fn run(inner: Arc<Inner>, mut taken: Taken) {
    loop {
        let mut worked = false;
        let left = match AssertUnwindSafe(turn(&inner, &taken)).catch_unwind().await {
            Ok(turn) => {
                worked = turn.worked;
                turn.left
            }
            Err(_) => {
                Inner::count(&inner.counters.panics);
                tracing::error!("a lane's worker panicked; the lane is taken up again by the next poll");
                Left::Gone
            }
        };
        match inner.swap(&taken, left, worked) {
            Some(next) => taken = next,
            None => return,
        }
    }
}

async fn turn(inner: &Arc<Inner>, taken: &Taken) -> Turn {
    let mut turn = Turn { left: Left::Gone, worked: false };
    let Ok(_permit) = inner.permits.acquire().await else { return turn };
    let lane = inner.lane(taken.conversation);
    let Some(fence) = inner.leases.fence(lane.shard()) else { return turn };
    turn.left = match work(inner, taken, lane, fence, &mut turn.worked).await {
        Ok(left) => left,
        Err(StoreError::Fenced { shard }) => {
            Inner::count(&inner.counters.fenced);
            inner.leases.drop_shard(fence);
            tracing::warn!(shard, "a newer owner has the shard; its lanes are dropped");
            Left::Gone
        }
        Err(error) => {
            tracing::warn!(%error, "the store did not answer for a lane");
            Left::Gone
        }
    };
    turn
}

async fn work(
    inner: &Arc<Inner>,
    taken: &Taken,
    lane: Lane,
    fence: Fence,
    worked: &mut bool,
) -> Result<Left, StoreError> {
    let Some(head) = inner.store.lane(lane).await? else { return Ok(Left::Idle) };
    if !inner.ready(&head) {
        return Ok(Left::Idle);
    }
    let there = usize::try_from(head.next.saturating_sub(head.head)).unwrap_or(usize::MAX);
    let entries = inner.store.peek(lane, there.clamp(1, ahead(inner, taken))).await?;
    let more = entries.len() < there;
    let ctx = LaneCtx { lane, fence, carried: Carried::default() };
    let left = each(inner, taken, &ctx, entries, worked).await;
    // However it ended: what is settled is not done again.
    if let Some(change) = ctx.carried.take() {
        commit(inner, fence, vec![change]).await?;
        Inner::count(&inner.counters.settled);
    }
    Ok(match left? {
        Some(left) => left,
        None if more => Left::More,
        None => Left::Idle,
    })
}

/// How many entries to read: no more than will be worked before another lane has its turn.
fn ahead(inner: &Inner, taken: &Taken) -> usize {
    let Options { read_ahead, quantum, .. } = inner.options;
    match taken.probe {
        true => 1,
        false if inner.state.lock().others_wait(taken.group) => read_ahead.min(quantum).clamp(1, 64),
        false => read_ahead.clamp(1, 64),
    }
}

/// Works entries one after the other; `None` when all are done.
async fn each(
    inner: &Arc<Inner>,
    taken: &Taken,
    ctx: &LaneCtx,
    entries: Vec<Entry>,
    worked: &mut bool,
) -> Result<Option<Left>, StoreError> {
    let LaneCtx { lane, fence, ref carried } = *ctx;
    // On a full disk settling goes alone: nothing but that has room.
    let carries = inner.handler.carries() && inner.store.health().disk < DiskLevel::SettleOnly;
    let count = entries.len();
    for (made, entry) in entries.into_iter().enumerate() {
        if made > 0 {
            if taken.probe || taken.halted.load(Ordering::Relaxed) || inner.stop.is_cancelled() {
                return Ok(Some(Left::More));
            }
            if made % inner.options.quantum.max(1) == 0 && inner.state.lock().others_wait(taken.group) {
                return Ok(Some(Left::More));
            }
            if inner.leases.fence(lane.shard()) != Some(fence) {
                return Ok(Some(Left::Gone));
            }
        }
        let (seq, attempts) = (entry.seq, entry.attempts);
        if inner.handler.overdue(&entry, inner.options.clock.now()) {
            let change = Change::Bury { fence, lane, seq, reason: DeadReason::Expired, attempt: None };
            let before = carried.take();
            let settles = before.is_some();
            commit(inner, fence, before.into_iter().chain([change]).collect()).await?;
            if settles {
                Inner::count(&inner.counters.settled);
            }
            Inner::count(&inner.counters.buried);
            inner.handler.expired(&entry);
            continue;
        }
        let carrying = carried.change().is_some();
        let verdict = tokio::select! {
            biased;
            verdict = judge(inner, ctx, entry, attempts) => verdict,
            () = inner.leases.lost(fence) => return Ok(Some(Left::Gone)),
            () = inner.abort.cancelled() => return Ok(Some(Left::Gone)),
        };
        *worked |= verdict != Verdict::Wait;
        let before = carried.take();
        if carrying && before.is_none() {
            Inner::count(&inner.counters.settled);
        }
        let settles = before.is_some();
        let (change, counter, goes_on) = match verdict {
            Verdict::Settle(outcome) => {
                let change = settle(fence, lane, seq, outcome);
                if carries && before.is_none() && made + 1 < count {
                    carried.leave(change);
                    continue;
                }
                (change, &inner.counters.settled, true)
            }
            Verdict::Bury { reason, attempt } => {
                (Change::Bury { fence, lane, seq, reason, attempt }, &inner.counters.buried, true)
            }
            Verdict::Defer { due, attempt, counts } => {
                let due = Some(due);
                (Change::Defer { fence, lane, seq, due, attempt, counts }, &inner.counters.deferred, false)
            }
            Verdict::Hold { attempt } => {
                let change = Change::Defer { fence, lane, seq, due: None, attempt, counts: true };
                (change, &inner.counters.deferred, false)
            }
            Verdict::Wait => {
                if let Some(before) = before {
                    commit(inner, fence, vec![before]).await?;
                    Inner::count(&inner.counters.settled);
                }
                return Ok(Some(Left::Blocked));
            }
        };
        commit(inner, fence, before.into_iter().chain([change]).collect()).await?;
        if settles {
            Inner::count(&inner.counters.settled);
        }
        Inner::count(counter);
        if !goes_on {
            inner.due_moved.notify_one();
            return Ok(Some(Left::Idle));
        }
    }
    Ok(None)
}

/// Hands an entry to the handler; a panic counts as a failed attempt.
async fn judge(inner: &Arc<Inner>, ctx: &LaneCtx, entry: Entry, attempts: u32) -> Verdict {
    let event = entry.event.id;
    match AssertUnwindSafe(inner.handler.handle(ctx, entry)).catch_unwind().await {
        Ok(verdict) => verdict,
        Err(_) => {
            Inner::count(&inner.counters.panics);
            tracing::error!(event.id = %event, "the handler of event {event} panicked; it counts as a failed attempt");
            inner.handler.crashed(attempts, inner.options.clock.now())
        }
    }
}

fn settle(fence: Fence, lane: Lane, through: u64, outcome: EventOutcome) -> Change {
    Change::Settle { fence, lane, through, outcome }
}

/// Records what became of entries. While the store does not answer it is tried again, because the work is
/// done: giving up would do it twice.
pub(crate) async fn commit(inner: &Arc<Inner>, fence: Fence, changes: Vec<Change>) -> Result<(), StoreError> {
    loop {
        match inner.store.commit(Commit::of(changes.clone()).ordered()).await {
            Err(StoreError::Unavailable(_))
                if !inner.stop.is_cancelled() && inner.leases.fence(fence.shard) == Some(fence) =>
            {
                tokio::time::sleep(SETTLE_AGAIN).await;
            }
            // An operator took an entry away meanwhile; the next look at the lane sees what is there.
            Err(StoreError::NotFound(_)) if changes.len() > 1 => {
                for change in changes {
                    Box::pin(commit(inner, fence, vec![change])).await?;
                }
                return Ok(());
            }
            Err(StoreError::NotFound(_)) => return Ok(()),
            other => return other.map(drop),
        }
    }
}
