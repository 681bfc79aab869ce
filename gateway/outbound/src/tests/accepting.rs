//! Accepted means kept, once, and only what is right.

use portico_contract::{ConversationId, EventId, MessageId, UserId};
use portico_store::records::{DeliveryStatus, Direction, Outgoing};
use portico_store::{EventKind, IdempotencyKey, Lane};
use serde_json::json;

use super::provider::Provider;
use super::world::World;
use crate::{AcceptError, MessageChange, OnceKey, ReplyMessage};

async fn world() -> (World, ConversationId) {
    let world = World::new(Provider::start([]).await).await;
    let conversation = world.conversation("D1").await;
    (world, conversation)
}

#[tokio::test]
async fn an_accepted_message_is_a_row_a_count_a_participant_and_an_outbox_entry() {
    let (world, conversation) = world().await;
    let message = world.say(conversation, "hi").await;
    let row = world.records.message(message.id).await.unwrap().unwrap().value;
    assert_eq!(row, message);
    assert_eq!(row.delivery.unwrap().status, DeliveryStatus::Pending);
    let place = world.records.conversation(conversation).await.unwrap().unwrap().value;
    assert_eq!(place.message_count, 1);
    let bot = UserId::of_bot(&world.bot);
    assert!(world.records.user(&bot).await.unwrap().is_some());
    assert!(world.records.is_participant(conversation, &bot).await.unwrap());
    let entries = world.store.peek(Lane::outbound(conversation), 9).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(MessageId::of_event(entries[0].event.id), message.id);
    let body: Outgoing = serde_json::from_slice(&entries[0].event.body).unwrap();
    assert_eq!(body, Outgoing::Message { message: message.id });
}

#[tokio::test]
async fn many_at_once_are_all_counted_and_stand_in_order() {
    let (world, conversation) = world().await;
    let said: Vec<_> = (0..40)
        .map(|index| {
            let (outbox, new) = (world.outbox.clone(), world.text(conversation, &index.to_string()));
            tokio::spawn(async move { outbox.accept(new).await.unwrap().id })
        })
        .collect();
    for one in said {
        one.await.unwrap();
    }
    let place = world.records.conversation(conversation).await.unwrap().unwrap().value;
    assert_eq!(place.message_count, 40);
    assert_eq!(world.store.peek(Lane::outbound(conversation), 99).await.unwrap().len(), 40);
}

#[tokio::test]
async fn a_repeat_gets_the_first_message_and_another_request_is_refused() {
    let (world, conversation) = world().await;
    let once = |hash| Some(OnceKey { key: IdempotencyKey([1; 16]), hash: [hash; 16] });
    let new = |hash| crate::NewMessage { once: once(hash), ..world.text(conversation, "hi") };
    let first = world.outbox.accept(new(1)).await.unwrap();
    assert_eq!(world.outbox.accept(new(1)).await.unwrap(), first);
    assert_eq!(world.outbox.accept(new(2)).await.unwrap_err(), AcceptError::KeyReused);
    assert_eq!(AcceptError::KeyReused.status(), 409);
    assert_eq!(world.store.peek(Lane::outbound(conversation), 9).await.unwrap().len(), 1);
    // The first answer stands even when the same request would be refused by now.
    let place = world.records.conversation(conversation).await.unwrap().unwrap();
    world.commit(world.records.conversation_removal_changes(&place).await.unwrap()).await;
    assert_eq!(world.outbox.accept(new(1)).await.unwrap(), first);
    assert_eq!(world.outbox.accept(new(2)).await.unwrap_err(), AcceptError::KeyReused);
}

#[tokio::test]
async fn a_large_message_is_given_back_whole_to_a_repeat() {
    let (world, conversation) = world().await;
    let once = Some(OnceKey { key: IdempotencyKey([1; 16]), hash: [1; 16] });
    let payload = json!({ "blob": "x".repeat(200_000) });
    let new = crate::NewMessage { once, kind: "custom".into(), payload, ..world.text(conversation, "") };
    let first = world.outbox.accept(new.clone()).await.unwrap();
    assert_eq!(world.outbox.accept(new).await.unwrap(), first);
}

