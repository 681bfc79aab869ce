//! From the outbox to the provider, through everything that can go wrong.

use std::time::{Duration, Instant};

use portico_contract::EventId;
use portico_store::records::{DeliveryStatus, Message};
use portico_store::{Change, DeadReason, EventOutcome, Lane, LaneState};
use portico_telemetry::metrics::SendOutcome;
use portico_turns::OnUnknown;
use serde_json::{Value, json};

use super::provider::{Act, Provider};
use super::world::{Setup, World};
use crate::{MessageChange, NewMessage, SenderOptions, UNREACHABLE};

pub(super) fn is(status: DeliveryStatus) -> impl Fn(&Message) -> bool {
    move |message| message.delivery.as_ref().is_some_and(|delivery| delivery.status == status)
}

fn reason(message: &Message) -> &str {
    message.delivery.as_ref().unwrap().reason.as_deref().unwrap_or_default()
}

#[tokio::test]
async fn a_message_arrives_and_its_row_says_so() {
    let world = World::new(Provider::start([]).await).await;
    let conversation = world.conversation("D1").await;
    let message = world.say(conversation, "hi").await;
    let running = world.drive(1);
    let sent = world.until(message.id, is(DeliveryStatus::Sent)).await;
    assert_eq!(sent.delivery.as_ref().unwrap().external_ids, ["p1"]);
    assert!(!sent.delivery.unwrap().possible_duplicate);
    assert_eq!(sent.tags.get("probe:id").map(String::as_str), Some("p1"));
    let found = world.records.message_of_external(&world.installation.id, "p1").await.unwrap().unwrap();
    assert_eq!(found.value.id, message.id);
    world.settled(conversation).await;
    assert_eq!(world.store.event(EventId(message.id.0)).await.unwrap().unwrap().outcome, EventOutcome::Done);
    assert!(world.told(Lane::inbound(conversation)).await.is_empty());
    assert_eq!(world.metrics.sends("shop-probe").outcomes.get(SendOutcome::Sent), 1);
    running.kill().await;
}

#[tokio::test]
async fn message_sent_is_told_where_that_is_wanted() {
    let options = SenderOptions { tell_sent: true, ..SenderOptions::default() };
    let world = World::with(Provider::start([]).await, Setup { options, ..Setup::default() }).await;
    let conversation = world.conversation("D1").await;
    world.say(conversation, "hi").await;
    let running = world.drive(1);
    world.settled(conversation).await;
    assert_eq!(world.told(Lane::inbound(conversation)).await[0]["type"], "message_sent");
    running.kill().await;
}

#[tokio::test]
async fn order_holds_in_a_conversation_and_others_do_not_wait() {
    let slow = Act::Slow(Duration::from_millis(60));
    let world = World::new(Provider::start(std::iter::repeat_n(slow, 24)).await).await;
    let conversations =
        [world.conversation("A").await, world.conversation("B").await, world.conversation("C").await];
    for index in 0..8 {
        for (name, conversation) in ["a", "b", "c"].iter().zip(conversations) {
            world.say(conversation, &format!("{name}{index}")).await;
        }
    }
    let running = world.drive(1);
    for conversation in conversations {
        world.settled(conversation).await;
    }
    for name in ["a", "b", "c"] {
        let taken: Vec<_> =
            world.provider.taken().into_iter().filter(|text| text.starts_with(name)).collect();
        let wanted: Vec<_> = (0..8).map(|index| format!("{name}{index}")).collect();
        assert_eq!(taken, wanted);
    }
    assert!((2..=3).contains(&world.provider.most_at_once()), "{}", world.provider.most_at_once());
    running.kill().await;
}

