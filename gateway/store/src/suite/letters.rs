//! Dead letters and replays.

use std::collections::BTreeSet;

use portico_contract::{BotId, EventId};

use super::{Home, attempt, bot, hold, inbound, must, name, put, refused, reopen};
use crate::{Change, DeadReason, EventOutcome, StoreError};

/// The head goes, the lane goes on, and nothing of it is lost.
pub async fn a_buried_head_becomes_a_dead_letter(home: &dyn Home) {
    let store = home.open();
    let owner = hold(&*store).await;
    let lane = inbound(1);
    let (id, _) = put(&*store, lane, "poison").await;
    put(&*store, lane, "next").await;
    must(&*store, [owner.defer(lane, 1, Some(1), 1)]).await;
    assert_eq!(refused(&*store, [owner.bury(lane, 2)]).await, StoreError::NotFound("lane entry"));
    must(&*store, [owner.bury(lane, 1)]).await;
    let store = reopen(home, store).await;
    let head = store.lane(lane).await.ok().flatten();
    assert_eq!(head.map(|head| (head.head, head.attempts)), Some((2, 0)));
    let letters = store.dead_letters(Some(&bot()), None, 10).await.map(|page| page.items).unwrap_or_default();
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!((letter.event.id, letter.event.lane, letter.event.seq), (id, lane, 1));
    assert_eq!((letter.reason, letter.last.clone()), (DeadReason::Exhausted, Some(attempt(9))));
    assert_eq!(letter.event.outcome, EventOutcome::Dead);
    assert_eq!(store.attempts(id).await, Ok(vec![attempt(1), attempt(9)]));
    assert_eq!(store.stats().dead_letters, 1);
    let event = store.event(id).await.ok().flatten();
    assert_eq!(event.map(|event| (event.body, event.outcome)), Some(("poison".into(), EventOutcome::Dead)));
    let other = name(BotId::parse("other"));
    assert_eq!(store.dead_letters(Some(&other), None, 10).await.map(|page| page.items.len()), Ok(0));
}

/// Unburying keeps id and attempts; the event waits behind what came since.
pub async fn an_unburied_event_goes_to_the_end_of_its_lane(home: &dyn Home) {
    let store = home.open();
    let owner = hold(&*store).await;
    let lane = inbound(1);
    let (id, _) = put(&*store, lane, "poison").await;
    put(&*store, lane, "next").await;
    must(&*store, [owner.bury(lane, 1)]).await;
    let missing = StoreError::NotFound("dead letter");
    let wrong = Change::Unbury { bot: name(BotId::parse("other")), event: id };
    assert_eq!(refused(&*store, [wrong]).await, missing);
    must(&*store, [Change::Unbury { bot: bot(), event: id }]).await;
    assert_eq!(refused(&*store, [Change::Unbury { bot: bot(), event: id }]).await, missing);
    let store = reopen(home, store).await;
    let owner = hold(&*store).await;
    let entries = store.peek(lane, 10).await.unwrap_or_default();
    assert_eq!(entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [2, 3]);
    let last = entries.last().map(|entry| (entry.event.id, entry.replay, entry.attempts));
    assert_eq!(last, Some((id, true, 1)));
    assert_eq!(store.stats().dead_letters, 0);
    let outcome = store.event(id).await.ok().flatten().map(|event| event.outcome);
    assert_eq!(outcome, Some(EventOutcome::Pending));
    must(&*store, [owner.settle(lane, 3)]).await;
    let outcome = store.event(id).await.ok().flatten().map(|event| event.outcome);
    assert_eq!(outcome, Some(EventOutcome::Done));
}

/// Dropping forgets the letter; the event stays in the journal as dropped.
pub async fn a_dropped_dead_letter_is_gone(home: &dyn Home) {
    let store = home.open();
    let owner = hold(&*store).await;
    let (id, _) = put(&*store, inbound(1), "poison").await;
    must(&*store, [owner.bury(inbound(1), 1)]).await;
    let store = reopen(home, store).await;
    must(&*store, [Change::DropDead { bot: bot(), event: id }]).await;
    let gone = refused(&*store, [Change::DropDead { bot: bot(), event: id }]).await;
    assert_eq!(gone, StoreError::NotFound("dead letter"));
    assert_eq!(store.dead_letters(None, None, 10).await.map(|page| page.items.len()), Ok(0));
    assert_eq!(store.stats().dead_letters, 0);
    let outcome = store.event(id).await.ok().flatten().map(|event| event.outcome);
    assert_eq!(outcome, Some(EventOutcome::Dropped));
}

/// A replay is the same event again; while it waits, a second one does nothing.
pub async fn a_replay_keeps_id_and_attempts(home: &dyn Home) {
    let store = home.open();
    let owner = hold(&*store).await;
    let lane = inbound(1);
    let (id, _) = put(&*store, lane, "x").await;
    must(&*store, [Change::Replay { event: id }]).await;
    let head = store.lane(lane).await.ok().flatten();
    assert_eq!(head.map(|head| head.next), Some(2), "it still waits, so nothing happens");
    must(&*store, [owner.defer(lane, 1, Some(1), 1)]).await;
    must(&*store, [owner.settle(lane, 1)]).await;
    let store = reopen(home, store).await;
    let owner = hold(&*store).await;
    must(&*store, [Change::Replay { event: id }, Change::Replay { event: id }]).await;
    must(&*store, [Change::Replay { event: id }]).await;
    let store = reopen(home, store).await;
    let entries = store.peek(lane, 10).await.unwrap_or_default();
    let seen: Vec<_> =
        entries.iter().map(|entry| (entry.seq, entry.event.id, entry.replay, entry.attempts)).collect();
    assert_eq!(seen, [(2, id, true, 1)]);
    assert_eq!(
        entries.first().map(|entry| entry.event.seq),
        Some(1),
        "the first number stays the event's own"
    );
    let missing = refused(&*store, [Change::Replay { event: EventId::new() }]).await;
    assert_eq!(missing, StoreError::NotFound("event"));
    drop(owner);
    // A dead letter may be replayed too, and is none any more.
    let owner = hold(&*store).await;
    must(&*store, [owner.bury(lane, 2)]).await;
    must(&*store, [Change::Replay { event: id }]).await;
    assert_eq!(store.dead_letters(None, None, 10).await.map(|page| page.items.len()), Ok(0));
    let entries = store.peek(lane, 10).await.unwrap_or_default();
    assert_eq!(entries.iter().map(|entry| (entry.seq, entry.attempts)).collect::<Vec<_>>(), [(3, 2)]);
}

/// Pages of dead letters neither miss nor double one.
pub async fn dead_letters_are_paged_newest_first(home: &dyn Home) {
    let store = home.open();
    let owner = hold(&*store).await;
    let mut ids = BTreeSet::new();
    for number in 0..25 {
        ids.insert(put(&*store, inbound(number), "x").await.0);
        must(&*store, [owner.bury(inbound(number), 1)]).await;
    }
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.dead_letters(None, cursor, 10).await;
        let Ok(page) = page else { unreachable!("a healthy store lists: {page:?}") };
        assert!(page.items.len() <= 10);
        seen.extend(page.items.iter().map(|letter| (letter.at, letter.event.id)));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert!(seen.is_sorted_by(|one, next| one > next), "newest first");
    assert_eq!(seen.into_iter().map(|(_, id)| id).collect::<BTreeSet<_>>(), ids);
}
