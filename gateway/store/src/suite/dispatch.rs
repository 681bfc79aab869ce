//! Working a lane: settling, deferring, holding, and who may.

use super::{Home, Owner, attempt, hold, inbound, must, put, refused, reopen};
use crate::{Change, Dir, EventOutcome, LaneState, NodeId, StoreError};

/// Settling removes entries, records the outcome, and may be repeated.
pub async fn settling_moves_the_head(home: &dyn Home) {
    let store = home.open();
    let owner = hold(&*store).await;
    let lane = inbound(1);
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(put(&*store, lane, "x").await.0);
    }
    must(&*store, [owner.settle(lane, 2)]).await;
    must(&*store, [owner.settle(lane, 2)]).await;
    must(&*store, [owner.settle(lane, 1)]).await;
    let head = store.lane(lane).await.ok().flatten();
    assert_eq!(head.map(|head| (head.head, head.next)), Some((3, 5)));
    assert_eq!(refused(&*store, [owner.settle(lane, 5)]).await, StoreError::NotFound("lane entry"));
    let ignored = EventOutcome::Ignored;
    must(&*store, [Change::Settle { fence: owner.fence(lane), lane, through: 3, outcome: ignored }]).await;
    let store = reopen(home, store).await;
    let mut outcomes = Vec::new();
    for id in ids {
        outcomes.push(store.event(id).await.ok().flatten().map(|event| event.outcome));
    }
    let (done, pending) = (EventOutcome::Done, EventOutcome::Pending);
    assert_eq!(outcomes, [Some(done), Some(done), Some(ignored), Some(pending)]);
}

/// A deferred head is listed when its time has come, with its attempts, also after a restart.
pub async fn deferring_counts_attempts_and_comes_due(home: &dyn Home) {
    let store = home.open();
    let owner = hold(&*store).await;
    let (id, _) = put(&*store, inbound(1), "x").await;
    put(&*store, inbound(1), "y").await;
    put(&*store, inbound(2), "z").await;
    must(&*store, [owner.defer(inbound(1), 1, Some(5_000), 1)]).await;
    must(&*store, [owner.defer(inbound(1), 1, Some(9_000), 2), owner.defer(inbound(2), 1, Some(7_000), 1)])
        .await;
    let store = reopen(home, store).await;
    let owner = hold(&*store).await;
    assert_eq!(store.next_due(Dir::Inbound).await, Ok(Some(7_000)));
    assert_eq!(store.next_due(Dir::Outbound).await, Ok(None));
    assert_eq!(store.due(Dir::Inbound, 6_999, 10).await, Ok(Vec::new()));
    let due = store.due(Dir::Inbound, 9_000, 10).await.unwrap_or_default();
    assert_eq!(due.iter().map(|head| head.lane).collect::<Vec<_>>(), [inbound(2), inbound(1)]);
    assert_eq!(
        due.last().map(|head| (head.state, head.attempts, head.due)),
        Some((LaneState::Deferred, 2, 9_000))
    );
    let entries = store.peek(inbound(1), 2).await.unwrap_or_default();
    assert_eq!(entries.iter().map(|entry| entry.attempts).collect::<Vec<_>>(), [2, 0]);
    assert_eq!(store.attempts(id).await, Ok(vec![attempt(1), attempt(2)]));
    let wrong = refused(&*store, [owner.defer(inbound(1), 2, Some(1), 1)]).await;
    assert_eq!(wrong, StoreError::NotFound("lane entry"));
    must(&*store, [owner.settle(inbound(1), 1)]).await;
    let head = store.lane(inbound(1)).await.ok().flatten();
    assert_eq!(
        head.map(|head| (head.head, head.state, head.attempts, head.due)),
        Some((2, LaneState::Ready, 0, 0))
    );
    assert_eq!(store.next_due(Dir::Inbound).await, Ok(Some(7_000)));
}

/// A held lane is never due; releasing makes it ready, keeps its attempts, and is harmless elsewhere.
pub async fn a_held_lane_waits_until_it_is_released(home: &dyn Home) {
    let store = home.open();
    let owner = hold(&*store).await;
    let lane = inbound(1);
    put(&*store, lane, "x").await;
    must(&*store, [owner.defer(lane, 1, Some(5), 1)]).await;
    must(&*store, [owner.defer(lane, 1, None, 2)]).await;
    let store = reopen(home, store).await;
    assert_eq!(store.next_due(Dir::Inbound).await, Ok(None));
    let head = store.lane(lane).await.ok().flatten();
    assert_eq!(head.map(|head| (head.state, head.attempts)), Some((LaneState::Held, 2)));
    must(&*store, [Change::Release { lane }, Change::Release { lane: inbound(77) }]).await;
    let head = store.lane(lane).await.ok().flatten();
    assert_eq!(head.map(|head| (head.state, head.attempts, head.due)), Some((LaneState::Ready, 2, 0)));
}

/// Only the owner of the newest epoch works a lane; epochs grow with owners and starts.
pub async fn fences_of_former_owners_are_refused(home: &dyn Home) {
    let store = home.open();
    let lane = inbound(1);
    put(&*store, lane, "x").await;
    put(&*store, lane, "y").await;
    let first = Owner::of(&*store, NodeId([1; 16])).await;
    let again = Owner::of(&*store, NodeId([1; 16])).await;
    assert_eq!(first.fence(lane), again.fence(lane));
    assert_eq!(store.hold(NodeId([2; 16]), 256).await, Ok(Vec::new()));
    assert_eq!(store.release(NodeId([1; 16])).await, Ok(()));
    let fenced = StoreError::Fenced { shard: lane.shard() };
    assert_eq!(refused(&*store, [first.settle(lane, 1)]).await, fenced);
    let second = Owner::of(&*store, NodeId([2; 16])).await;
    assert!(second.fence(lane).epoch > first.fence(lane).epoch);
    for change in [first.settle(lane, 1), first.defer(lane, 1, Some(1), 1), first.bury(lane, 1)] {
        assert_eq!(refused(&*store, [change]).await, fenced);
    }
    must(&*store, [second.settle(lane, 1)]).await;
    let mut other = second.fence(lane);
    other.shard = other.shard.wrapping_add(1);
    let settle = Change::Settle { fence: other, lane, through: 2, outcome: EventOutcome::Done };
    assert_eq!(refused(&*store, [settle]).await, fenced);
    if home.durable() {
        let store = reopen(home, store).await;
        assert_eq!(refused(&*store, [second.settle(lane, 2)]).await, fenced);
        let third = hold(&*store).await;
        assert!(third.fence(lane).epoch > second.fence(lane).epoch);
        must(&*store, [third.settle(lane, 2)]).await;
    }
}

/// While a core is down attempts are logged, not counted.
pub async fn an_attempt_that_does_not_count_is_kept(home: &dyn Home) {
    let store = home.open();
    let owner = hold(&*store).await;
    let lane = inbound(1);
    let (id, _) = put(&*store, lane, "x").await;
    let fence = owner.fence(lane);
    let defer = Change::Defer { fence, lane, seq: 1, due: Some(9), attempt: attempt(1), counts: false };
    must(&*store, [defer]).await;
    assert_eq!(store.lane(lane).await.ok().flatten().map(|head| head.attempts), Some(0));
    assert_eq!(store.attempts(id).await, Ok(vec![attempt(1)]));
}