#[tokio::test]
async fn a_429_is_obeyed_to_the_second_and_costs_no_attempt() {
    let world = World::new(Provider::start([Act::Answer(429, "retry-after: 1", "")]).await).await;
    let (one, two) = (world.conversation("A").await, world.conversation("B").await);
    let message = world.say(one, "hi").await;
    let running = world.drive(1);
    let start = Instant::now();
    while world.provider.asked().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let other = world.say(two, "ho").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(world.provider.asked().len(), 1, "the whole installation waits");
    world.until(message.id, is(DeliveryStatus::Sent)).await;
    world.until(other.id, is(DeliveryStatus::Sent)).await;
    assert!(start.elapsed() >= Duration::from_secs(1));
    let attempts = world.store.attempts(EventId(message.id.0)).await.unwrap();
    assert_eq!(attempts[0].code, "rate-limited");
    assert_eq!(world.metrics.sends("shop-probe").outcomes.get(SendOutcome::Throttled), 1);
    running.kill().await;
}

#[tokio::test]
async fn a_500_and_an_html_page_are_tried_again() {
    let html = Act::Answer(200, "content-type: text/html", "<html>maintenance</html>");
    let world = World::new(Provider::start([Act::Answer(500, "", "oops"), html]).await).await;
    let conversation = world.conversation("A").await;
    let message = world.say(conversation, "hi").await;
    let running = world.drive(1);
    let sent = world.until(message.id, is(DeliveryStatus::Sent)).await;
    assert_eq!(world.provider.asked().len(), 3);
    assert_eq!(sent.delivery.unwrap().external_ids, ["p1"]);
    let attempts = world.store.attempts(EventId(message.id.0)).await.unwrap();
    assert_eq!(attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
    assert!(attempts[1].detail.contains("not JSON"), "{attempts:?}");
    running.kill().await;
}

#[tokio::test]
async fn a_lost_answer_is_tried_once_more_and_marked() {
    let world = World::new(Provider::start([Act::ResetAfter]).await).await;
    let conversation = world.conversation("A").await;
    let message = world.say(conversation, "hi").await;
    let running = world.drive(1);
    let sent = world.until(message.id, is(DeliveryStatus::Sent)).await;
    assert!(sent.delivery.unwrap().possible_duplicate);
    assert_eq!(world.provider.asked().len(), 2);
    running.kill().await;
}

#[tokio::test]
async fn two_lost_answers_are_the_end() {
    let world = World::new(Provider::start([Act::ResetAfter, Act::ResetAfter]).await).await;
    let conversation = world.conversation("A").await;
    let message = world.say(conversation, "hi").await;
    let running = world.drive(1);
    let failed = world.until(message.id, is(DeliveryStatus::Failed)).await;
    assert!(reason(&failed).contains("the answer was lost"), "{}", reason(&failed));
    assert!(failed.delivery.unwrap().possible_duplicate, "whoever sends it again is warned");
    assert_eq!(world.provider.asked().len(), 2);
    running.kill().await;
}

#[tokio::test]
async fn a_reset_before_the_request_was_read_ends_with_one_message() {
    let world = World::new(Provider::start([Act::ResetBefore]).await).await;
    let conversation = world.conversation("A").await;
    let message = world.say(conversation, "hi").await;
    let running = world.drive(1);
    world.until(message.id, is(DeliveryStatus::Sent)).await;
    assert_eq!(world.provider.taken(), ["hi"]);
    running.kill().await;
}

#[tokio::test]
async fn in_doubt_an_operator_decides_where_that_is_wanted() {
    let setup = Setup { on_unknown: OnUnknown::Hold, max_age: Duration::from_secs(2), ..Setup::default() };
    let world = World::with(Provider::start([Act::ResetAfter]).await, setup).await;
    let conversation = world.conversation("A").await;
    let message = world.say(conversation, "hi").await;
    let running = world.drive(1);
    let lane = Lane::outbound(conversation);
    let mut held = false;
    for _ in 0..200 {
        held = world.store.lane(lane).await.unwrap().is_some_and(|head| head.state == LaneState::Held);
        if held {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(held);
    assert_eq!(world.provider.asked().len(), 1);
    // Older than it may get by itself by now; but somebody has decided.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    world.commit([Change::Release { lane }]).await;
    let sent = world.until(message.id, is(DeliveryStatus::Sent)).await;
    assert!(sent.delivery.unwrap().possible_duplicate);
    running.kill().await;
}

#[tokio::test]
async fn a_crash_between_parts_goes_on_with_the_right_part() {
    let provider = Provider::start([Act::Take, Act::Slow(Duration::from_millis(300))]).await;
    let world = World::new(provider).await;
    let conversation = world.conversation("A").await;
    let items = json!({ "items": [
        { "type": "text", "payload": { "text": "one" } },
        { "type": "text", "payload": { "text": "two" } },
        { "type": "image", "payload": { "imageUrl": "https://x.example/i.png" } },
    ] });
    let new = NewMessage { kind: "bloc".into(), payload: items, ..world.text(conversation, "") };
    let message = world.outbox.accept(new).await.unwrap();
    let running = world.drive(1);
    while world.provider.asked().len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.kill().await;
    let again = world.drive(1);
    let sent = world.until(message.id, is(DeliveryStatus::Sent)).await;
    let asked: Vec<_> = world.provider.asked().iter().map(|body| body["text"].clone()).collect();
    assert_eq!(asked, ["one", "two", "two", "https://x.example/i.png"], "the first part is not sent again");
    let delivery = sent.delivery.unwrap();
    assert!(delivery.possible_duplicate, "nobody knows whether the second part arrived");
    assert_eq!(delivery.external_ids.len(), 3);
    again.kill().await;
}

#[tokio::test]
async fn refused_credentials_pause_without_attempts_and_go_on_when_the_configuration_changes() {
    let provider = Provider::start([]).await;
    provider.always(Act::Answer(401, "", ""));
    let world = World::new(provider).await;
    let conversations = [world.conversation("A").await, world.conversation("B").await];
    let first = world.say(conversations[0], "one").await;
    let running = world.drive(1);
    while world.installation.attention().is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(world.installation.attention().unwrap().code, "unauthenticated");
    let second = world.say(conversations[1], "two").await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(world.provider.asked().len(), 1);
    let head = world.store.lane(Lane::outbound(conversations[0])).await.unwrap().unwrap();
    assert_eq!((head.attempts, head.state), (0, LaneState::Ready));
    assert_eq!(world.metrics.sends("shop-probe").attention.get(), 1);
    world.provider.always(Act::Take);
    world.installations.replace([world.again()]);
    running.handle.poke_group(&portico_lanes::GroupKey::new("shop-probe"));
    world.until(first.id, is(DeliveryStatus::Sent)).await;
    world.until(second.id, is(DeliveryStatus::Sent)).await;
    assert_eq!(world.metrics.sends("shop-probe").attention.get(), 0);
    running.kill().await;
}

#[tokio::test]
async fn a_final_refusal_is_told_to_the_core_and_can_be_sent_again() {
    let world = World::new(Provider::start([Act::Answer(400, "", "no")]).await).await;
    let conversation = world.conversation("A").await;
    let message = world.say(conversation, "hi").await;
    let running = world.drive(1);
    let failed = world.until(message.id, is(DeliveryStatus::Failed)).await;
    assert_eq!(reason(&failed), "rejected: HTTP 400");
    world.settled(conversation).await;
    let told = world.told(Lane::inbound(conversation)).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["type"], "message_failed");
    assert_eq!(told[0]["messageId"], message.id.to_string());
    assert_eq!(told[0]["payload"], json!({ "reason": "rejected: HTTP 400", "code": "rejected" }));
    let dead = world.store.dead_letters(Some(&world.bot), None, 9).await.unwrap().items;
    assert_eq!((dead.len(), dead[0].reason), (1, DeadReason::Refused));
    world.commit([Change::Unbury { bot: world.bot.clone(), event: dead[0].event.id }]).await;
    let sent = world.until(message.id, is(DeliveryStatus::Sent)).await;
    assert_eq!(sent.delivery.unwrap().reason, None);
    running.kill().await;
}

#[tokio::test]
async fn an_unreachable_person_is_marked_until_a_message_arrives() {
    let world = World::new(Provider::start([Act::Answer(403, "", "")]).await).await;
    let conversation = world.conversation("A").await;
    let message = world.say(conversation, "hi").await;
    let running = world.drive(1);
    world.until(message.id, is(DeliveryStatus::Failed)).await;
    let tags = || async { world.records.conversation(conversation).await.unwrap().unwrap().value.tags };
    assert!(tags().await.contains_key(UNREACHABLE));
    let again = world.say(conversation, "ho").await;
    world.until(again.id, is(DeliveryStatus::Sent)).await;
    assert!(!tags().await.contains_key(UNREACHABLE));
    running.kill().await;
}

#[tokio::test]
async fn a_kind_that_is_refused_goes_once_more_as_text() {
    let world = World::new(Provider::start([]).await).await;
    let conversation = world.conversation("A").await;
    let payload = json!({ "title": "Tea", "actions": [{ "action": "say", "label": "Buy", "value": "b" }] });
    let new = NewMessage { kind: "card".into(), payload, ..world.text(conversation, "") };
    let message = world.outbox.accept(new).await.unwrap();
    let strange =
        NewMessage { kind: "sticker".into(), payload: json!({ "id": 1 }), ..world.text(conversation, "") };
    let strange = world.outbox.accept(strange).await.unwrap();
    let running = world.drive(1);
    world.until(message.id, is(DeliveryStatus::Sent)).await;
    assert_eq!(world.provider.taken(), ["Tea\n1. Buy"]);
    let failed = world.until(strange.id, is(DeliveryStatus::Failed)).await;
    assert_eq!(reason(&failed), "the channel can't carry messages of type 'sticker'");
    running.kill().await;
}

#[tokio::test]
async fn a_bug_is_tried_once_more() {
    let world = World::new(Provider::start([]).await).await;
    let conversation = world.conversation("A").await;
    let message = world.say(conversation, "bug").await;
    let next = world.say(conversation, "next").await;
    let running = world.drive(1);
    let failed = world.until(message.id, is(DeliveryStatus::Failed)).await;
    assert_eq!(reason(&failed), "bug: as asked");
    assert_eq!(world.store.attempts(EventId(message.id.0)).await.unwrap().len(), 2);
    world.until(next.id, is(DeliveryStatus::Sent)).await;
    running.kill().await;
}

#[tokio::test]
async fn a_panic_of_the_connector_fails_its_message_only() {
    let world = World::new(Provider::start([]).await).await;
    let (one, two) = (world.conversation("A").await, world.conversation("B").await);
    let bad = world.say(one, "panic").await;
    let good = world.say(two, "hi").await;
    let running = world.drive(1);
    world.until(bad.id, is(DeliveryStatus::Failed)).await;
    world.until(good.id, is(DeliveryStatus::Sent)).await;
    running.kill().await;
}

#[tokio::test]
async fn what_is_too_old_is_failed_and_told_once() {
    let provider = Provider::start([]).await;
    provider.always(Act::Answer(500, "", ""));
    let world =
        World::with(provider, Setup { max_age: Duration::from_millis(1_500), ..Setup::default() }).await;
    let conversation = world.conversation("A").await;
    let message = world.say(conversation, "hi").await;
    let running = world.drive(1);
    let failed = world.until(message.id, is(DeliveryStatus::Failed)).await;
    assert_eq!(reason(&failed), "the message could not be sent in time");
    world.settled(conversation).await;
    assert_eq!(world.told(Lane::inbound(conversation)).await.len(), 1);
    let dead = world.store.dead_letters(Some(&world.bot), None, 9).await.unwrap().items;
    assert_eq!(dead[0].reason, DeadReason::Expired);
    running.kill().await;
}

#[tokio::test]
async fn the_walk_fails_old_messages_of_an_installation_that_takes_nothing() {
    let world = World::new(Provider::start([]).await).await;
    let conversation = world.conversation("A").await;
    let message = world.say(conversation, "hi").await;
    let mut shown = Default::default();
    world.sender.walk(&mut shown, crate::now()).await.unwrap();
    assert_eq!(world.metrics.sends("shop-probe").backlog.get(), 1);
    let later = crate::now() + 3_600_000 + 91_000;
    for _ in 0..2 {
        world.sender.walk(&mut shown, later).await.unwrap();
    }
    let failed = world.records.message(message.id).await.unwrap().unwrap().value;
    assert_eq!(failed.delivery.unwrap().status, DeliveryStatus::Failed);
    assert_eq!(world.told(Lane::inbound(conversation)).await.len(), 1);
    // The driver buries what was failed, and sends nothing.
    let running = world.drive(1);
    world.settled(conversation).await;
    assert!(world.provider.asked().is_empty());
    running.kill().await;
}

#[tokio::test]
async fn five_failing_conversations_open_the_breaker_and_a_probe_closes_it() {
    let provider = Provider::start([]).await;
    provider.always(Act::Answer(503, "", ""));
    let world = World::new(provider).await;
    let mut messages = Vec::new();
    for index in 0..30 {
        let conversation = world.conversation(&format!("D{index}")).await;
        messages.push(world.say(conversation, "hi").await);
    }
    let running = world.drive(1);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let asked = world.provider.asked().len();
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    assert_eq!(world.provider.asked().len(), asked, "the breaker is open");
    world.provider.always(Act::Take);
    for message in &messages {
        world.until(message.id, is(DeliveryStatus::Sent)).await;
    }
    assert_eq!(world.provider.taken().len(), 30);
    running.kill().await;
}

#[tokio::test]
async fn edits_and_removals_reach_the_provider_in_order() {
    let world = World::new(Provider::start([]).await).await;
    let conversation = world.conversation("A").await;
    let message = world.say(conversation, "hi").await;
    let running = world.drive(1);
    world.until(message.id, is(DeliveryStatus::Sent)).await;
    let change = MessageChange { payload: Some(json!({ "text": "ho" })), tags: Default::default() };
    world.outbox.edit(&world.bot, message.id, change).await.unwrap();
    world.settled(conversation).await;
    world.outbox.delete(&world.bot, message.id).await.unwrap();
    world.settled(conversation).await;
    let told: Vec<Value> =
        world.provider.taken()[1..].iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    assert_eq!(told[0]["name"], "editMessage");
    assert_eq!(told[0]["message"], json!(["p1"]));
    assert_eq!(told[0]["input"]["payload"], json!({ "text": "ho" }));
    assert_eq!(told[1]["name"], "deleteMessage");
    assert_eq!(told[1]["message"], json!(["p1"]));
    running.kill().await;
}

#[tokio::test]
async fn a_message_removed_while_it_waits_is_not_sent() {
    let world = World::new(Provider::start([]).await).await;
    let conversation = world.conversation("A").await;
    let message = world.say(conversation, "hi").await;
    world.outbox.delete(&world.bot, message.id).await.unwrap();
    let running = world.drive(1);
    world.settled(conversation).await;
    assert!(world.provider.asked().is_empty());
    running.kill().await;
}

#[tokio::test]
async fn a_crash_after_the_row_was_written_sends_nothing_again() {
    let world = World::new(Provider::start([]).await).await;
    let conversation = world.conversation("A").await;
    let message = world.say(conversation, "hi").await;
    let old = world.records.message(message.id).await.unwrap().unwrap();
    let mut sent = old.value.clone();
    sent.delivery.as_mut().unwrap().status = DeliveryStatus::Sent;
    world.commit(world.records.message_changes(Some(&old), &sent)).await;
    let running = world.drive(1);
    world.settled(conversation).await;
    assert!(world.provider.asked().is_empty());
    running.kill().await;
}
