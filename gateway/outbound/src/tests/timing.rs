//! Timers, scheduled messages and events, and states that run out.

use std::sync::Arc;
use std::time::Duration;

use portico_contract::{EventId, UserId};
use portico_store::Lane;
use portico_store::records::{
    DeliveryStatus, GatewayEvent, Scheduled, State, StateType, schedule_changes, scheduled, timer_id,
};
use serde_json::json;

use super::provider::Provider;
use super::world::{Setup, World};
use crate::{Scheduler, bot_lane, now};

async fn world(manifest: serde_json::Value) -> (World, Scheduler) {
    let world = World::with(Provider::start([]).await, Setup { manifest, ..Setup::default() }).await;
    let bot = world.bot.clone();
    let scheduler = Scheduler::new(
        world.store.clone(),
        world.installations.clone(),
        world.turns.clone(),
        world.outbox.clone(),
        Arc::new(move || vec![bot.clone()]),
    );
    (world, scheduler)
}

#[tokio::test]
async fn declared_timers_tick_and_are_set_again() {
    let (world, scheduler) = world(json!({ "timers": { "poll": { "every_s": 60, "jitter_s": 10 } } })).await;
    let id = timer_id(&world.installation.id, "poll");
    let start = now();
    scheduler.ensure_timers(start).await.unwrap();
    let first = scheduled(world.store.as_ref(), &id).await.unwrap().unwrap().due;
    assert!((start + 60_000..=start + 70_000).contains(&first));
    scheduler.ensure_timers(start + 5_000).await.unwrap();
    assert_eq!(scheduled(world.store.as_ref(), &id).await.unwrap().unwrap().due, first, "set once");
    scheduler.pass(first - 1).await.unwrap();
    let seen = timer_id(&world.installation.id, "poll-seen");
    assert!(scheduled(world.store.as_ref(), &seen).await.unwrap().is_none());
    scheduler.pass(first).await.unwrap();
    assert!(scheduled(world.store.as_ref(), &seen).await.unwrap().is_some(), "the tick set it");
    let next = scheduled(world.store.as_ref(), &id).await.unwrap().unwrap().due;
    assert!((now() + 59_000..=now() + 70_000).contains(&next));
}

#[tokio::test]
async fn a_timer_that_runs_once_is_gone_afterwards() {
    let (world, scheduler) = world(json!({})).await;
    let id = timer_id(&world.installation.id, "later");
    let what = Scheduled::Timer { installation: world.installation.id.clone(), name: "later".into() };
    world.commit(schedule_changes(&id, Some(now()), &what)).await;
    scheduler.pass(now()).await.unwrap();
    assert!(scheduled(world.store.as_ref(), &id).await.unwrap().is_none());
    let seen = timer_id(&world.installation.id, "later-seen");
    assert!(scheduled(world.store.as_ref(), &seen).await.unwrap().is_some());
}

#[tokio::test]
async fn a_scheduled_message_is_accepted_when_its_time_has_come_and_once() {
    let (world, scheduler) = world(json!({})).await;
    let conversation = world.conversation("A").await;
    let due = now() + 10_000;
    let message = world.outbox.schedule(world.text(conversation, "hi"), due).await.unwrap();
    scheduler.pass(due - 1).await.unwrap();
    assert!(world.records.message(message.id).await.unwrap().is_none());
    tokio::join!(async { scheduler.pass(due).await.unwrap() }, async { scheduler.pass(due).await.unwrap() });
    scheduler.pass(due).await.unwrap();
    let row = world.records.message(message.id).await.unwrap().unwrap().value;
    assert_eq!(row.delivery.unwrap().status, DeliveryStatus::Pending);
    assert_eq!(world.store.peek(Lane::outbound(conversation), 9).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_scheduled_message_without_a_place_is_told_as_failed() {
    let (world, scheduler) = world(json!({})).await;
    let conversation = world.conversation("A").await;
    let message = world.outbox.schedule(world.text(conversation, "hi"), now()).await.unwrap();
    let place = world.records.conversation(conversation).await.unwrap().unwrap();
    world.commit(world.records.conversation_removal_changes(&place).await.unwrap()).await;
    scheduler.pass(now()).await.unwrap();
    let told = world.told(bot_lane(&world.bot)).await;
    assert_eq!(told[0]["type"], "message_failed");
    assert_eq!(told[0]["messageId"], message.id.to_string());
    scheduler.pass(now()).await.unwrap();
    assert_eq!(world.told(bot_lane(&world.bot)).await.len(), 1);
}

#[tokio::test]
async fn a_scheduled_event_goes_to_its_mailbox_under_its_id() {
    let (world, scheduler) = world(json!({})).await;
    let id = EventId::new();
    let event = GatewayEvent {
        kind: "remind".into(),
        payload: json!({ "n": 1 }),
        conversation_id: None,
        user_id: None,
        message_id: None,
        workflow_id: None,
    };
    let what = Scheduled::Event { bot: world.bot.clone(), id, event };
    world.commit(schedule_changes(&format!("event:{id}"), Some(now()), &what)).await;
    scheduler.pass(now()).await.unwrap();
    assert_eq!(world.told(bot_lane(&world.bot)).await[0]["type"], "remind");
    assert!(world.store.event(id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_state_that_was_not_used_is_forgotten_and_told() {
    let (world, scheduler) = world(json!({})).await;
    let conversation = world.conversation("A").await;
    let at = now();
    for (kind, owner) in [
        (StateType::Conversation, conversation.to_string()),
        (StateType::User, UserId::of_bot(&world.bot).as_str().to_owned()),
    ] {
        let state = State {
            id: "s".into(),
            kind,
            owner,
            name: "cart".into(),
            payload: json!({ "n": 1 }),
            expiry: Some(1_000),
            expires_at: Some(at + 1_000),
            created_at: at,
            updated_at: at,
        };
        world.commit(world.records.state_changes(None, &state)).await;
    }
    scheduler.expire_states(&world.bot, at + 999).await.unwrap();
    assert!(world.told(bot_lane(&world.bot)).await.is_empty());
    scheduler.expire_states(&world.bot, at + 1_000).await.unwrap();
    let told = world.told(Lane::inbound(conversation)).await;
    assert_eq!(told[0]["type"], "state_expired");
    assert_eq!(told[0]["payload"]["state"]["payload"], json!({ "n": 1 }));
    assert_eq!(told[0]["payload"]["state"]["conversationId"], conversation.to_string());
    assert_eq!(world.told(bot_lane(&world.bot)).await[0]["userId"], "shop");
    let owner = conversation.to_string();
    assert!(world.records.state(StateType::Conversation, &owner, "cart").await.unwrap().is_none());
    scheduler.expire_states(&world.bot, at + 9_000).await.unwrap();
    assert_eq!(world.told(Lane::inbound(conversation)).await.len(), 1);
}

#[tokio::test]
async fn the_loop_does_what_comes_due() {
    let (world, scheduler) = world(json!({})).await;
    let conversation = world.conversation("A").await;
    let message = world.outbox.schedule(world.text(conversation, "hi"), now() + 200).await.unwrap();
    let running = tokio::spawn(async move { scheduler.run().await });
    for _ in 0..100 {
        if world.records.message(message.id).await.unwrap().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(world.records.message(message.id).await.unwrap().is_some());
    running.abort();
}
