//! Numbers are contiguous over both directions, whoever writes at the same time, and through a kill.

use std::sync::Arc;

use portico_contract::ConversationId;
use portico_store::Store;
use portico_store::memory::MemoryStore;
use portico_store::records::DeliveryStatus;

use super::world::{World, sled, text_of};
use crate::What;

/// Everybody writes at once: two tabs of a visitor, the bot, status items.
async fn crowd(store: Arc<dyn Store>) {
    let world = Arc::new(World::over(store).await);
    let (user, conversation) = world.visitor().await;
    let running = world.drive();
    let mut tasks = Vec::new();
    for tab in 0..2 {
        let (world, user) = (world.clone(), user.id.clone());
        tasks.push(tokio::spawn(async move {
            for index in 0..30 {
                let said = world.say(conversation, &user, &format!("t{tab}-{index:05}")).await;
                world.live.core_took(&world.at.id, conversation, said.message.id, Ok(())).await.unwrap();
            }
        }));
    }
    let bot = world.clone();
    tasks.push(tokio::spawn(async move {
        for index in 0..30 {
            bot.bot_says(conversation, &format!("b-{index:05}")).await;
        }
    }));
    for task in tasks {
        task.await.unwrap();
    }
    world.sent(conversation).await;
    let items = world.live.items(&world.at, conversation, 0, 1_000).await.unwrap();
    let seqs: Vec<u64> = items.iter().map(|shown| shown.seq).collect();
    assert_eq!(seqs, (1..=150).collect::<Vec<_>>());
    let texts: Vec<String> =
        items.iter().filter(|shown| matches!(shown.what, What::Message { .. })).map(text_of).collect();
    for side in ["t0", "t1", "b"] {
        let of_side: Vec<&String> =
            texts.iter().filter(|text| text.split('-').next() == Some(side)).collect();
        assert_eq!(of_side.len(), 30);
        assert!(of_side.is_sorted(), "{side} is out of order");
    }
    let place = world.records.conversation(conversation).await.unwrap().unwrap().value;
    assert_eq!(place.message_count, 90);
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn numbers_are_contiguous_in_memory() {
    crowd(Arc::new(MemoryStore::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn numbers_are_contiguous_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = sled(folder.path());
    crowd(store.clone()).await;
    store.close().await.unwrap();
}

async fn shown_once(world: &World, conversation: ConversationId, count: usize) {
    world.sent(conversation).await;
    let items = world.live.items(&world.at, conversation, 0, 1_000).await.unwrap();
    let texts: Vec<String> = items.iter().map(text_of).collect();
    assert_eq!(texts, (0..count).map(|index| format!("{index:03}")).collect::<Vec<_>>());
    assert_eq!(items.last().map(|shown| shown.seq), Some(count as u64));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_is_killed_again_and_again_shows_each_message_once() {
    let world = World::new().await;
    let (_, conversation) = world.visitor().await;
    for index in 0..60 {
        world.bot_says(conversation, &format!("{index:03}")).await;
    }
    for round in 0..20 {
        let running = world.drive();
        tokio::time::sleep(std::time::Duration::from_micros(200 * round)).await;
        running.kill().await;
    }
    let running = world.drive();
    shown_once(&world, conversation, 60).await;
    running.kill().await;
}

/// Copies a folder, as a crash leaves it: nothing was closed.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_and_shown_is_there_after_a_crash_and_numbers_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = sled(folder.path());
    let (user, conversation) = {
        let world = World::over(store.clone()).await;
        let (user, conversation) = world.visitor().await;
        world.say(conversation, &user.id, "c-000001").await;
        let waiting = world.bot_says(conversation, "b").await;
        assert_eq!(waiting.delivery.unwrap().status, DeliveryStatus::Pending);
        (user, conversation)
    };
    let crashed = tempfile::tempdir().unwrap();
    copy(folder.path(), crashed.path());
    let store = sled(crashed.path());
    let world = World::over(store.clone()).await;
    let again = world.say(conversation, &user.id, "c-000001").await;
    assert_eq!((again.seq, again.repeat), (1, true));
    let running = world.drive();
    world.sent(conversation).await;
    assert_eq!(world.say(conversation, &user.id, "c-000002").await.seq, 3);
    let items = world.live.items(&world.at, conversation, 0, 10).await.unwrap();
    assert_eq!(items.iter().map(text_of).collect::<Vec<_>>(), ["c-000001", "b", "c-000002"]);
    running.kill().await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_message_that_was_shown_and_not_settled_is_not_shown_again() {
    use portico_store::Lane;
    let world = World::new().await;
    let (_, conversation) = world.visitor().await;
    let message = world.bot_says(conversation, "once").await;
    // The end of an attempt was lost: the row says sent, the lane still holds the entry.
    let old = world.records.message(message.id).await.unwrap().unwrap();
    let mut sent = old.value.clone();
    if let Some(delivery) = &mut sent.delivery {
        delivery.status = DeliveryStatus::Sent;
    }
    let changes = world.records.message_changes(Some(&old), &sent);
    world.store.commit(portico_store::Commit::of(changes)).await.unwrap();
    let running = world.drive();
    world.sent(conversation).await;
    assert!(world.store.lane(Lane::outbound(conversation)).await.unwrap().is_none());
    assert_eq!(world.live.head(&world.at, conversation).await.unwrap().last, 0);
    running.kill().await;
}

#[tokio::test]
async fn a_message_removed_while_it_waits_is_never_shown() {
    let world = World::new().await;
    let (_, conversation) = world.visitor().await;
    let message = world.bot_says(conversation, "no").await;
    world.outbox.delete(&world.at.bot, message.id).await.unwrap();
    let running = world.drive();
    world.sent(conversation).await;
    assert_eq!(world.live.head(&world.at, conversation).await.unwrap().last, 0);
    running.kill().await;
}
