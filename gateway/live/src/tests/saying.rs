//! Saying is once, numbered, journaled, and refused by name.

use portico_contract::{ConversationId, MessageId, UserId};
use portico_store::records::{DeliveryStatus, Direction, Sent};
use serde_json::json;

use super::world::{World, item, text_of};
use crate::{LiveError, MessageEdit, NewPerson, Say, StreamStatus, Tell, What};

#[tokio::test]
async fn what_is_said_is_a_row_a_count_a_mailbox_entry_and_a_numbered_item() {
    let world = World::new().await;
    let (user, conversation) = world.visitor().await;
    let said = world.say(conversation, &user.id, "c-000001").await;
    assert_eq!((said.seq, said.repeat), (1, false));
    assert_eq!(said.message.direction, Direction::Incoming);
    let row = world.records.message(said.message.id).await.unwrap().unwrap().value;
    assert_eq!(row, said.message);
    let place = world.records.conversation(conversation).await.unwrap().unwrap().value;
    assert_eq!((place.message_count, place.recipient.as_ref()), (1, Some(&user.id)));
    let told = world.told(conversation).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["type"], "message_created");
    assert_eq!(told[0]["messageId"], said.message.id.to_string());
    let items = world.live.items(&world.at, conversation, 0, 10).await.unwrap();
    assert_eq!(items.len(), 1);
    let What::Message { message, client_id } = &items[0].what else { panic!() };
    assert_eq!((message.id, client_id.as_deref()), (said.message.id, Some("c-000001")));
    assert_eq!(world.live.head(&world.at, conversation).await.unwrap().last, 1);
}

#[tokio::test]
async fn a_repeat_of_an_id_gets_the_first_answer_from_any_conversation_and_after_removal() {
    let world = World::new().await;
    let (user, conversation) = world.visitor().await;
    let first = world.say(conversation, &user.id, "c-000001").await;
    world.say(conversation, &user.id, "c-000002").await;
    let other = world.live.open(&world.at, None, &user.id, Default::default()).await.unwrap();
    for place in [conversation, other.conversation.id] {
        let again = world.say(place, &user.id, "c-000001").await;
        assert_eq!((again.message.id, again.seq, again.repeat), (first.message.id, 1, true));
        assert_eq!(again.message.conversation, conversation);
    }
    world.live.delete_message(&world.at, first.message.id, &user.id).await.unwrap();
    let again = world.say(conversation, &user.id, "c-000001").await;
    assert_eq!((again.message.id, again.seq, again.repeat), (first.message.id, 1, true));
    assert_eq!(world.told(conversation).await.len(), 2);
    // Another visitor's id is another id.
    let (stranger, place) = world.visitor().await;
    assert!(!world.say(place, &stranger.id, "c-000001").await.repeat);
}

#[tokio::test]
async fn the_same_id_at_the_same_moment_is_stored_once() {
    let world = std::sync::Arc::new(World::new().await);
    let (user, conversation) = world.visitor().await;
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let (world, user) = (world.clone(), user.id.clone());
            tokio::spawn(async move { world.say(conversation, &user, "c-000001").await })
        })
        .collect();
    let (mut ids, mut fresh) = (std::collections::BTreeSet::new(), 0);
    for task in tasks {
        let said = task.await.unwrap();
        ids.insert((said.message.id, said.seq));
        fresh += usize::from(!said.repeat);
    }
    assert_eq!((ids.len(), fresh, world.told(conversation).await.len()), (1, 1, 1));
}

#[tokio::test]
async fn an_id_is_remembered_for_a_week_and_swept_after_that() {
    let world = World::new().await;
    let (user, conversation) = world.visitor().await;
    world.say(conversation, &user.id, "c-000001").await;
    let key = Sent::key(&world.at.id, &user.id, "c-000001");
    let (sent, version) = Sent::find(world.store.as_ref(), &key).await.unwrap().unwrap();
    assert!(sent.until >= sent.at + 7 * 24 * 3_600_000);
    assert_eq!(world.live.sweep().await.unwrap(), 0);
    let over = Sent { until: 1, ..sent };
    world.store.commit(portico_store::Commit::of([over.change(key.clone(), Some(version))])).await.unwrap();
    assert_eq!(world.live.sweep().await.unwrap(), 1);
    assert!(Sent::find(world.store.as_ref(), &key).await.unwrap().is_none());
    assert!(!world.say(conversation, &user.id, "c-000001").await.repeat);
}

