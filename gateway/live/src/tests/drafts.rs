//! Drafts grow for those who listen and end with their message; other signals pass as they are.

use portico_contract::UserId;
use portico_outbound::NewMessage;
use portico_store::records::TagMap;
use serde_json::json;

use super::world::{World, heard};
use crate::{DRAFT_TAG, Heard, Listener, LiveError, Signal, What};

async fn signal(listener: &mut Listener) -> Signal {
    match heard(listener).await {
        Heard::Signal(signal) => (*signal).clone(),
        other => panic!("heard {other:?}"),
    }
}

fn delta(signal: Signal) -> (u64, String, bool) {
    match signal {
        Signal::Delta { n, text, full, by, .. } => {
            assert!(by.is_bot);
            (n, text, full)
        }
        other => panic!("heard {other:?}"),
    }
}

#[tokio::test]
async fn a_draft_grows_and_who_comes_late_gets_all_of_it() {
    let world = World::new().await;
    let (_, conversation) = world.visitor().await;
    let (drafts, bot) = (world.live.drafts(), UserId::of_bot(&world.at.bot));
    let mut early = world.listen(conversation);
    drafts.append(conversation, "d1", &bot, "Hel").unwrap();
    drafts.append(conversation, "d1", &bot, "lo").unwrap();
    assert_eq!(delta(signal(&mut early).await), (0, "Hel".into(), false));
    assert_eq!(delta(signal(&mut early).await), (1, "lo".into(), false));
    let mut late = world.listen(conversation);
    assert_eq!(delta(signal(&mut late).await), (1, "Hello".into(), true));
    drafts.replace(conversation, "d1", &bot, "Bye").unwrap();
    for listener in [&mut early, &mut late] {
        assert_eq!(delta(signal(listener).await), (2, "Bye".into(), true));
    }
    drafts.abort(conversation, "d1", &bot).unwrap();
    let ended = Signal::DraftEnded { draft: "d1".into(), message: None };
    assert_eq!(signal(&mut early).await, ended);
    drafts.abort(conversation, "d1", &bot).unwrap();
    drafts.append(conversation, "d1", &bot, "anew").unwrap();
    assert_eq!(delta(signal(&mut early).await), (0, "anew".into(), false));
}

#[tokio::test]
async fn the_message_that_names_a_draft_ends_it_after_it_is_shown() {
    let world = World::new().await;
    let (_, conversation) = world.visitor().await;
    let (drafts, bot) = (world.live.drafts(), UserId::of_bot(&world.at.bot));
    let mut listener = world.listen(conversation).after(0);
    drafts.append(conversation, "d1", &bot, "Hi").unwrap();
    let new = NewMessage {
        bot: world.at.bot.clone(),
        conversation,
        user: bot.clone(),
        kind: "text".into(),
        payload: json!({ "text": "Hi there" }),
        tags: TagMap::from([(DRAFT_TAG.to_owned(), "d1".to_owned())]),
        origin: None,
        reply_to: None,
        once: None,
    };
    let message = world.outbox.accept(new).await.unwrap();
    let running = world.drive();
    assert!(matches!(signal(&mut listener).await, Signal::Delta { .. }));
    let Heard::Item(shown) = heard(&mut listener).await else { panic!() };
    assert!(matches!(&shown.what, What::Message { message: shown, .. } if shown.id == message.id));
    let ended = Signal::DraftEnded { draft: "d1".into(), message: Some(message.id) };
    assert_eq!(signal(&mut listener).await, ended);
    running.kill().await;
}

#[tokio::test]
async fn drafts_are_bounded_in_number_length_and_time() {
    let world = World::new().await;
    let (user, conversation) = world.visitor().await;
    let (drafts, bot) = (world.live.drafts(), UserId::of_bot(&world.at.bot));
    for index in 0..8 {
        drafts.append(conversation, &format!("d{index}"), &bot, "x").unwrap();
    }
    let open = || world.live.metrics().drafts_open.get();
    assert_eq!(open(), 8);
    let full = drafts.append(conversation, "d8", &bot, "x");
    assert!(matches!(full, Err(LiveError::TooMany { .. })));
    let long = drafts.append(conversation, "d0", &bot, &"x".repeat(64 * 1024));
    assert!(matches!(long, Err(LiveError::Invalid { .. })));
    assert_eq!(drafts.append(conversation, "d0", &user.id, "x"), Err(LiveError::Taken("draft")));
    let mut listener = world.listen(conversation);
    for _ in 0..8 {
        signal(&mut listener).await;
    }
    world.hub.sweep(portico_turns::now() + 11 * 60_000);
    for _ in 0..8 {
        assert!(matches!(signal(&mut listener).await, Signal::DraftEnded { message: None, .. }));
    }
    assert_eq!(open(), 0);
    drafts.append(conversation, "d9", &bot, "x").unwrap();
    portico_turns::Outlet::ended(world.hub.as_ref(), conversation);
    assert_eq!(open(), 0, "a conversation takes its drafts along");
}

#[tokio::test]
async fn an_action_of_the_connector_reaches_those_who_listen() {
    let world = World::new().await;
    let (_, conversation) = world.visitor().await;
    let mut listener = world.listen(conversation);
    let act = async |name: &str, more: serde_json::Value| {
        let mut input = json!({ "conversationId": conversation.to_string() });
        for (field, value) in more.as_object().unwrap() {
            input[field] = value.clone();
        }
        world.actions.call(&world.at.bot, &format!("webchat:{name}"), input, None).await.unwrap();
    };
    act("open", json!({})).await;
    let Signal::Command { name, ttl_ms, .. } = signal(&mut listener).await else { panic!() };
    assert_eq!((name.as_str(), ttl_ms), ("open", 30_000));
    act("typing", json!({ "on": true, "timeoutMs": 99_000 })).await;
    let Signal::Typing { by, on, timeout_ms } = signal(&mut listener).await else { panic!() };
    assert_eq!((by.user.as_str(), by.is_bot, on, timeout_ms), ("support", true, true, 30_000));
    act("draft", json!({ "id": "d1", "append": "Hi" })).await;
    assert_eq!(delta(signal(&mut listener).await), (0, "Hi".into(), false));
    act("event", json!({ "payload": { "a": 1 } })).await;
    let Signal::Custom { data, .. } = signal(&mut listener).await else { panic!() };
    assert_eq!(data["payload"], json!({ "a": 1 }));
    world.live.typing(conversation, "user_x", true);
    let Signal::Typing { by, .. } = signal(&mut listener).await else { panic!() };
    assert!(!by.is_bot);
}
