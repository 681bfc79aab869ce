//! Drafts reach those who listen to live channels, and end with their message.

use std::sync::Arc;

use parking_lot::Mutex;
use portico_contract::{ConversationId, UserId};
use portico_outbound::Outbox;
use portico_store::records::Records;
use portico_turns::{DraftRefused, DraftStep, Outlet, ShownItem, Signal};
use serde_json::{Value, json};

use super::{A, Answer, TOY, World, say, text, toy};

/// Notes what it is told.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Outlet for Notes {
    fn shown(&self, _: ConversationId, item: ShownItem) {
        self.0.lock().push(format!("{} {:?}", item.seq, item.item.what));
    }

    fn signal(&self, _: ConversationId, _: Signal) {}

    fn draft(&self, _: ConversationId, id: &str, by: &UserId, step: DraftStep) -> Result<(), DraftRefused> {
        if id == "long" {
            return Err(DraftRefused::TooLong { limit: 5 });
        }
        self.0.lock().push(format!("{id} {by} {step:?}"));
        Ok(())
    }

    fn ended(&self, _: ConversationId) {
        self.0.lock().push("ended".into());
    }
}

/// A gateway with a live installation, and a conversation of it.
async fn live() -> (World, Arc<Notes>, String) {
    let notes = Arc::new(Notes::default());
    let outlet = notes.clone();
    let world = World::with(|api| {
        let mut all = api.installations.all();
        all.push(toy::live_installation("site-a", "site").unwrap());
        api.installations.replace(all);
        let installations = Arc::new(api.installations.clone());
        let outbox = Outbox::new(api.store.clone(), installations, api.metrics.clone()).with_outlet(outlet);
        api.outbox = Arc::new(outbox);
    })
    .await;
    let body = json!({ "channel": "dm", "tags": { "site:id": "D1" }, "integrationName": "site" });
    let made = world.post("/v1/chat/conversations/get-or-create", A, body).await.ok();
    let conversation = text(&made["conversation"]["id"]);
    (world, notes, conversation)
}

async fn put(world: &World, id: &str, body: Value) -> Answer {
    world.call("PUT", &format!("/v1/chat/drafts/{id}"), A, &body).await
}

#[tokio::test]
async fn a_draft_grows_is_given_up_or_ends_with_a_message() {
    let (world, notes, conversation) = live().await;
    let answer = put(&world, "d1", json!({ "conversationId": conversation, "append": "Hel" })).await.ok();
    assert_eq!(answer, json!({ "draft": { "id": "d1", "conversationId": conversation, "shown": true } }));
    put(&world, "d1", json!({ "conversationId": conversation, "text": "Hi", "userId": "a" })).await.ok();
    let gone = format!("/v1/chat/drafts/d1?conversationId={conversation}");
    world.call("DELETE", &gone, A, &json!({})).await.ok();
    assert_eq!(notes.0.lock().as_slice(), ["d1 a Append(\"Hel\")", "d1 a Replace(\"Hi\")", "d1 a Abort"]);
    let mut body = say(&conversation, "a", "Hi there");
    body["draftId"] = "d2".into();
    let message = world.post("/v1/chat/messages", A, body).await.ok();
    assert_eq!(message["message"]["tags"]["portico:draft"], "d2");
}

#[tokio::test]
async fn a_channel_without_drafts_takes_them_and_shows_nothing() {
    let (world, notes, _) = live().await;
    let conversation = world.conversation(A, "D7").await;
    let answer = put(&world, "d1", json!({ "conversationId": conversation, "append": "x" })).await.ok();
    assert_eq!(answer["draft"]["shown"], false);
    assert!(notes.0.lock().is_empty());
}

#[tokio::test]
async fn what_is_wrong_about_a_draft_is_named() {
    let (world, _, conversation) = live().await;
    let named = |problem: Value| problem["metadata"]["field"].clone();
    let neither = put(&world, "d1", json!({ "conversationId": conversation })).await;
    assert_eq!(named(neither.refused(400, "InvalidPayload")), "append");
    let both = json!({ "conversationId": conversation, "append": "x", "text": "y" });
    put(&world, "d1", both).await.refused(400, "InvalidPayload");
    let lost = json!({ "conversationId": "conv_00000000000000000000000000", "append": "x" });
    assert_eq!(named(put(&world, "d1", lost).await.refused(400, "ReferenceNotFound")), "conversationId");
    let nobody = json!({ "conversationId": conversation, "append": "x", "userId": "user_nobody" });
    assert_eq!(named(put(&world, "d1", nobody).await.refused(400, "ReferenceNotFound")), "userId");
    let long = json!({ "conversationId": conversation, "append": "x" });
    put(&world, "long", long.clone()).await.refused(413, "PayloadTooLarge");
    assert_eq!(named(put(&world, &"x".repeat(101), long).await.refused(400, "InvalidPayload")), "draftId");
    let gone = world.call("DELETE", "/v1/chat/drafts/d1", A, &json!({})).await;
    gone.refused(400, "InvalidQuery");
    let mut late = say(&conversation, "a", "x");
    late["draftId"] = "d1".into();
    late["schedule"] = json!({ "delay": 60_000 });
    assert_eq!(
        named(world.post("/v1/chat/messages", A, late).await.refused(400, "InvalidPayload")),
        "draftId"
    );
    let place = world.conversation(TOY, "D8").await;
    let user = world.user(TOY, "Ann").await;
    let mut brought = say(&place, &user, "x");
    brought["draftId"] = "d1".into();
    world.post("/v1/chat/messages", TOY, brought).await.refused(400, "InvalidPayload");
}

#[tokio::test]
async fn people_edits_and_the_end_of_a_live_conversation_are_told() {
    let (world, notes, conversation) = live().await;
    let user = world.user(A, "Ann").await;
    let path = format!("/v1/chat/conversations/{conversation}");
    let people = format!("{path}/participants");
    world.post(&people, A, json!({ "userId": user })).await.ok();
    world.post(&people, A, json!({ "userId": user })).await.ok();
    world.call("DELETE", &format!("{people}/{user}"), A, &json!({})).await.ok();
    let told = notes.0.lock().clone();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("1 Participant") && told[0].ends_with("joined: true }"));
    assert!(told[1].starts_with("2 Participant") && told[1].ends_with("joined: false }"));
    world.call("DELETE", &path, A, &json!({})).await.ok();
    assert_eq!(notes.0.lock().last().map(String::as_str), Some("ended"));
    let id = ConversationId::parse(&conversation).unwrap();
    let records = Records::of(world.parts.api.store.clone(), portico_contract::BotId::parse("a").unwrap());
    assert!(records.stream_head(id).await.unwrap().is_none());
}
