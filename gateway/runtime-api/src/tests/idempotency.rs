//! Repeats under an idempotency key.

use serde_json::json;

use super::{A, B, World, say};

fn keyed<'a>(who: &[(&'a str, &'a str)], key: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut headers = who.to_vec();
    headers.push(("idempotency-key", key));
    headers
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_and_another_body_is_refused() {
    let world = World::new().await;
    let conversation = world.conversation(A, "D1").await;
    let other = world.conversation(B, "D1").await;
    let (once, twice) = (keyed(A, "k1"), keyed(A, "k2"));
    let first = world.post("/v1/chat/messages", &once, say(&conversation, "a", "hi")).await.ok();
    let again = world.post("/v1/chat/messages", &once, say(&conversation, "a", "hi")).await.ok();
    assert_eq!(first, again);
    world.post("/v1/chat/messages", &once, say(&conversation, "a", "ho")).await.refused(409, "AlreadyExists");
    world.post("/v1/chat/events", &once, json!({ "type": "x" })).await.refused(409, "AlreadyExists");
    let second = world.post("/v1/chat/messages", &twice, say(&conversation, "a", "hi")).await.ok();
    assert_ne!(first["message"]["id"], second["message"]["id"]);
    // A key is the caller's own.
    world.post("/v1/chat/messages", &keyed(B, "k1"), say(&other, "b", "hi")).await.ok();
    let listed = world.get(&format!("/v1/chat/messages?conversationId={conversation}"), A).await.ok();
    assert_eq!(listed["messages"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn events_happen_once_for_a_key() {
    let world = World::new().await;
    for (key, body) in [
        ("e1", json!({ "type": "mine", "payload": { "n": 1 } })),
        ("e2", json!({ "type": "later", "payload": {}, "schedule": { "delay": 100_000 } })),
        ("e3", json!({ "type": "large", "payload": { "text": "x".repeat(100_000) } })),
    ] {
        let first = world.post("/v1/chat/events", &keyed(A, key), body.clone()).await.ok();
        let again = world.post("/v1/chat/events", &keyed(A, key), body).await.ok();
        assert_eq!(first["event"]["id"], again["event"]["id"]);
        assert_eq!(first["event"]["payload"], again["event"]["payload"]);
    }
    let listed = world.get("/v1/chat/events", A).await.ok();
    assert_eq!(listed["events"].as_array().unwrap().len(), 3);
}
