//! A repeat makes no second event, and no second commit.

use std::sync::Arc;

use bytes::Bytes;

use super::{Home, append_keyed, inbound, must, reopen};
use crate::{Appended, Change, Commit, Committed, IdempotencyKey, Key, Once, StoreError, Table};

/// Eight tasks append the same 10,000 keys at once: each key is new exactly once.
pub async fn the_same_key_from_eight_tasks_is_new_once(home: &dyn Home) {
    const KEYS: u64 = 10_000;
    let store = home.open();
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            let mut new = 0;
            for from in (0..KEYS).step_by(20) {
                let changes =
                    (from..from + 20).map(|number| append_keyed(inbound((number % 100) as u32), number));
                let answers = must(&*store, changes).await;
                new += answers.iter().filter(|answer| matches!(answer, Appended::New(_))).count() as u64;
            }
            new
        }));
    }
    let mut new = 0;
    for task in tasks {
        new += task.await.unwrap_or_default();
    }
    assert_eq!(new, KEYS);
    let mut waiting = 0;
    for lane in 0..100 {
        let head = store.lane(inbound(lane)).await;
        waiting += head.ok().flatten().map_or(0, |head| head.next - head.head);
    }
    assert_eq!(waiting, KEYS);
}

/// What was journaled before a restart is known after it.
pub async fn a_key_is_known_after_a_reopen(home: &dyn Home) {
    let store = home.open();
    must(&*store, (0..500).map(|number| append_keyed(inbound(1), number))).await;
    let store = reopen(home, store).await;
    must(&*store, (500..600).map(|number| append_keyed(inbound(1), number))).await;
    let store = reopen(home, store).await;
    let answers = must(&*store, (0..600).map(|number| append_keyed(inbound(1), number))).await;
    assert!(answers.iter().all(|answer| *answer == Appended::Already));
}

/// Answers stand in the order of the appends; a key twice in one commit is new once.
pub async fn a_repeat_beside_a_new_event_is_told_apart(home: &dyn Home) {
    let store = home.open();
    let lane = inbound(1);
    must(&*store, [append_keyed(lane, 1)]).await;
    let answers = must(
        &*store,
        [append_keyed(lane, 1), append_keyed(lane, 2), append_keyed(lane, 2), append_keyed(lane, 3)],
    )
    .await;
    assert_eq!(answers, [Appended::Already, Appended::New(2), Appended::Already, Appended::New(3)]);
}

/// The same key and hash answer what the first one answered; another hash is refused.
pub async fn once_answers_the_same_or_refuses(home: &dyn Home) {
    let store = home.open();
    let commit = |hash: u8, answer: &'static str| {
        let once = Once {
            key: IdempotencyKey([3; 16]),
            hash: [hash; 16],
            answer: Bytes::from_static(answer.as_bytes()),
        };
        Commit::of([Change::put(Table::Message, Key::new().text("m"), answer)]).once(once)
    };
    assert_eq!(store.commit(commit(1, "first")).await, Ok(Committed::Done(Vec::new())));
    assert_eq!(store.commit(commit(1, "second")).await, Ok(Committed::Same(Bytes::from_static(b"first"))));
    assert_eq!(store.commit(commit(2, "third")).await, Err(StoreError::KeyReused));
    let store = reopen(home, store).await;
    assert_eq!(store.commit(commit(1, "fourth")).await, Ok(Committed::Same(Bytes::from_static(b"first"))));
    let row = store.get(Table::Message, &Key::new().text("m")).await;
    assert_eq!(row.ok().flatten().map(|row| row.value), Some(Bytes::from_static(b"first")));
}
