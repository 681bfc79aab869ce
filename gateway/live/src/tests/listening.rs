//! A listener gives out each item once and in order, whatever the hub does.

use std::sync::Arc;

use portico_store::records::{StreamItem, StreamWhat};
use portico_turns::{Outlet, ShownItem};
use proptest::prelude::*;

use super::world::{World, heard, item, text_of};
use crate::{Bounds, Heard};

#[tokio::test]
async fn both_sides_are_heard_in_one_order() {
    let world = World::new().await;
    let (user, conversation) = world.visitor().await;
    let mut listener = world.listen(conversation).after(0);
    let running = world.drive();
    world.say(conversation, &user.id, "c-000001").await;
    world.bot_says(conversation, "b1").await;
    world.sent(conversation).await;
    world.say(conversation, &user.id, "c-000002").await;
    let mut texts = Vec::new();
    for seq in 1..=3 {
        let shown = item(&mut listener).await;
        assert_eq!(shown.seq, seq);
        texts.push(text_of(&shown));
    }
    assert_eq!(texts, ["c-000001", "b1", "c-000002"]);
    running.kill().await;
}

#[tokio::test]
async fn who_comes_later_gets_what_was_missed_and_then_what_comes() {
    let world = World::new().await;
    let (user, conversation) = world.visitor().await;
    for index in 0..150 {
        world.say(conversation, &user.id, &format!("c-{index:06}")).await;
    }
    let mut listener = world.listen(conversation).after(20);
    world.say(conversation, &user.id, "c-000150").await;
    for seq in 21..=151 {
        assert_eq!(item(&mut listener).await.seq, seq);
    }
    world.say(conversation, &user.id, "c-000151").await;
    assert_eq!(item(&mut listener).await.seq, 152);
    assert_eq!(listener.seen(), 152);
}

#[tokio::test]
async fn a_slow_listener_lags_and_goes_on_without_a_gap() {
    let world = World::new().await;
    let (user, conversation) = world.visitor().await;
    let bounds = Bounds { frames: 4, bytes: 64 * 1024 };
    let mut listener = world.live.listen(&world.at, conversation, bounds).after(0);
    world.say(conversation, &user.id, "c-000000").await;
    let mut seqs = vec![item(&mut listener).await.seq];
    for index in 1..20 {
        world.say(conversation, &user.id, &format!("c-{index:06}")).await;
    }
    let mut lagged = 0;
    while seqs.len() < 20 {
        match heard(&mut listener).await {
            Heard::Item(shown) => seqs.push(shown.seq),
            Heard::Lagged => lagged += 1,
            other => panic!("heard {other:?}"),
        }
    }
    assert_eq!((seqs, lagged), ((1..=20).collect(), 1));
}

#[tokio::test]
async fn bytes_are_bounded_too_and_one_large_item_still_passes() {
    let world = World::new().await;
    let (user, conversation) = world.visitor().await;
    let bounds = Bounds { frames: 100, bytes: 10_000 };
    let mut listener = world.live.listen(&world.at, conversation, bounds).after(0);
    let big = |id: &str| World::text(conversation, &user.id, id, &"x".repeat(20_000));
    world.live.say(&world.at, big("c-000001")).await.unwrap();
    assert_eq!(item(&mut listener).await.seq, 1);
    world.live.say(&world.at, big("c-000002")).await.unwrap();
    world.live.say(&world.at, big("c-000003")).await.unwrap();
    assert!(matches!(heard(&mut listener).await, Heard::Lagged));
    assert_eq!(item(&mut listener).await.seq, 2);
    assert_eq!(item(&mut listener).await.seq, 3);
}

#[tokio::test]
async fn what_is_not_kept_any_more_is_a_reset() {
    let world = World::new().await;
    let (user, conversation) = world.visitor().await;
    let head = portico_store::records::StreamHead { first: 9_001, next: 9_001 };
    let value = serde_json::to_vec(&head).unwrap();
    // As if 9,000 items had been there.
    let key = portico_store::Key::new().text("support").bytes(&conversation.0).number(0);
    let write = portico_store::Change::put(portico_store::Table::Stream, key, value);
    world.store.commit(portico_store::Commit::of([write])).await.unwrap();
    world.say(conversation, &user.id, "c-000001").await;
    let mut listener = world.listen(conversation).after(5);
    assert!(matches!(heard(&mut listener).await, Heard::Reset { from: 9_001 }));
    assert_eq!(item(&mut listener).await.seq, 9_001);
}

#[tokio::test]
async fn who_has_seen_more_than_there_is_begins_anew() {
    let world = World::new().await;
    let (user, conversation) = world.visitor().await;
    world.say(conversation, &user.id, "c-000001").await;
    let mut listener = world.listen(conversation).after(50);
    assert!(matches!(heard(&mut listener).await, Heard::Reset { from: 2 }));
    world.say(conversation, &user.id, "c-000002").await;
    assert_eq!(item(&mut listener).await.seq, 2);
}