#[tokio::test]
async fn what_is_wrong_is_refused_by_name() {
    let (world, conversation) = world().await;
    let text = |text: &str| world.text(conversation, text);
    let refused = async |new| world.outbox.accept(new).await.unwrap_err();
    let lost = ConversationId([9; 16]);
    assert_eq!(refused(world.text(lost, "x")).await, AcceptError::ReferenceNotFound("the conversation"));
    let stranger = crate::NewMessage { user: UserId::new(), ..text("x") };
    assert_eq!(refused(stranger).await, AcceptError::ReferenceNotFound("the user"));
    let wrong = crate::NewMessage { payload: json!({ "text": 5 }), ..text("x") };
    assert_eq!(refused(wrong).await.to_string(), "payload.text: must be a text, is a number");
    let odd = crate::NewMessage { kind: "custom".into(), payload: json!([1]), ..text("x") };
    assert_eq!(refused(odd).await.to_string(), "payload: must be an object");
    assert!(matches!(
        refused(text(&"x".repeat(64 * 1024 + 1))).await,
        AcceptError::TooLarge { limit: 65_536, .. }
    ));
    let huge = crate::NewMessage {
        kind: "custom".into(),
        payload: json!({ "x": "x".repeat(1 << 20) }),
        ..text("x")
    };
    assert_eq!(refused(huge).await.status(), 413);
    assert_eq!(world.records.conversation(conversation).await.unwrap().unwrap().value.message_count, 0);
}

#[tokio::test]
async fn the_five_hundred_and_first_waiting_message_is_refused_with_a_time() {
    let (world, conversation) = world().await;
    for index in 0..500 {
        world.say(conversation, &index.to_string()).await;
    }
    let refusal = world.outbox.accept(world.text(conversation, "more")).await.unwrap_err();
    assert_eq!((refusal.status(), refusal.api_type()), (429, "RateLimited"));
    assert!(refusal.retry_after().is_some());
}

#[tokio::test]
async fn without_an_installation_a_message_is_only_kept() {
    let (world, conversation) = world().await;
    world.installations.replace([]);
    let message = world.say(conversation, "hi").await;
    assert_eq!(message.delivery, None);
    assert!(world.store.lane(Lane::outbound(conversation)).await.unwrap().is_none());
}

#[tokio::test]
async fn an_integrations_message_comes_in_as_an_event() {
    let (world, conversation) = world().await;
    let message = world.outbox.incoming(world.text(conversation, "hi")).await.unwrap();
    assert_eq!(message.direction, Direction::Incoming);
    assert!(world.store.lane(Lane::outbound(conversation)).await.unwrap().is_none());
    let told = world.told(Lane::inbound(conversation)).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["type"], "message_created");
    assert_eq!(told[0]["messageId"], message.id.to_string());
    assert_eq!(told[0]["conversationId"], conversation.to_string());
}

#[tokio::test]
async fn replies_to_one_event_are_kept_once_and_all_or_none() {
    let (world, conversation) = world().await;
    let reply = |text: &str| ReplyMessage {
        kind: "text".into(),
        payload: json!({ "text": text }),
        tags: Default::default(),
    };
    let origin = EventId::new();
    let wrong = ReplyMessage { payload: json!({}), ..reply("x") };
    let refused =
        world.outbox.replies(&world.bot, conversation, origin, vec![reply("a"), wrong]).await.unwrap_err();
    assert_eq!(refused.to_string(), "messages[1].payload.text: is missing, must be a text");
    let first =
        world.outbox.replies(&world.bot, conversation, origin, vec![reply("a"), reply("b")]).await.unwrap();
    let again = world.outbox.replies(&world.bot, conversation, origin, vec![reply("c")]).await.unwrap();
    assert_eq!(again, first);
    let entries = world.store.peek(Lane::outbound(conversation), 9).await.unwrap();
    assert!(entries.iter().all(|entry| entry.event.kind == EventKind::Outgoing));
    assert_eq!(entries.len(), 2);
    assert_eq!(world.records.conversation(conversation).await.unwrap().unwrap().value.message_count, 2);
}

#[tokio::test]
async fn tags_merge_and_a_removed_message_is_not_counted() {
    let (world, conversation) = world().await;
    let mut new = world.text(conversation, "hi");
    new.tags = [("a", "1"), ("b", "2"), ("c", "")].map(|(n, v)| (n.into(), v.into())).into();
    let message = world.outbox.accept(new).await.unwrap();
    assert!(!message.tags.contains_key("c"));
    let tags = [("a", None), ("b", Some("3")), ("d", Some(""))];
    let change = MessageChange {
        payload: None,
        tags: tags.map(|(name, value)| (name.to_owned(), value.map(str::to_owned))).into(),
    };
    let changed = world.outbox.edit(&world.bot, message.id, change).await.unwrap();
    assert_eq!(changed.tags, [("b".to_owned(), "3".to_owned())].into());
    world.outbox.delete(&world.bot, message.id).await.unwrap();
    assert_eq!(world.outbox.delete(&world.bot, message.id).await.unwrap_err(), AcceptError::NotFound);
    assert_eq!(world.records.conversation(conversation).await.unwrap().unwrap().value.message_count, 0);
}
