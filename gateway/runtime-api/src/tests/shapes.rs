//! Objects as documented, and what they set in motion.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{A, TOY, World, say, text};
use crate::wire;

/// What is answered is what `openapi.json` says: nothing missing, nothing more.
#[track_caller]
fn is<T: DeserializeOwned>(value: &Value) {
    if let Err(error) = serde_json::from_value::<T>(value.clone()) {
        panic!("{error}: {value}");
    }
}

#[tokio::test]
async fn answers_are_of_the_documented_shape() {
    let world = World::new().await;
    let conversation = world.conversation(TOY, "D1").await;
    let user = world.post(
        "/v1/chat/users",
        A,
        json!({ "tags": { "x": "1" }, "name": "Ann", "pictureUrl": "https://e.x/p" }),
    );
    let user = user.await.ok()["user"].clone();
    is::<wire::User>(&user);
    let task = json!({ "currentTaskId": "t", "properties": { "p": "1" } });
    let changed = world.call("PUT", &format!("/v1/chat/conversations/{conversation}"), A, &task).await.ok();
    is::<wire::Conversation>(&changed["conversation"]);
    let mut synthetic = say(&conversation, "a", "hi");
    synthetic["origin"] = json!("synthetic");
    is::<wire::Message>(&world.post("/v1/chat/messages", A, synthetic).await.ok()["message"]);
    is::<wire::Message>(
        &world.post("/v1/chat/messages", TOY, say(&conversation, &text(&user["id"]), "hi")).await.ok()["message"],
    );
    let event = json!({ "type": "e", "conversationId": conversation, "userId": user["id"] });
    is::<wire::Event>(&world.post("/v1/chat/events", A, event).await.ok()["event"]);
    let later = json!({ "type": "e", "schedule": { "dateTime": "2100-01-01T00:00:00Z" }, "conversationId": conversation });
    is::<wire::Event>(&world.post("/v1/chat/events", A, later).await.ok()["event"]);
    let state = json!({ "payload": {}, "expiry": 60_000 });
    let place = format!("/v1/chat/states/conversation/{conversation}/s");
    is::<wire::State>(&world.post(&place, A, state).await.ok()["state"]);
    let file = json!({ "key": "k", "size": 1, "expiresAt": "2100-01-01T00:00:00Z" });
    is::<wire::File>(&world.call("PUT", "/v1/files", TOY, &file).await.ok()["file"]);
    let workflow =
        json!({ "name": "w", "status": "completed", "conversationId": conversation, "userId": user["id"] });
    is::<wire::Workflow>(&world.post("/v1/chat/workflows", A, workflow).await.ok()["workflow"]);
    is::<portico_serve::describe::Error>(&world.get("/v1/chat/users/x", A).await.body);
    for event in world.get("/v1/chat/events", A).await.ok()["events"].as_array().unwrap() {
        is::<wire::Event>(event);
    }
}

#[tokio::test]
async fn what_the_bot_says_waits_to_be_sent_and_what_comes_in_waits_for_the_bot() {
    use portico_contract::ConversationId;
    use portico_store::Lane;
    let world = World::new().await;
    let conversation = world.conversation(TOY, "D1").await;
    let id = ConversationId::parse(&conversation).unwrap();
    let user = world.user(TOY, "Ann").await;
    let waiting = async |lane| {
        let head = world.parts.api.store.lane(lane).await.unwrap();
        head.map_or(0, |head| head.next - head.head)
    };
    let said = world.post("/v1/chat/messages", A, say(&conversation, "a", "hi")).await.ok();
    assert_eq!(said["message"]["tags"]["portico:status"], "pending");
    assert_eq!((waiting(Lane::outbound(id)).await, waiting(Lane::inbound(id)).await), (1, 0));
    world.post("/v1/chat/messages", TOY, say(&conversation, &user, "ho")).await.ok();
    assert_eq!((waiting(Lane::outbound(id)).await, waiting(Lane::inbound(id)).await), (1, 1));
    let past = json!({ "createdAt": "2020-01-01T00:00:00Z", "conversationId": conversation, "userId": user, "type": "text",
        "payload": { "text": "old" }, "tags": { "id": "P" } });
    for _ in 0..2 {
        let import = json!({ "messages": [past.clone()] });
        let imported = world.post("/v1/chat/messages/import-messages", TOY, import).await.ok();
        assert_eq!(imported["messages"][0]["createdAt"], "2020-01-01T00:00:00.000Z");
    }
    assert_eq!((waiting(Lane::outbound(id)).await, waiting(Lane::inbound(id)).await), (1, 1));
    let place = world.get(&format!("/v1/chat/conversations/{conversation}"), A).await.ok();
    assert_eq!(place["conversation"]["messageCount"], 3);
    world.post("/v1/chat/events", A, json!({ "type": "e", "conversationId": conversation })).await.ok();
    assert_eq!(waiting(Lane::inbound(id)).await, 2);
    world.call("DELETE", &format!("/v1/chat/conversations/{conversation}"), A, &json!({})).await.ok();
    assert_eq!(world.get("/v1/chat/messages", A).await.ok()["messages"], json!([]));
}