#[tokio::test]
async fn what_is_wrong_is_refused_by_name_and_stores_nothing() {
    let world = World::new().await;
    let (user, conversation) = world.visitor().await;
    let (stranger, elsewhere) = world.visitor().await;
    let good = World::text(conversation, &user.id, "c-000001", "hi");
    let refused = async |say: Say| world.live.say(&world.at, say).await.unwrap_err();
    let lost = Say { conversation: ConversationId([9; 16]), ..good.clone() };
    assert_eq!(refused(lost).await, LiveError::NotFound("conversation"));
    let foreign = Say { user: stranger.id.clone(), ..good.clone() };
    assert!(matches!(refused(foreign).await, LiveError::Forbidden(_)));
    let wrong = Say { payload: json!({ "text": 5 }), ..good.clone() };
    assert_eq!(refused(wrong).await.to_string(), "payload.text: must be a text, is a number");
    let long = Say { client_id: Some("x".repeat(65)), ..good.clone() };
    assert_eq!(refused(long).await.to_string(), "id: must have 1 to 64 bytes");
    let huge = Say { payload: json!({ "text": "x".repeat(70_000) }), ..good.clone() };
    assert!(matches!(refused(huge).await, LiveError::TooLarge { limit: 65_536, .. }));
    let there = world.say(elsewhere, &stranger.id, "c-000009").await.message.id;
    for id in [MessageId::new(), there] {
        let answer = Say { reply_to: Some(id), ..good.clone() };
        assert_eq!(refused(answer).await.to_string(), "replyTo: names no message of the conversation");
    }
    // Of another installation of the same bot nothing is there.
    let error = world.live.say(&world.other, good).await.unwrap_err();
    assert_eq!(error, LiveError::NotFound("conversation"));
    assert!(world.told(conversation).await.is_empty());
    assert_eq!(world.live.head(&world.at, conversation).await.unwrap().last, 0);
}

#[tokio::test]
async fn events_reach_the_bot_under_the_alias_and_listeners_where_they_are_shown() {
    let world = World::new().await;
    let (user, conversation) = world.visitor().await;
    let tell = |id: &str, shown| Tell {
        conversation,
        user: user.id.clone(),
        client_id: Some(id.into()),
        name: "trigger".into(),
        data: json!({ "a": 1 }),
        shown,
    };
    let hidden = world.live.tell(&world.at, tell("e-000001", false)).await.unwrap();
    assert_eq!(hidden.seq, None);
    let shown = world.live.tell(&world.at, tell("e-000002", true)).await.unwrap();
    assert_eq!(shown.seq, Some(1));
    for (first, id, is_shown) in [(&hidden, "e-000001", false), (&shown, "e-000002", true)] {
        let again = world.live.tell(&world.at, tell(id, is_shown)).await.unwrap();
        assert_eq!((again.id, again.seq, again.repeat), (first.id, first.seq, true));
    }
    let told = world.told(conversation).await;
    assert_eq!(told.len(), 2);
    assert_eq!((&told[0]["type"], &told[0]["payload"]), (&json!("webchat:trigger"), &json!({ "a": 1 })));
    let items = world.live.items(&world.at, conversation, 0, 10).await.unwrap();
    let What::Event { name, is_bot, client_id, .. } = &items[0].what else { panic!() };
    assert_eq!((name.as_str(), *is_bot, client_id.as_deref()), ("trigger", false, Some("e-000002")));
    let wrong = Tell { name: "a:b".into(), ..tell("e-000003", false) };
    assert!(matches!(world.live.tell(&world.at, wrong).await, Err(LiveError::Invalid { .. })));
}

