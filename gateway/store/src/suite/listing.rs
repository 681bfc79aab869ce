//! Listings of the journal.

use portico_contract::{EventId, Millis};

use super::{Home, hold, inbound, must, outbound, put, reopen};
use crate::{Dir, EventFilter, EventOutcome, EventSummary, Store};

async fn all(store: &dyn Store, filter: &EventFilter, n: usize) -> Vec<EventSummary> {
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.events(filter, cursor, n).await;
        let Ok(page) = page else { unreachable!("a healthy store lists: {page:?}") };
        assert!(page.items.len() <= n);
        seen.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            return seen;
        }
    }
}

/// Pages neither miss nor double an event, over restarts.
pub async fn events_are_paged_newest_first(home: &dyn Home) {
    let mut store = home.open();
    let mut ids: Vec<EventId> = Vec::new();
    for part in 0..3 {
        for number in 0..200 {
            ids.push(put(&*store, inbound(number % 7), "x").await.0);
        }
        if part < 2 {
            store = reopen(home, store).await;
        }
    }
    ids.reverse();
    for n in [1, 50, 1000] {
        let seen = all(&*store, &EventFilter::default(), n).await;
        assert_eq!(seen.iter().map(|event| event.id).collect::<Vec<_>>(), ids);
    }
}

/// All conditions hold together.
pub async fn events_are_filtered(home: &dyn Home) {
    let store = home.open();
    let owner = hold(&*store).await;
    let mut times: Vec<Millis> = Vec::new();
    for number in 0..30 {
        put(&*store, inbound(number % 3), "in").await;
        let (id, _) = put(&*store, outbound(1), "out").await;
        times.push(id.millis());
    }
    must(&*store, [owner.settle(inbound(0), 4)]).await;
    let store = reopen(home, store).await;
    let by_lane = EventFilter { lane: Some(inbound(0)), ..EventFilter::default() };
    let seen = all(&*store, &by_lane, 3).await;
    assert_eq!(seen.len(), 10);
    assert!(seen.iter().all(|event| event.lane == inbound(0)));
    let done = EventFilter { outcome: Some(EventOutcome::Done), ..by_lane.clone() };
    assert_eq!(all(&*store, &done, 3).await.iter().map(|event| event.seq).collect::<Vec<_>>(), [4, 3, 2, 1]);
    let pending = EventFilter { outcome: Some(EventOutcome::Pending), ..by_lane };
    assert_eq!(all(&*store, &pending, 100).await.len(), 6);
    let since = EventFilter { since: Some(times[20]), until: Some(times[29] + 1), ..EventFilter::default() };
    let seen = all(&*store, &since, 4).await;
    assert!(seen.iter().all(|event| event.received_at >= times[20]));
    assert!(seen.iter().filter(|event| event.lane.dir == Dir::Outbound).count() >= 10);
    let other = EventFilter { kinds: vec![crate::EventKind::Outgoing], ..EventFilter::default() };
    assert_eq!(all(&*store, &other, 4).await, []);
}