#[tokio::test]
async fn a_listener_that_is_gone_is_forgotten_and_a_deleted_conversation_ends_the_rest() {
    let world = World::new().await;
    let (_, conversation) = world.visitor().await;
    let (one, mut other) = (world.listen(conversation), world.listen(conversation).after(0));
    assert_eq!(world.hub.listeners(), 2);
    drop(one);
    assert_eq!(world.hub.listeners(), 1);
    world.live.delete_conversation(&world.at, conversation).await.unwrap();
    assert!(matches!(heard(&mut other).await, Heard::Ended));
    assert!(matches!(heard(&mut other).await, Heard::Ended));
    assert_eq!(world.hub.listeners(), 0);
}

/// What happens to a listener between two items.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Something is said and told.
    Say,
    /// Something is said, and the hub tells it only later.
    Late,
    /// What is late is told, last first.
    Tell,
    /// Something old is told again.
    Again,
    /// So many items are taken.
    Take(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => Just(Step::Say),
        3 => Just(Step::Late),
        2 => Just(Step::Tell),
        1 => Just(Step::Again),
        3 => (1..6u8).prop_map(Step::Take),
    ];
    proptest::collection::vec(step, 1..60)
}

/// Stores an item as another process would, so that only `tell` tells it.
async fn store(world: &World, conversation: portico_contract::ConversationId) -> ShownItem {
    let id = portico_contract::MessageId::new();
    let what = StreamWhat::Status { id, status: crate::StreamStatus::Delivered, reason: None };
    let item = StreamItem { at: 1, what, client_id: None };
    let head = world.records.stream_head(conversation).await.unwrap();
    let items = std::slice::from_ref(&item);
    let (changes, seq) = world.records.stream_changes(conversation, head.as_ref(), items);
    world.store.commit(portico_store::Commit::of(changes)).await.unwrap();
    ShownItem { seq, item, message: None }
}

async fn runs(steps: Vec<Step>, frames: usize, after: u64) {
    let world = World::new().await;
    let (_, conversation) = world.visitor().await;
    for _ in 0..3 {
        store(&world, conversation).await;
    }
    let bounds = Bounds { frames, bytes: 64 * 1024 };
    let mut listener = world.live.listen(&world.at, conversation, bounds).after(after);
    let (mut told, mut late, mut seqs) = (Vec::<ShownItem>::new(), Vec::new(), Vec::new());
    let mut stored = 3;
    for step in steps {
        match step {
            Step::Say => {
                let item = store(&world, conversation).await;
                stored = item.seq;
                world.hub.shown(conversation, item.clone());
                told.push(item);
            }
            Step::Late => {
                let item = store(&world, conversation).await;
                stored = item.seq;
                late.push(item);
            }
            Step::Tell => {
                while let Some(item) = late.pop() {
                    world.hub.shown(conversation, item.clone());
                    told.push(item);
                }
            }
            Step::Again => {
                if let Some(item) = told.first() {
                    world.hub.shown(conversation, item.clone());
                }
            }
            Step::Take(count) => take(&mut listener, &mut seqs, usize::from(count)).await,
        }
    }
    // Once everything is told, everything is heard.
    while let Some(item) = late.pop() {
        world.hub.shown(conversation, item);
    }
    take(&mut listener, &mut seqs, 1_000).await;
    let wanted: Vec<u64> = (after + 1..=stored).collect();
    assert_eq!(seqs, wanted);
}

/// Takes items as long as some come without waiting for what nobody tells.
async fn take(listener: &mut crate::Listener, seqs: &mut Vec<u64>, count: usize) {
    for _ in 0..count {
        let next = tokio::time::timeout(std::time::Duration::from_millis(1), listener.next()).await;
        match next {
            Ok(Heard::Item(shown)) => seqs.push(shown.seq),
            Ok(Heard::Lagged | Heard::Signal(_)) => {}
            Ok(other) => panic!("heard {other:?}"),
            Err(_) => return,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_listener_never_skips_or_doubles(steps in steps(), frames in 1..8usize, after in 0..4u64) {
        // The clock stands still, so a wait ends at once where nothing is to be heard.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.unwrap().block_on(runs(steps, frames, after));
    }
}

#[tokio::test]
async fn a_form_of_an_item_is_made_once_for_all() {
    let world = World::new().await;
    let (user, conversation) = world.visitor().await;
    let mut listeners: Vec<_> = (0..3).map(|_| world.listen(conversation)).collect();
    world.say(conversation, &user.id, "c-000001").await;
    let mut made = 0;
    for listener in &mut listeners {
        let shown: Arc<crate::Shown> = item(listener).await;
        let form = shown.encoded(0, |shown| {
            made += 1;
            format!("frame {}", shown.seq).into()
        });
        assert_eq!(&form[..], b"frame 1");
    }
    assert_eq!(made, 1);
}
