//! Names per viewer.

use serde_json::json;

use super::{A, OTHER, TOY, World, say, text};

#[tokio::test]
async fn each_viewer_sees_and_writes_its_own_names() {
    let world = World::new().await;
    let conversation = world.conversation(TOY, "D1").await;
    let user = world.user(TOY, "Ann").await;
    let mut body = say(&conversation, &user, "hi");
    body["tags"] = json!({ "id": "M1" });
    let message = world.post("/v1/chat/messages", TOY, body).await.ok()["message"].clone();
    assert_eq!((&message["direction"], &message["tags"]), (&json!("incoming"), &json!({ "id": "M1" })));
    let path = format!("/v1/chat/messages/{}", text(&message["id"]));
    assert_eq!(world.get(&path, A).await.ok()["message"]["tags"], json!({ "toy:id": "M1" }));

    let change = json!({ "tags": { "mine": "x", "toy:id": "M2", "portico:status": "read" } });
    let changed = world.call("PUT", &path, A, &change).await.ok();
    assert_eq!(changed["message"]["tags"], json!({ "mine": "x", "toy:id": "M2" }));
    assert_eq!(world.get(&path, TOY).await.ok()["message"]["tags"], json!({ "id": "M2" }));
    let removed = world.call("PUT", &path, A, &json!({ "tags": { "mine": null, "toy:id": "" } })).await.ok();
    assert_eq!(removed["message"]["tags"], json!({}));

    let event =
        world.post("/v1/chat/events", TOY, json!({ "type": "reacted", "payload": {} })).await.ok()["event"]
            .clone();
    let path = format!("/v1/chat/events/{}", text(&event["id"]));
    assert_eq!(world.get(&path, A).await.ok()["event"]["type"], "toy:reacted");
    assert_eq!(world.get(&path, TOY).await.ok()["event"]["type"], "reacted");
    world.get(&path, OTHER).await.refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn an_integration_sees_its_own_conversations_only() {
    let world = World::new().await;
    let conversation = world.conversation(TOY, "D1").await;
    let user = world.user(TOY, "Ann").await;
    let message = world.post("/v1/chat/messages", TOY, say(&conversation, &user, "hi")).await.ok();
    let id = text(&message["message"]["id"]);
    for path in [
        format!("/v1/chat/conversations/{conversation}"),
        format!("/v1/chat/conversations/{conversation}/participants"),
        format!("/v1/chat/messages/{id}"),
        format!("/v1/chat/messages?conversationId={conversation}"),
        format!("/v1/chat/states/conversation/{conversation}/s"),
        format!("/v1/chat/users?conversationId={conversation}"),
    ] {
        world.get(&path, OTHER).await.refused(404, "ResourceNotFound");
    }
    world
        .post("/v1/chat/messages", OTHER, say(&conversation, &user, "x"))
        .await
        .refused(400, "ReferenceNotFound");
    for path in ["/v1/chat/conversations", "/v1/chat/messages", "/v1/chat/events"] {
        let listed = world.get(path, OTHER).await.ok();
        let items = listed.as_object().unwrap().values().find_map(|value| value.as_array()).unwrap();
        assert!(items.is_empty(), "{path}: {listed}");
    }
}

#[tokio::test]
async fn the_bots_own_user_is_there_when_it_is_first_used() {
    let world = World::new().await;
    let conversation = world.conversation(TOY, "D1").await;
    assert_eq!(world.get("/v1/chat/users/a", A).await.ok()["user"]["id"], "a");
    let said = world.post("/v1/chat/messages", A, say(&conversation, "a", "hi")).await.ok();
    assert_eq!(
        (&said["message"]["direction"], &said["message"]["userId"]),
        (&json!("outgoing"), &json!("a"))
    );
    world.get("/v1/chat/users/b", A).await.refused(404, "ResourceNotFound");
}

#[tokio::test]
async fn ids_with_escaped_slashes_are_one_segment() {
    let world = World::new().await;
    world.post("/v1/chat/states/bot/a/my%2Fstate%20x", A, json!({ "payload": { "n": 1 } })).await.ok();
    let read = world.get("/v1/chat/states/bot/a/my%2fstate%20x", A).await.ok();
    assert_eq!(read["state"]["name"], "my/state x");
    let user = json!({ "tags": { "a/b": "1" } });
    world.post("/v1/chat/users", A, user).await.ok();
    let values = world.get("/v1/chat/tags/a%2Fb/values?type=user", A).await.ok();
    assert_eq!(values["tags"], json!([{ "value": "1" }]));
}
