//! History goes backwards over messages only; reading tells the bot, once per step forward.

use portico_store::records::DeliveryStatus;
use serde_json::json;

use super::world::{World, text_of};
use crate::{LiveError, NewPerson};

#[tokio::test]
async fn history_is_paged_backwards_and_leaves_out_what_is_no_message() {
    let world = World::new().await;
    let (user, conversation) = world.visitor().await;
    for index in 0..7 {
        let said = world.say(conversation, &user.id, &format!("c-{index:06}")).await;
        world.live.core_took(&world.at.id, conversation, said.message.id, Ok(())).await.unwrap();
        if index == 3 {
            world.live.delete_message(&world.at, said.message.id, &user.id).await.unwrap();
        }
    }
    let (mut texts, mut before) = (Vec::new(), None);
    loop {
        let page = world.live.history(&world.at, conversation, before, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.seq);
        texts.extend(page.iter().map(text_of));
    }
    assert_eq!(texts, ["c-000006", "c-000005", "c-000004", "c-000002", "c-000001", "c-000000"]);
}

#[tokio::test]
async fn reading_marks_the_bots_messages_and_tells_the_core_of_the_newest() {
    let world = World::new().await;
    let (user, conversation) = world.visitor().await;
    let running = world.drive();
    let mut messages = Vec::new();
    for text in ["a", "b", "c"] {
        messages.push(world.bot_says(conversation, text).await.id);
    }
    world.sent(conversation).await;
    world.live.read(&world.at, conversation, &user.id, 2).await.unwrap();
    world.live.read(&world.at, conversation, &user.id, 1).await.unwrap();
    world.live.read(&world.at, conversation, &user.id, 2).await.unwrap();
    assert_eq!(world.live.read_through(&world.at, conversation, &user.id).await.unwrap(), 2);
    let status = async |id| world.records.message(id).await.unwrap().unwrap().value.delivery.unwrap().status;
    assert_eq!(status(messages[0]).await, DeliveryStatus::Read);
    assert_eq!(status(messages[1]).await, DeliveryStatus::Read);
    assert_eq!(status(messages[2]).await, DeliveryStatus::Sent);
    // More than there is means all that there is.
    world.live.read(&world.at, conversation, &user.id, 99).await.unwrap();
    assert_eq!(world.live.read_through(&world.at, conversation, &user.id).await.unwrap(), 3);
    let told = world.told(conversation).await;
    let read: Vec<_> = told.iter().filter(|event| event["type"] == json!("message_read")).collect();
    assert_eq!(read.len(), 2);
    assert_eq!(read[0]["messageId"], messages[1].to_string());
    assert_eq!(read[1]["messageId"], messages[2].to_string());
    let guest = world.live.create_user(&world.at, NewPerson::default()).await.unwrap();
    let refused = world.live.read(&world.at, conversation, &guest.id, 1).await;
    assert!(matches!(refused, Err(LiveError::Forbidden(_))));
    running.kill().await;
}
