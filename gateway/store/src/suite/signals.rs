//! Wake-up calls, and commits that are answered before their sync.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Home, append, hold, inbound, must, outbound, put, reopen};
use crate::{Change, Commit, Dir, Key, Lane, Table};

const PATIENCE: Duration = Duration::from_secs(10);

async fn collect(signals: &mut Box<dyn crate::Signals>, wanted: usize) -> BTreeSet<Lane> {
    let mut seen = BTreeSet::new();
    while seen.len() < wanted {
        match tokio::time::timeout(PATIENCE, signals.recv()).await {
            Ok(Some(lanes)) => seen.extend(lanes),
            _ => break,
        }
    }
    seen
}

/// Each lane that gets work is named to listeners of its direction; by then the work can be read.
pub async fn every_append_is_signalled(home: &dyn Home) {
    let store = home.open();
    let owner = hold(&*store).await;
    let mut signals = store.signals(Dir::Inbound);
    let mut beside = store.signals(Dir::Inbound);
    let mut other = store.signals(Dir::Outbound);
    for number in 0..50 {
        put(&*store, inbound(number), "x").await;
    }
    put(&*store, outbound(3), "x").await;
    let wanted: BTreeSet<Lane> = (0..50).map(inbound).collect();
    assert_eq!(collect(&mut signals, 50).await, wanted);
    assert_eq!(collect(&mut beside, 50).await, wanted);
    assert_eq!(collect(&mut other, 1).await, BTreeSet::from([outbound(3)]));
    let waiting = tokio::spawn(async move { collect(&mut signals, 1).await });
    tokio::task::yield_now().await;
    must(&*store, [owner.defer(inbound(9), 1, None, 1)]).await;
    must(&*store, [Change::Release { lane: inbound(9) }]).await;
    assert_eq!(waiting.await.unwrap_or_default(), BTreeSet::from([inbound(9)]), "a release is work too");
}

/// Listeners are told of the end, and so are callers.
pub async fn signals_end_when_the_store_closes(home: &dyn Home) {
    let store = home.open();
    let mut signals = store.signals(Dir::Inbound);
    let waiting = tokio::spawn(async move { signals.recv().await });
    tokio::task::yield_now().await;
    assert_eq!(store.close().await, Ok(()));
    let told = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(matches!(told, Ok(Ok(None))));
    let late = store.commit(Commit::of([append(inbound(1), "late").1])).await;
    assert!(matches!(late, Err(crate::StoreError::Unavailable(_))));
}

/// What asked for no sync is read at once, and is there after a proper end.
pub async fn an_ordered_commit_is_seen_at_once(home: &dyn Home) {
    let store = home.open();
    let owner = hold(&*store).await;
    put(&*store, inbound(1), "x").await;
    let key = |number: u32| Key::from(&number.to_be_bytes()[..]);
    for number in 0..200 {
        let changes = [Change::put(Table::Progress, key(number), "y")];
        assert!(store.commit(Commit::of(changes).ordered()).await.is_ok());
        let row = store.get(Table::Progress, &key(number)).await;
        assert!(matches!(row, Ok(Some(_))));
    }
    let settle = Commit::of([owner.settle(inbound(1), 1)]).ordered();
    assert!(store.commit(settle).await.is_ok());
    assert_eq!(store.lane(inbound(1)).await, Ok(None));
    let (_, change) = append(inbound(2), "z");
    assert!(store.commit(Commit::of([change]).ordered()).await.is_ok());
    assert_eq!(store.peek(inbound(2), 1).await.map(|entries| entries.len()), Ok(1));
    let store = reopen(home, store).await;
    if home.durable() {
        assert_eq!(store.lane(inbound(1)).await, Ok(None));
        assert_eq!(store.peek(inbound(2), 1).await.map(|entries| entries.len()), Ok(1));
        assert!(matches!(store.get(Table::Progress, &key(199)).await, Ok(Some(_))));
    }
}
