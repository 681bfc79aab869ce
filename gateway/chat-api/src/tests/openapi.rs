//! `openapi.json`, the routes and the answers say the same.

use portico_serve::describe::Error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{World, text};
use crate::chat::shapes;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

#[test]
fn the_description_is_checked_in() {
    let made = crate::openapi();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(FILE, &made).unwrap();
    }
    let kept = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(kept == made, "openapi.json is not what the handlers say; run the test with UPDATE_OPENAPI=1");
}

#[tokio::test]
async fn every_described_operation_is_served_and_wants_a_key() {
    let world = World::new().await;
    let description = world.get("/chat/backend/openapi.json", "").await;
    assert_eq!(description.headers["content-type"], "application/json");
    let description = description.ok();
    assert_eq!(description, serde_json::from_str::<Value>(&crate::openapi()).unwrap());
    let mut count = 0;
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let path = format!("/chat/backend{}", path.replace(['{', '}'], ""));
            let answer = world.call(&method.to_uppercase(), &path, "", Value::Null).await;
            match operation["operationId"] == "createUser" {
                // The one that gives a key; it wants a body instead.
                true => answer.refused(400, "InvalidPayload"),
                false => answer.refused(401, "Unauthorized"),
            };
            count += 1;
        }
    }
    assert_eq!(count, 21);
}

/// Reads an answer as the description says it is: nothing missing, nothing more.
#[track_caller]
fn fits<T: DeserializeOwned + Serialize>(answer: &Value) {
    let read: T = serde_json::from_value(answer.clone()).unwrap_or_else(|error| panic!("{answer}: {error}"));
    assert_eq!(serde_json::to_value(read).unwrap(), *answer);
}

#[tokio::test]
async fn answers_are_as_they_are_described() {
    let world = World::new().await;
    let new = json!({ "id": "ada", "name": "Ada", "pictureUrl": "https://p.example/a.png", "profile": "p" });
    let made = world.post("/chat/backend/users", "", new).await.ok();
    fits::<shapes::MadeUser>(&made);
    let key = text(&made["key"]);
    fits::<shapes::UserAnswer>(&world.get("/chat/backend/users/me", &key).await.ok());
    let room = world.post("/chat/backend/conversations", &key, json!({ "id": "room" })).await.ok();
    fits::<shapes::ConversationAnswer>(&room);
    fits::<shapes::ConversationList>(&world.get("/chat/backend/conversations", &key).await.ok());
    let path = "/chat/backend/conversations/room";
    let mut stream = world.stream(&format!("{path}/listen"), &key).await;
    for metadata in [json!({ "a": 1 }), json!({})] {
        let payload = json!({ "type": "text", "text": "hi" });
        let new = json!({ "conversationId": "room", "payload": payload, "metadata": metadata });
        let said = world.post("/chat/backend/messages", &key, new).await.ok();
        fits::<shapes::MessageAnswer>(&said);
        let data = stream.signal("message_created").await;
        fits::<shapes::Signal>(&json!({ "type": "message_created", "data": data }));
    }
    fits::<shapes::MessageList>(&world.get(&format!("{path}/messages"), &key).await.ok());
    fits::<shapes::ParticipantList>(&world.get(&format!("{path}/participants"), &key).await.ok());
    fits::<shapes::ParticipantAnswer>(&world.get(&format!("{path}/participants/ada"), &key).await.ok());
    let new = json!({ "conversationId": "room", "payload": { "x": [1] } });
    fits::<shapes::EventAnswer>(&world.post("/chat/backend/events", &key, new).await.ok());
    fits::<shapes::Done>(&world.delete(path, &key).await.ok());
    let refused = world.get(path, &key).await.refused(404, "ResourceNotFound");
    fits::<Error>(&refused);
    let field = world.post("/chat/backend/messages", &key, json!({ "conversationId": 5 })).await;
    fits::<Error>(&field.refused(400, "InvalidPayload"));
}