#[tokio::test]
async fn edits_and_removals_are_items_and_only_the_authors() {
    let world = World::new().await;
    let (user, conversation) = world.visitor().await;
    let (stranger, _) = world.visitor().await;
    let said = world.say(conversation, &user.id, "c-000001").await.message;
    let mut listener = world.listen(conversation).after(1);
    let edit = MessageEdit { payload: Some(json!({ "text": "better" })), ..MessageEdit::default() };
    let refused = world.live.update_message(&world.at, said.id, &stranger.id, edit.clone()).await;
    assert!(matches!(refused, Err(LiveError::Forbidden(_))));
    world.live.update_message(&world.at, said.id, &user.id, edit).await.unwrap();
    let shown = item(&mut listener).await;
    assert_eq!((shown.seq, text_of(&shown).as_str()), (2, "better"));
    let refused = world.live.delete_message(&world.at, said.id, &stranger.id).await;
    assert!(matches!(refused, Err(LiveError::Forbidden(_))));
    world.live.delete_message(&world.at, said.id, &user.id).await.unwrap();
    let shown = item(&mut listener).await;
    assert_eq!(shown.what, What::Deleted { id: said.id, user: Some(user.id.clone()) });
    // Who comes later sees no text of what is gone, and no gap.
    let late = world.live.items(&world.at, conversation, 0, 10).await.unwrap();
    assert_eq!(late.iter().map(|shown| shown.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(late.iter().all(|shown| matches!(shown.what, What::Deleted { .. })));
    assert!(world.live.history(&world.at, conversation, None, 10).await.unwrap().is_empty());
    let gone = world.live.delete_message(&world.at, said.id, &user.id).await;
    assert_eq!(gone, Err(LiveError::NotFound("message")));
}

#[tokio::test]
async fn the_visitor_sees_how_far_a_message_got() {
    let world = World::new().await;
    let (user, conversation) = world.visitor().await;
    let said = world.say(conversation, &user.id, "c-000001").await.message;
    let mut listener = world.listen(conversation).after(1);
    let row = async || world.records.message(said.id).await.unwrap().unwrap().value;
    assert_eq!(row().await.delivery, None);
    // Told again after a crash: no news.
    for _ in 0..2 {
        world.live.core_took(&world.at.id, conversation, said.id, Ok(())).await.unwrap();
    }
    assert_eq!(row().await.delivery.unwrap().status, DeliveryStatus::Delivered);
    let input = json!({ "conversationId": conversation.to_string() });
    world.actions.call(&world.at.bot, "webchat:markAsRead", input, None).await.unwrap();
    assert_eq!(row().await.delivery.unwrap().status, DeliveryStatus::Read);
    world.live.core_took(&world.at.id, conversation, said.id, Err("refused")).await.unwrap();
    let failed = row().await.delivery.unwrap();
    assert_eq!((failed.status, failed.reason.as_deref()), (DeliveryStatus::Failed, Some("refused")));
    // Of what nobody said, or the bot itself, nothing is shown.
    world.live.core_took(&world.at.id, conversation, MessageId::new(), Ok(())).await.unwrap();
    let own = world.bot_says(conversation, "hi").await;
    world.live.core_took(&world.at.id, conversation, own.id, Ok(())).await.unwrap();
    for (seq, wanted, why) in [
        (2, StreamStatus::Delivered, None),
        (3, StreamStatus::Read, None),
        (4, StreamStatus::Failed, Some("refused")),
    ] {
        let shown = item(&mut listener).await;
        let What::Status { id, status, reason } = &shown.what else { panic!() };
        assert_eq!((shown.seq, *id, *status, reason.as_deref()), (seq, said.id, wanted, why));
    }
    let history = world.live.history(&world.at, conversation, None, 10).await.unwrap();
    let What::Message { message, .. } = &history.last().unwrap().what else { panic!() };
    assert_eq!(message.delivery.as_ref().unwrap().status, DeliveryStatus::Failed);
    assert_eq!(world.live.head(&world.at, conversation).await.unwrap().last, 4);
    let nobody = UserId::new();
    assert!(!world.live.takes_part(&world.at, conversation, &nobody).await.unwrap());
    let bob = world.live.create_user(&world.at, NewPerson::default()).await.unwrap();
    assert!(!world.live.takes_part(&world.at, conversation, &bob.id).await.unwrap());
}

#[tokio::test]
async fn a_visitor_waits_while_the_bot_has_a_thousand_events_of_theirs() {
    let world = World::new().await;
    let (user, conversation) = world.visitor().await;
    for index in 0..1_000 {
        world.say(conversation, &user.id, &format!("c-{index:06}")).await;
    }
    let more = world.live.say(&world.at, World::text(conversation, &user.id, "c-001000", "x")).await;
    assert!(matches!(more, Err(LiveError::TooMany { .. })));
    assert!(world.say(conversation, &user.id, "c-000007").await.repeat);
}

#[tokio::test]
async fn what_was_said_before_the_last_message_that_the_bot_read_is_read_too() {
    let world = World::new().await;
    let (user, conversation) = world.visitor().await;
    let mut said = Vec::new();
    for index in 0..3 {
        said.push(world.say(conversation, &user.id, &format!("c-00000{index}")).await.message.id);
    }
    world.bot_says(conversation, "hi").await;
    let status = async |id| {
        let row = world.records.message(id).await.unwrap().unwrap().value;
        row.delivery.map(|delivery| delivery.status)
    };
    let input = json!({ "conversationId": conversation.to_string(), "messageId": said[1].to_string() });
    world.actions.call(&world.at.bot, "webchat:markAsRead", input, None).await.unwrap();
    let read = Some(DeliveryStatus::Read);
    assert_eq!([status(said[0]).await, status(said[1]).await, status(said[2]).await], [read, read, None]);
    let input = json!({ "conversationId": conversation.to_string() });
    world.actions.call(&world.at.bot, "webchat:markAsRead", input, None).await.unwrap();
    assert_eq!(status(said[2]).await, read);
}
