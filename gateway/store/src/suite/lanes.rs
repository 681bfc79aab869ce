//! Lanes: numbers without gaps, entries in order, listings.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Home, append, hold, inbound, must, outbound, put, reopen};
use crate::{Appended, Dir, Lane};

/// Four tasks append to three lanes while another settles them: every lane's entries are seen as 1, 2, 3…
pub async fn numbers_have_no_gaps_under_concurrent_append_and_settle(home: &dyn Home) {
    const EACH: u64 = 400;
    const TASKS: u64 = 4;
    let store = home.open();
    let owner = hold(&*store).await;
    let mut tasks = Vec::new();
    for task in 0..TASKS {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            let mut numbers = Vec::new();
            for turn in 0..EACH {
                for lane in 0..3 {
                    let (_, change) = append(inbound(lane), format!("{task} {turn}"));
                    numbers.push((lane, must(&*store, [change]).await));
                }
            }
            numbers
        }));
    }
    let settling = {
        let (store, owner) = (Arc::clone(&store), owner.clone());
        tokio::spawn(async move {
            let mut seen = [0_u64; 3];
            while seen.iter().any(|seen| *seen < EACH * TASKS) {
                for (number, seen) in (0_u32..).zip(&mut seen) {
                    let lane = inbound(number);
                    let entries = store.peek(lane, 10).await.unwrap_or_default();
                    for entry in &entries {
                        assert_eq!(entry.seq, *seen + 1, "no number is missing or doubled");
                        *seen = entry.seq;
                    }
                    if let Some(last) = entries.last() {
                        must(&*store, [owner.settle(lane, last.seq)]).await;
                    }
                }
                tokio::task::yield_now().await;
            }
        })
    };
    let mut given = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
    for task in tasks {
        for (lane, answers) in task.await.unwrap_or_default() {
            for answer in answers {
                if let Appended::New(seq) = answer {
                    assert!(given[lane as usize].insert(seq), "a number was given twice");
                }
            }
        }
    }
    assert!(settling.await.is_ok(), "entries were seen in order");
    for given in given {
        assert!(given.into_iter().eq(1..=EACH * TASKS));
    }
}

/// Bodies, raw requests and facts come back as they were given.
pub async fn entries_come_back_whole_and_in_order(home: &dyn Home) {
    let store = home.open();
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(put(&*store, outbound(1), &format!("body {number}")).await.0);
    }
    let store = reopen(home, store).await;
    let entries = store.peek(outbound(1), 100).await.unwrap_or_default();
    assert_eq!(entries.iter().map(|entry| entry.event.id).collect::<Vec<_>>(), ids);
    for (number, entry) in entries.iter().enumerate() {
        assert_eq!(entry.seq, number as u64 + 1);
        assert_eq!(entry.event.body, format!("body {number}"));
        assert_eq!(entry.event.raw, "raw");
        assert_eq!((entry.event.lane, entry.event.seq), (outbound(1), entry.seq));
        assert!(!entry.replay && entry.attempts == 0);
        let again = store.event(entry.event.id).await.ok().flatten();
        assert_eq!(again.map(|event| event.body), Some(entry.event.body.clone()));
    }
}

/// Two thousand entries, settled in odd steps, with restarts between.
pub async fn a_long_lane_survives_reopening(home: &dyn Home) {
    let mut store = home.open();
    let lane = inbound(5);
    let mut ids = Vec::new();
    for part in 0..20 {
        let made: Vec<_> = (0..100).map(|number| append(lane, format!("{part} {number}"))).collect();
        ids.extend(made.iter().map(|(id, _)| *id));
        must(&*store, made.into_iter().map(|(_, change)| change)).await;
        if part % 7 == 3 {
            store = reopen(home, store).await;
        }
    }
    let mut at = 0;
    for (turn, step) in [1, 63, 64, 65, 7, 300, 128, 1, 500].into_iter().enumerate() {
        let owner = hold(&*store).await;
        let head = store.peek(lane, 3).await.unwrap_or_default();
        assert_eq!(head.first().map(|entry| (entry.seq, entry.event.id)), Some((at as u64 + 1, ids[at])));
        at += step;
        must(&*store, [owner.settle(lane, at as u64)]).await;
        if turn % 2 == 0 {
            store = reopen(home, store).await;
        }
    }
    let mut owner = hold(&*store).await;
    while at < ids.len() {
        let entries = store.peek(lane, 64).await.unwrap_or_default();
        assert!(!entries.is_empty(), "entry {} is there", at + 1);
        for entry in &entries {
            assert_eq!((entry.seq, entry.event.id), (at as u64 + 1, ids[at]));
            at += 1;
        }
        must(&*store, [owner.settle(lane, at as u64)]).await;
        if at % 3 == 0 {
            store = reopen(home, store).await;
            owner = hold(&*store).await;
        }
    }
    assert_eq!(store.lane(lane).await, Ok(None));
}

/// A lane that was worked off goes on counting.
pub async fn numbers_go_on_after_a_lane_was_empty(home: &dyn Home) {
    let store = home.open();
    let owner = hold(&*store).await;
    assert_eq!(put(&*store, inbound(1), "a").await.1, 1);
    assert_eq!(put(&*store, inbound(1), "b").await.1, 2);
    must(&*store, [owner.settle(inbound(1), 2)]).await;
    assert_eq!(store.lane(inbound(1)).await, Ok(None));
    let store = reopen(home, store).await;
    assert_eq!(put(&*store, inbound(1), "c").await.1, 3);
    assert_eq!(put(&*store, outbound(1), "the other direction").await.1, 1);
}

/// Lanes come shard by shard, in pages that neither miss nor double one.
pub async fn backlog_lists_lanes_in_stable_order(home: &dyn Home) {
    let store = home.open();
    let mut wanted: Vec<Lane> = Vec::new();
    for number in 0..300 {
        put(&*store, inbound(number), "x").await;
        wanted.push(inbound(number));
    }
    put(&*store, outbound(1), "x").await;
    let mut seen = Vec::new();
    for shard in 0..=255 {
        let mut after = None;
        loop {
            let page = store.backlog(Dir::Inbound, shard, after, 2).await.unwrap_or_default();
            assert!(page.iter().all(|head| head.lane.shard() == shard && head.lane.dir == Dir::Inbound));
            after = page.last().map(|head| head.lane);
            seen.extend(page.iter().map(|head| head.lane));
            if page.is_empty() {
                break;
            }
        }
    }
    wanted.sort();
    assert_eq!(seen, wanted);
}

/// A peek brings at most about a mebibyte, and one entry at least.
pub async fn a_peek_is_bounded_in_bytes(home: &dyn Home) {
    let store = home.open();
    let large = "x".repeat(700_000);
    for _ in 0..3 {
        put(&*store, inbound(1), &large).await;
    }
    let entries = store.peek(inbound(1), 10).await.unwrap_or_default();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries.first().map(|entry| entry.event.body.len()), Some(large.len()));
    assert_eq!(store.peek(inbound(2), 10).await.map(|entries| entries.len()), Ok(0));
}
